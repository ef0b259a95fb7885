"""How much each feature matters to a learnt ranking, and how the score moves with it. Knows tables and models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.ranking.features import NAMES
from aisle.ranking.learnt import LearntRanking
from aisle.training.ranking.crossfit import CrossFit, measured
from aisle.training.ranking.data import QueryTable
from aisle.types import Array

Doubles = NDArray[np.float64]
_ROWS, _POINTS, _TOP = 1_000, 21, 50


@dataclass(frozen=True, slots=True)
class Importance:
    """Of one feature.

    Attributes:
        name: The feature.
        weight: What one standard deviation of it, within a query's first candidates, adds in the linear part.
        gain: Its share of what all splits of the trees gained in training.
        permutation: What held-out nDCG@10, judged only, loses where its values are shuffled among a query's candidates.
    """

    name: str
    weight: float
    gain: float
    permutation: float


def importance(
    tables: Sequence[QueryTable], model: LearntRanking, found: CrossFit | None, seed: int, repeats: int = 3
) -> list[Importance]:
    """Of every feature that the model reads, the most important first.

    Args:
        tables: What it was fitted to.
        model: Fitted to all of them.
        found: Its cross-validation, whose models the permutations (Breiman 2001) are measured with; None leaves them 0.
        seed: Of the shuffles.
        repeats: Shuffles of each feature, averaged.
    """
    gains = _gains(model)
    rows = []
    for name in model.reads:
        term = model.terms.get(name)
        weight = term.weight * spread(tables, name) if term is not None else 0.0
        lost = _permuted(tables, found, name, seed, repeats) if found is not None else 0.0
        rows.append(Importance(name, weight, gains.get(name, 0.0), lost))
    return sorted(rows, key=lambda row: (-row.permutation, -row.gain, -abs(row.weight), row.name))


def _gains(model: LearntRanking) -> dict[str, float]:
    if not model.trees:
        return {}
    import lightgbm

    booster: Any = lightgbm.Booster(model_str=model.trees)
    found = booster.feature_importance(importance_type="gain")
    total = float(found.sum()) or 1.0
    return {name: float(value) / total for name, value in zip(model.columns, found, strict=True)}


def _permuted(tables: Sequence[QueryTable], found: CrossFit, name: str, seed: int, repeats: int) -> float:
    column = NAMES.index(name)
    before = measured(tables, found.scores, "removed")
    lost = []
    for repeat in range(repeats):
        generator = np.random.default_rng([seed, repeat, column])
        scores = []
        for table, turn in zip(tables, found.turn, strict=True):
            shuffled = table.features.copy()
            shuffled[:, column] = generator.permutation(shuffled[:, column])
            scores.append(found.models[turn].score(shuffled))
        after = measured(tables, scores, "removed")
        lost.append(float(np.mean([before[query] - after[query] for query in before])))
    return float(np.mean(lost))


def spread(tables: Sequence[QueryTable], name: str) -> float:
    """The feature's standard deviation within a query's first candidates, over the queries that know it."""
    column = NAMES.index(name)
    known = [table.features[:_TOP, column].astype(np.float64) for table in tables]
    variances = [float(np.nanvar(values)) for values in known if np.isfinite(values).sum() > 1]
    return float(np.sqrt(np.mean(variances))) if variances else 0.0


@dataclass(frozen=True, slots=True)
class Dependence:
    """The mean score by the value of one feature, all others as they are: ``values`` ascending, ``scores`` beside."""

    name: str
    values: tuple[float, ...]
    scores: tuple[float, ...]


def dependence(tables: Sequence[QueryTable], model: LearntRanking, name: str, seed: int) -> Dependence | None:
    """Partial dependence (Friedman 2001) over a sample of candidates; None where the feature has a single value.

    Scores are given as differences from their mean.
    """
    rows = np.concatenate([np.empty((0, len(NAMES)), np.float32), *(table.features[:_TOP] for table in tables)])
    column = NAMES.index(name)
    known = rows[np.isfinite(rows[:, column]), column]
    values = np.unique(np.quantile(known, np.linspace(0, 1, _POINTS))) if len(known) else known
    if len(values) < 2:
        return None
    generator = np.random.default_rng(seed)
    sample: Array = rows[generator.permutation(len(rows))[:_ROWS]]
    scores = []
    for value in values:
        changed = sample.copy()
        changed[:, column] = value
        scores.append(float(model.score(changed).mean()))
    middle = float(np.mean(scores))
    return Dependence(name, tuple(map(float, values)), tuple(score - middle for score in scores))
