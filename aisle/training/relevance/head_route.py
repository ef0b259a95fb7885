"""Fitting the task head to few judged pairs: frozen vectors, seconds, no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.config import RenderSettings
from aisle.encoders.load import load_encoder
from aisle.judgments.pairs import PairSet, pair_text
from aisle.rerankers.head import ARCHITECTURE, TaskHead, wording, write_head
from aisle.training.head import fit_head
from aisle.training.relevance.candidate import Candidate, Note
from aisle.training.relevance.data import MIN_QUERIES, shares, turns
from aisle.training.relevance.evidence import NONE, evidence
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.types import Array

_TOKENS = 256


class HeadRoute:
    """One fit with everything that its steps share.

    Args:
        recipe: How; its base may be any encoder.
        work: A folder to write in.
        note: Told, in words, of what is happening.

    Raises:
        ArtifactError: The recipe's base is no encoder.
    """

    def __init__(self, recipe: TrainingRecipe, work: Path, note: Note) -> None:
        self.recipe, self.work, self.note = recipe, work, note
        self.encoder = load_encoder(recipe.base)

    def make(self, pairs: PairSet) -> Candidate:
        """Fit, and gather what the gate needs: each query is held out once, where there are enough of them."""
        self.note(f"encoding {len(pairs):,} pairs")
        queries, texts, words = self.features(pairs)
        cosine = np.einsum("ij,ij->i", queries, texts)
        count = len(pairs.by_query())
        found = NONE
        judged = 0
        if count >= MIN_QUERIES:
            scores, rows = np.zeros(len(pairs), np.float32), np.zeros(len(pairs), bool)
            for held in self._held_out(pairs):
                head = self.fit(pairs, np.flatnonzero(~held), queries, texts, words)
                scores[held] = head.score(queries[held], texts[held], words[held])
                rows |= held
            kept = pairs.subset(np.flatnonzero(rows).tolist())
            found = evidence(kept, cosine[rows], scores[rows], self.recipe.description)
            judged = len(kept.by_query())
        else:
            self.note(f"{count} queries are too few to hold any out: nothing can show whether the model is better")
        head = self.fit(pairs, np.arange(len(pairs)), queries, texts, words)
        folder = self.work / "folder"
        fields = ("title", "description") if self.recipe.description else ("title",)
        render = RenderSettings(fields, _TOKENS)
        write_head(folder, head, self.recipe.base, self.encoder, render, {"description": self.recipe.description})
        training: dict[str, Any] = {"weights": {"cosine": 1.0, "wording": head.wording, "centred": head.centred}}
        counts = {"all": count, "held out": judged}
        return Candidate(folder, ARCHITECTURE, found, queries=counts, training=training)

    def _held_out(self, pairs: PairSet) -> list[NDArray[np.bool_]]:
        """Rows that are held out together: of every query in its turn, unless the recipe keeps a share for the gate."""
        if self.recipe.judged_by != "share":
            return turns(pairs, self.recipe.seed)
        held = shares(pairs, self.recipe.validation, self.recipe.held_out, self.recipe.seed).held_out
        asked = {pair.query_id for pair in held}
        return [np.array([pair.query_id in asked for pair in pairs])]

    def fit(self, pairs: PairSet, rows: NDArray[np.int64], queries: Array, texts: Array, words: Array) -> TaskHead:
        """A head of some rows; the others are those of all pairs."""
        levels = pairs.levels()[rows].astype(np.float32)
        groups = [pairs[row].query_id for row in rows]
        return fit_head(
            queries[rows], texts[rows], levels, groups, self.recipe.head.settings(), self.recipe.seed, words[rows]
        )

    def features(self, pairs: PairSet) -> tuple[Array, Array, Array]:
        """Vectors of each pair's query and text, ``(n, dim)`` each, and its wording ``(n,)``."""
        asked = list(dict.fromkeys(pair.query for pair in pairs))
        read = [pair_text(pair, self.recipe.description) for pair in pairs]
        distinct = list(dict.fromkeys(read))
        query_rows = {text: row for row, text in enumerate(asked)}
        text_rows = {text: row for row, text in enumerate(distinct)}
        queries = self.encoder.encode(asked, "query")[[query_rows[pair.query] for pair in pairs]]
        texts = self.encoder.encode(distinct, "product")[[text_rows[text] for text in read]]
        words = np.zeros(len(pairs), np.float32)
        for rows in pairs.by_query().values():
            words[rows] = wording(pairs[rows[0]].query, [read[row] for row in rows])
        return queries, texts, words
