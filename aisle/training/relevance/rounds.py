"""Training so that every score that judges was given by a model that did not learn from its query.

With few queries each is held out once in a round of trainings, with many a share of them is. Knows who trains and
scores only by `Maker`: an encoder, a cross-encoder or anything else in a folder. No PyTorch of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.judgments.pairs import PairSet
from aisle.training.combine import Doubles, fit_weights
from aisle.training.relevance.candidate import Note
from aisle.training.relevance.data import FOLDS, shares, turns
from aisle.types import Array

if TYPE_CHECKING:
    from aisle.training.relevance.fit import Outcome
    from aisle.training.relevance.recipe import FitSettings, TrainingRecipe


@dataclass(frozen=True, slots=True)
class Scored:
    """Pairs with what models say of them that did not learn from them, ``(n, k)``; the first signal is the score.

    Rows of one ``turn`` were held out together; those that are ``judged`` show whether the model is better.
    """

    pairs: PairSet
    signals: Array
    turn: NDArray[np.int64]
    judged: NDArray[np.bool_]

    @property
    def score(self) -> Array:
        """The first signal of each row, ``(n,)``."""
        return self.signals[:, 0]


class Maker(Protocol):
    """Trains models and scores with their folders."""

    def train(
        self, sets: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[Path, Outcome]:
        """Train on all of the sets, and write the folder as it is served."""
        ...

    def score(self, folder: Path, pairs: PairSet) -> Array:
        """What the model of a folder says of each pair, ``(n,)`` or, with signals beside it, ``(n, k)``."""
        ...


class Along:
    """Trains as a maker in another process does, and leaves writing and scoring to that one.

    Args:
        fit: Trains; returns the model and how it went.
    """

    def __init__(self, fit: Callable[[Sequence[PairSet], PairSet, str, FitSettings], tuple[object, Outcome]]) -> None:
        self._fit = fit

    def train(
        self, sets: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[Path, Outcome]:
        """Train; there is no folder."""
        return Path(name), self._fit(sets, validation, name, settings)[1]

    def score(self, folder: Path, pairs: PairSet) -> Array:
        """Nothing that anyone asks for here."""
        return np.zeros(len(pairs), np.float32)


def rounds(pairs: PairSet, recipe: TrainingRecipe, maker: Maker, note: Note) -> tuple[Scored, Outcome, Path]:
    """Train as often as it takes to score held-out queries, and once more for what is kept.

    Args:
        pairs: Of the shop, with grades.
        recipe: Says how queries are divided.
        maker: Trains and scores.
        note: Told, in words, of what is happening.

    Returns:
        The scores; how the training of the kept model went; its folder.
    """
    if recipe.in_turns(len(pairs.by_query())):
        return _in_turns(pairs, recipe, maker, note)
    return _by_share(pairs, recipe, maker)


def weigh(scored: Scored, signals: Doubles, changed: Doubles | None = None) -> tuple[Array, Doubles]:
    """The scores of all rows, each by weights that were fitted to other turns; and weights fitted to all rows.

    Args:
        scored: Says which rows belong together.
        signals: ``(n, k)``; the first is what ranks without any judgments.
        changed: The same of the rows' queries and texts after a change: fitted to as well, each a query of its own.
    """
    pairs, levels, counts = scored.pairs, scored.pairs.levels(), scored.pairs.weights()

    def fitted(chosen: NDArray[np.bool_]) -> Doubles:
        parts = [one[chosen] for one in (signals, changed) if one is not None]
        groups, size = _groups(pairs, chosen), int(chosen.sum())
        every = [[place + at * size for place in group] for at in range(len(parts)) for group in groups]
        one, other = (np.tile(values[chosen], len(parts)) for values in (levels, counts))
        return fit_weights(np.concatenate(parts), one, every, other)

    scores = np.zeros(len(pairs), np.float32)
    for turn in np.unique(scored.turn):
        others = scored.turn != turn
        scores[~others] = signals[~others] @ fitted(others)
    return scores, fitted(np.ones(len(pairs), bool))


def _in_turns(pairs: PairSet, recipe: TrainingRecipe, maker: Maker, note: Note) -> tuple[Scored, Outcome, Path]:
    """Every query held out once (cross-validation by query), and a last training on all of them."""
    found: list[tuple[NDArray[np.bool_], Array]] = []
    turn = np.zeros(len(pairs), np.int64)
    for number, rows in enumerate(turns(pairs, recipe.seed)):
        held, rest = (pairs.subset(np.flatnonzero(part).tolist()) for part in (rows, ~rows))
        note(f"training {number + 1} of {FOLDS + 1}: {len(held.by_query())} queries held out")
        folder, _ = _train_on(rest, recipe, maker, f"turn{number + 1}")
        found.append((rows, _columns(maker.score(folder, held))))
        turn[rows] = number
    note(f"training {FOLDS + 1} of {FOLDS + 1}: on all queries")
    folder, outcome = _train_on(pairs, recipe, maker, "model")
    signals = np.zeros((len(pairs), max(part.shape[1] for _, part in found)), np.float32)
    for rows, part in found:
        signals[rows] = part
    return Scored(pairs, signals, turn, np.ones(len(pairs), bool)), outcome, folder


def _by_share(pairs: PairSet, recipe: TrainingRecipe, maker: Maker) -> tuple[Scored, Outcome, Path]:
    """One training; queries that it did not see say how to weigh signals (turn 0) and judge it (turn 1)."""
    divided = shares(pairs, recipe.validation, recipe.held_out, recipe.seed)
    folder, outcome = maker.train([divided.train], divided.validation, "model", recipe.fit)
    unseen = {pair.query_id: 0 for pair in divided.validation} | {pair.query_id: 1 for pair in divided.held_out}
    found = pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id in unseen])
    turn = np.array([unseen[pair.query_id] for pair in found])
    return Scored(found, _columns(maker.score(folder, found)), turn, turn == 1), outcome, folder


def _train_on(pairs: PairSet, recipe: TrainingRecipe, maker: Maker, name: str) -> tuple[Path, Outcome]:
    """On all of the pairs, but for those that choose where the recipe has them choose."""
    train, validation = pairs, pairs.subset([])
    if recipe.fit.choose:
        # Turns are drawn by the seed: what is left has none of its first draws, so another one divides it.
        divided = shares(pairs, recipe.validation, 0.0, recipe.seed + 1)
        train, validation = divided.train, divided.validation
    return maker.train([train], validation, name, recipe.fit)


def _columns(scores: Array) -> Array:
    return scores[:, None] if scores.ndim == 1 else scores


def _groups(pairs: PairSet, chosen: NDArray[np.bool_]) -> list[list[int]]:
    """For each query its places among the chosen rows."""
    place = np.cumsum(chosen) - 1
    return [[int(place[row]) for row in rows if chosen[row]] for rows in pairs.by_query().values()]
