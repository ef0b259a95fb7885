"""What a recipe is worth on queries of its own: cross-validation by query, without those that a gate will judge by."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from aisle.errors import JudgmentError, OptionalDependencyError, RecipeError
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments.pairs import PairSet
from aisle.judgments.split import folds
from aisle.training.relevance.data import cosines, shares
from aisle.training.relevance.head_route import HeadRoute
from aisle.training.relevance.recipe import TrainingRecipe

if TYPE_CHECKING:
    from aisle.types import Array

Values = dict[str, float]
"""nDCG@10 by query."""


class Trial(Protocol):
    """One model family, tried with many recipes on the same queries."""

    def run(self, recipe: TrainingRecipe) -> Iterator[Values]:
        """Train without the queries of each fold in turn, and give what they are worth."""
        ...


def inner(pairs: PairSet, recipe: TrainingRecipe) -> PairSet:
    """The pairs of the queries that the gate will not judge by, where `judged_by` is "share"."""
    held = shares(pairs, recipe.validation, recipe.held_out, recipe.seed).held_out
    asked = {pair.query_id for pair in held}
    return pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id not in asked])


def divided(pairs: PairSet, count: int, seed: int) -> list[tuple[list[int], list[int]]]:
    """For each fold the rows to learn from and those held out; spellings of a query stay together.

    Raises:
        JudgmentError: A fold would have no query.
    """
    held = [set(fold.test.queries) for fold in folds(pairs.judgments(), count, seed)]
    found = []
    for asked in held:
        mask = np.array([pair.query_id in asked for pair in pairs])
        found.append((np.flatnonzero(~mask).tolist(), np.flatnonzero(mask).tolist()))
    if any(not learnt or not kept for learnt, kept in found):
        raise JudgmentError(
            f"{len(pairs.by_query())} queries leave a fold of {count} empty", fix="judge more queries, or --folds 2"
        )
    return found


class HeadTrial:
    """Task heads over the vectors of one encoder, which are made once.

    Args:
        pairs: To learn from and to hold out.
        count: Folds.
        seed: Of the folds.
        work: A folder.
    """

    def __init__(self, pairs: PairSet, count: int, seed: int, work: Path) -> None:
        self.pairs, self.folds, self.work = pairs, divided(pairs, count, seed), work
        self._features: dict[bool, tuple[Array, Array, Array]] = {}

    def run(self, recipe: TrainingRecipe) -> Iterator[Values]:
        """Fit and score each fold in turn."""
        route = HeadRoute(recipe, self.work, lambda _: None)
        if recipe.description not in self._features:
            self._features[recipe.description] = route.features(self.pairs)
        queries, texts, words = self._features[recipe.description]
        for learnt, held in self.folds:
            head = route.fit(self.pairs, np.array(learnt), queries, texts, words)
            yield _worth(self.pairs.subset(held), head.score(queries[held], texts[held], words[held]))


class EncoderTrial:
    """Encoders from one base, in float; the signals of the words are weighed later, by `aisle train`.

    Args:
        pairs: To learn from and to hold out.
        count: Folds.
        seed: Of the folds.
        work: A folder for checkpoints.

    Raises:
        OptionalDependencyError: PyTorch is not installed.
    """

    def __init__(self, pairs: PairSet, count: int, seed: int, work: Path) -> None:
        try:
            import torch  # noqa: F401  told now, before anything is read
        except ImportError:
            raise OptionalDependencyError("torch", "train", "training an encoder") from None
        self.pairs, self.folds, self.work = pairs.by_gain(), divided(pairs, count, seed), work

    def run(self, recipe: TrainingRecipe) -> Iterator[Values]:
        """Train and score each fold in turn.

        Raises:
            RecipeError: Validation is to choose the epoch: the folds are what chooses here.
        """
        from aisle.training.relevance.encoder_route import EncoderRoute

        if recipe.fit.choose:
            raise RecipeError("fit.choose=true in a recipe to tune", fix="leave it out: epochs can be a range")
        route = EncoderRoute(recipe, [], self.work, lambda *_: None, lambda _: None)
        ids = route.before.tokenizer(recipe.fit.max_tokens).ids
        for number, (learnt, held) in enumerate(self.folds):
            folder = self.work / f"fold{number}"
            shutil.rmtree(folder, ignore_errors=True)
            train, test = self.pairs.subset(learnt), self.pairs.subset(held)
            model = route.trained(train, folder.name)

            def encode(texts: Sequence[str], kind: str, model: object = model) -> Array:
                return model.vectors(ids(texts))  # type: ignore[attr-defined, no-any-return]

            yield _worth(test, cosines(encode, test, recipe.description))


def _worth(held: PairSet, scores: Array) -> Values:
    found: Values = pool_ndcg(held.by_query(), held.by_gain().levels(), scores)
    return found
