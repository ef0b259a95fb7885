"""What a combination weighs beside its cosine, learnt and counted along with each training of its encoder.

Meets ``Maker``: it trains as the encoder's route does, grows trees over words from the same pairs, and says of pairs
that were held out what every signal of the folder says. Signals are those of ``aisle.rerankers.combination``.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from aisle.artifacts import MANIFEST, Manifest, write_manifest
from aisle.augment.settings import drawn
from aisle.augment.text.clutter import Stuffed
from aisle.augment.text.table import CHANGES
from aisle.encoders.cosines import distinct_vectors
from aisle.encoders.onnx import OnnxEncoder
from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, pair_text
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import (
    ARCHITECTURE,
    CROSS,
    ENCODER,
    FILE,
    NEIGHBOURS,
    SIGNALS,
    TREES,
    Combination,
    fingerprint,
    mean_of_neighbours,
    word_signals,
)
from aisle.rerankers.echoes import Echoes
from aisle.rerankers.head import FORMAT, KIND
from aisle.rerankers.spelling import Speller
from aisle.rerankers.word_trees import WordTrees
from aisle.training.relevance.recipe import FitSettings, TrainingRecipe
from aisle.training.relevance.rounds import Maker
from aisle.training.relevance.word_trees import WordTeacher
from aisle.types import Array

if TYPE_CHECKING:
    from aisle.training.relevance.fit import Outcome


@dataclass(frozen=True, slots=True)
class Beside:
    """A cross-encoder's folder, and its scores of the pairs that are held out, in the order of `rounds`."""

    folder: Path
    score: Array


class Combining:
    """Trains encoders by another maker, and what stands beside their cosines.

    Args:
        maker: Trains encoders.
        pairs: Of the shop: what their texts are, not how they are graded, says how rare words are.
        more: Further judgments, without the queries of the shop.
        recipe: How.
    """

    def __init__(self, maker: Maker, pairs: PairSet, more: Sequence[PairSet], recipe: TrainingRecipe) -> None:
        self._maker, self._recipe = maker, recipe
        self.words = WordStatistics.of([pair_text(pair, recipe.description) for pair in pairs], segment)
        self._echoes = self._echoes_of(pairs)
        self._speller = Speller(self.words.carriers) if recipe.correct else None
        self._teacher: WordTeacher | None = None
        if recipe.trees:
            # Queries of other shops are not spelt by the words of this one, nor do they write as it does.
            read = [self._texts_as_read(one, self._echoes_of(one)) for one in more]
            self._teacher = WordTeacher(read, self.words, recipe.fit.seed)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the signals, in the order of their columns."""
        beside = {TREES: self._recipe.trees, NEIGHBOURS: self._recipe.neighbours}
        return (*SIGNALS, *(name for name, there in beside.items() if there))

    def train(
        self, sets: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[Path, Outcome]:
        """Train an encoder and write its folder; trees of the same pairs lie beside it."""
        folder, outcome = self._maker.train(sets, validation, name, settings)
        if self._teacher is not None:
            self._teacher.grow(self._texts_as_read(self._as_read(sets[0]), self._echoes)).save(folder.parent)
        return folder, outcome

    @property
    def changes(self) -> bool:
        """Whether weights are fitted to changed queries and texts, too."""
        return self._recipe.augment.changes and self._recipe.augment.lists == "changed"

    def score(self, folder: Path, pairs: PairSet) -> Array:
        """Every signal of each pair, ``(n, len(names))``; with `changes` as many more, of the pair after a change."""
        parts = [pairs, self._changed(pairs)] if self.changes else [pairs]
        return np.concatenate([self._signals(folder, part) for part in parts], axis=1)

    def _signals(self, folder: Path, pairs: PairSet) -> Array:
        read = self._as_read(pairs)
        texts = self._texts(read, self._echoes)
        encode = OnnxEncoder(folder).encode
        queries, asked = distinct_vectors(encode, [pair.query for pair in read], "query")
        products, beside = distinct_vectors(encode, texts, "product")
        trees = WordTrees.load(folder.parent) if self._recipe.trees else None
        found = np.zeros((len(pairs), len(self.names)), np.float32)
        for rows in read.by_query().values():
            query, own = read[rows[0]].query, [texts[row] for row in rows]
            signals = list(word_signals(self.words, query, own).T)
            vectors = products[[beside[row] for row in rows]]
            cosine = vectors @ queries[asked[rows[0]]]
            if trees is not None:
                signals.append(trees.score(query, own, self.words).astype(np.float32))
            if self._recipe.neighbours:
                signals.append(vectors @ mean_of_neighbours(cosine, vectors))
            found[rows] = np.column_stack([cosine, *signals])
        return found

    def _changed(self, pairs: PairSet) -> PairSet:
        """The same rows as the training's changes may leave them, by its seed: a query alike beside all its texts."""
        settings, seed = self._recipe.augment, self._recipe.fit.seed
        asked = list(dict.fromkeys(pair.query for pair in pairs))
        queries = {query: drawn(settings.query, query, Random(f"{seed}:weights:{query}")) for query in asked}
        items = []
        for pair in pairs:
            changes = {**CHANGES, "stuffed": Stuffed(asked, pair.query)}
            title = drawn(settings.title, pair.title, Random(f"{seed}:weights:{pair.query}:{pair.title}"), changes)
            query = queries[pair.query]
            as_drawn = replace(pair, title=title[0] if title else pair.title)
            items.append(replace(as_drawn, query=query[0] if query else pair.query))
        return replace(pairs, items=tuple(items))

    def _as_read(self, pairs: PairSet) -> PairSet:
        """Queries as the model will read them."""
        if self._speller is None:
            return pairs
        corrected = {query: self._speller.corrected(query) for query in {pair.query for pair in pairs}}
        return replace(pairs, items=tuple(replace(pair, query=corrected[pair.query]) for pair in pairs))

    def _texts_as_read(self, pairs: PairSet, echoes: Echoes | None) -> PairSet:
        """Texts as the words' signals will read them beside these queries, the whole text in place of the title."""
        texts = self._texts(pairs, echoes)
        items = tuple(replace(pair, title=text, description="") for pair, text in zip(pairs, texts, strict=True))
        return replace(pairs, items=items)

    def _texts(self, pairs: PairSet, echoes: Echoes | None) -> list[str]:
        texts = [pair_text(pair, self._recipe.description) for pair in pairs]
        if echoes is None:
            return texts
        return [echoes.without(pair.query, text) for pair, text in zip(pairs, texts, strict=True)]

    def _echoes_of(self, pairs: PairSet) -> Echoes | None:
        return Echoes.of(self._texts(pairs, None)) if self._recipe.ignore_echo else None

    def write(self, part: Path, beside: Beside | None, weights: Mapping[str, float], work: Path) -> Path:
        """Gather the parts, from where they were made, in the folder of a combination."""
        folder = work / "folder"
        folder.mkdir(exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        if self._recipe.trees:
            WordTrees.load(part.parent).save(folder)
        for name, made in {ENCODER: part, **({} if beside is None else {CROSS: beside.folder})}.items():
            if (folder / name).exists():  # a run that was stopped here
                shutil.rmtree(folder / name)
            made.rename(folder / name)
        recipe = self._recipe
        combination = Combination(weights, self.words, recipe.description, recipe.correct, self._echoes)
        combination.save(folder / FILE)
        write_manifest(folder, Manifest(KIND, FORMAT, fingerprint(folder), {"architecture": ARCHITECTURE}))
        return folder
