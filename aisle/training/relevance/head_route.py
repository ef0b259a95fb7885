"""Fitting the task head to few judged pairs: frozen vectors, seconds, no PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.config import RenderSettings
from aisle.encoders.load import load_encoder
from aisle.judgments.pairs import PairSet, pair_text
from aisle.rerankers.head import ARCHITECTURE, HeadReranker, TaskHead, wording, write_head
from aisle.training.combine import fit_weights
from aisle.training.head import HeadPairs, HeadSettings, fit_pairs
from aisle.training.relevance.candidate import Candidate, Note
from aisle.training.relevance.data import MIN_QUERIES, shares, turns, without_queries_of
from aisle.training.relevance.evidence import NONE, evidence
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.training.relevance.reranking import rerank_time
from aisle.types import Array

_TOKENS = 256
BELIEVED, TOLD_SPREAD = 0.5, 1.0
"""How much of what further judgments say of the wording is believed; the least prior spread of corrections beside it.

Made queries have their titles' own words, so they say too much of it: believed whole, they took .023 from Icecat
(docs/synthesis.md).
"""


class HeadRoute:
    """One fit with everything that its steps share.

    Args:
        recipe: How; its base may be any encoder.
        work: A folder to write in.
        note: Told, in words, of what is happening.
        more: Further judgments, such as synthetic ones: they say what the wording counts before any pair of the shop
            is seen, and nothing else.

    Raises:
        ArtifactError: The recipe's base is no encoder.
    """

    def __init__(self, recipe: TrainingRecipe, work: Path, note: Note, more: Sequence[PairSet] = ()) -> None:
        self.recipe, self.work, self.note, self.more = recipe, work, note, more
        self.encoder = load_encoder(recipe.base)
        self.wording = 0.0

    def make(self, pairs: PairSet) -> Candidate:
        """Fit, and gather what the gate needs: each query is held out once, where there are enough of them."""
        self.wording = self._wording_of_more(pairs)
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
            found = evidence(kept.by_gain(), cosine[rows], scores[rows], self.recipe.description)
            judged = len(kept.by_query())
        else:
            few = "1 query is" if count == 1 else f"{count} queries are"
            self.note(
                f"{few} too few to hold any out: nothing can show whether "
                f"the model is better; for that judge {MIN_QUERIES} queries or more"
            )
        head = self.fit(pairs, np.arange(len(pairs)), queries, texts, words)
        folder = self.work / "folder"
        fields = ("title", "description") if self.recipe.description else ("title",)
        render = RenderSettings(fields, _TOKENS)
        write_head(folder, head, self.recipe.base, self.encoder, render, {"description": self.recipe.description})
        training: dict[str, Any] = {"weights": {"cosine": 1.0, "wording": head.wording, "centred": head.centred}}
        counts = {"all": count, "held out": judged}
        checks = (rerank_time(HeadReranker(folder, self.encoder), pairs, self.recipe.max_rerank_ms),)
        return Candidate(folder, ARCHITECTURE, found, checks=checks, queries=counts, training=training)

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
        settings = told(on_scale(self.recipe.head.settings(), pairs), self.wording)
        counts = pairs.weights()[rows]
        judged = HeadPairs(queries[rows], texts[rows], levels, groups, words[rows], counts)
        return fit_pairs(judged, settings, self.recipe.seed)

    def _wording_of_more(self, pairs: PairSet) -> float:
        """What further judgments say that wording counts beside the cosine; the mean where they are several files."""
        found = []
        for more in self.more:
            kept = without_queries_of(more, pairs)
            kept = kept.subset([row for row, level in enumerate(kept.levels()) if not np.isnan(level)])
            if len(kept):
                self.note(f"weighing the wording by {len(kept):,} pairs of {Path(more.source).name} first")
                found.append(wording_weight(*self.features(kept), kept.by_gain()))
        return float(np.mean(found)) if found else 0.0

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


def on_scale(settings: HeadSettings, pairs: PairSet) -> HeadSettings:
    """With the levels and gains that the scale of the pairs declares, where the pairs do not have all of them."""
    scale, levels = pairs.scale, pairs.levels().astype(np.float32)
    assert scale is not None, "pairs were read with their grades"
    if scale.gains:
        return replace(settings, scale=tuple(map(float, range(len(scale.gains)))), gains=scale.gains)
    found, ends = set(levels[~np.isnan(levels)].tolist()), {0.0, float(np.float32(scale.high - scale.low))}
    return settings if ends <= found else replace(settings, scale=tuple(sorted(found | ends)))


def told(settings: HeadSettings, weight: float) -> HeadSettings:
    """How a head is fitted that was told what wording counts elsewhere: it begins at half of that, and is freer."""
    if not weight:
        return settings
    freer = max(settings.correction_spread, TOLD_SPREAD)
    return replace(settings, wording=BELIEVED * weight, correction_spread=freer)


def wording_weight(queries: Array, texts: Array, words: Array, pairs: PairSet) -> float:
    """What the wording counts beside the cosine in the order of judged texts; 0 where that is below.

    Args:
        queries: ``(n, dim)`` unit rows, the query of each pair.
        texts: ``(n, dim)`` unit rows, its text.
        words: ``(n,)`` the wording of each pair.
        pairs: With their grades.
    """
    cosine = np.einsum("ij,ij->i", queries, texts).astype(np.float64)
    signals = np.column_stack([cosine, words])
    found = fit_weights(signals, pairs.levels(), list(pairs.by_query().values()), pairs.weights())
    return max(0.0, float(found[1]))
