"""The chance of each grade of a pair, as everything but its own grade has it: cross-validated gradient boosting.

Knows signals and levels, no texts. The pairs of one query are on both sides of a fold on purpose: whoever looks for a
wrong grade may see the query's other grades, which somebody who ranks a new query may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aisle.errors import InputError
from aisle.improve.hygiene.neighbours import neighbours
from aisle.improve.hygiene.signals import Doubles, Integers, Signals
from aisle.types import Progress

LEAST = 50
"""Fewer graded pairs say nothing about one another."""
_FLOOR = 1e-6


@dataclass(frozen=True)
class GraderSettings:
    """How grades are predicted.

    Attributes:
        folds: Of the cross-validation.
        repeats: How often it is done with other folds; the chances are averaged.
        rounds: Trees for each level.
        leaves: Of a tree.
        rate: Learning rate.
        seed: Of folds and trees.
        threads: Of LightGBM.
    """

    folds: int = 5
    repeats: int = 2
    rounds: int = 80
    leaves: int = 15
    rate: float = 0.05
    seed: int = 0
    threads: int = 1


def out_of_fold(
    found: Signals,
    place: Integers,
    levels: int,
    settings: GraderSettings,
    weight: Doubles | None = None,
    progress: Progress | None = None,
) -> Doubles:
    """The chance of each level, ``(n, levels)``; rows sum to 1. The same arguments give the same numbers.

    Args:
        found: The pairs.
        place: ``(n,)`` the number of each pair's level as it was given.
        levels: How many there are.
        settings: How.
        weight: ``(n,)`` from 0 to 1, how much each given level is believed; all of them where it is None.
        progress: Told of the folds.

    Raises:
        InputError: There are too few pairs, or two levels do not occur.
    """
    if len(place) < LEAST or len(set(place.tolist())) < 2:
        raise InputError(
            f"{len(place)} graded pairs of {len(set(place.tolist()))} grades",
            allowed=f"at least {LEAST} pairs and two grades",
            fix="judge more pairs first",
        )
    believed = np.ones(len(place)) if weight is None else np.asarray(weight, np.float64)
    total = np.zeros((len(place), levels))
    for repeat in range(settings.repeats):
        seed = settings.seed * 1_000 + repeat
        fold = np.random.default_rng(seed).permutation(len(place)) % settings.folds
        for number in range(settings.folds):
            out = fold == number
            known = np.where(out, 0.0, believed)
            table = np.column_stack([found.table, neighbours(found, place, known, levels)])
            taught = known > 0
            booster = _booster(table[taught], place[taught], known[taught], levels, settings, seed)
            total[out] += booster.predict(table[out])
            if progress is not None:
                progress("cross-validation", repeat * settings.folds + number + 1, settings.repeats * settings.folds)
    chance = np.maximum(total / settings.repeats, _FLOOR)
    return np.asarray(chance / chance.sum(1, keepdims=True))


def _booster(table: Doubles, place: Integers, weight: Doubles, levels: int, settings: GraderSettings, seed: int) -> Any:
    import lightgbm

    chosen = {
        "objective": "multiclass",
        "num_class": levels,
        "learning_rate": settings.rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": min(20, max(1, len(table) // 20)),
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "seed": seed,
        "num_threads": settings.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    data = lightgbm.Dataset(table, place, weight=weight, params={"verbose": -1})
    return lightgbm.train(chosen, data, settings.rounds)
