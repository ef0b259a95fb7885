"""What perturbations cost: values per query, clean and perturbed, to drops with intervals and one score.

Knows numbers per query, neither texts nor models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.augment.change import Side
from aisle.errors import MetricError
from aisle.evaluate.statistics import RESAMPLES, Interval, PairedDifference, bootstrap_mean, holm, paired_difference

Values = Mapping[str, float]
"""Query id to value."""
Floats = NDArray[np.float64]
_BLOCK = 2_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """One perturbation under its seeds.

    Attributes:
        name: Of the perturbation.
        side: What it changed.
        values: For each seed the value of every query, changed or not.
        touched: For each seed the queries of which something was changed.
        example: A text before and after; empty where nothing was changed.
    """

    name: str
    side: Side
    values: tuple[Values, ...]
    touched: tuple[frozenset[str], ...]
    example: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Drop:
    """What one perturbation costs; a query's value is the mean over the seeds.

    Attributes:
        name: Of the perturbation.
        side: What it changed.
        seeds: How many were averaged.
        touched: Queries that were changed under one seed at least.
        mean: Of the metric over all queries, those not touched at their clean value.
        difference: Perturbed less clean over all queries: below 0 is a loss.
        adjusted_p: Its p among all perturbations of the report (Holm 1979).
        among_touched: The difference among the touched queries alone.
        example: A text before and after.
    """

    name: str
    side: Side
    seeds: int
    touched: int
    mean: float
    difference: PairedDifference
    adjusted_p: float
    among_touched: Interval
    example: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Report:
    """A ranking under perturbations.

    Attributes:
        metric: What was measured, such as nDCG@10.
        clean: The mean without any perturbation.
        drops: One for each perturbation that changed something, in the order of the suite.
        idle: Perturbations that found nothing to change.
        robust: The mean over queries and perturbations, each of which counts the same.
        score: ``robust / clean``, with its bootstrap interval over queries.
        chance: The mean of a random order; None where there is no such thing, as in a search.
        lead_kept: ``(robust - chance) / (clean - chance)``: how much of what the model adds to chance is left. None
            without ``chance``, or where the model adds nothing.
        clean_values: Query id to value.
        robust_values: Query id to its mean over the perturbations.
    """

    metric: str
    clean: Interval
    drops: tuple[Drop, ...]
    idle: tuple[str, ...]
    robust: float
    score: Interval
    chance: float | None
    lead_kept: float | None
    clean_values: Values = field(repr=False)
    robust_values: Values = field(repr=False)

    @property
    def worst(self) -> Drop:
        """The perturbation with the lowest mean."""
        return min(self.drops, key=lambda drop: drop.mean)

    @property
    def got_worse(self) -> bool:
        """Whether the worst perturbation costs anything."""
        return self.worst.difference.interval.mean < 0

    def robust_of(self, side: Side) -> float | None:
        """The mean over the perturbations of one side; None where none changed anything."""
        means = [drop.mean for drop in self.drops if drop.side == side]
        return sum(means) / len(means) if means else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, without the values of each query."""
        return {
            "metric": self.metric,
            "queries": self.clean.n,
            "clean": _interval(self.clean),
            "robust": self.robust,
            "robust_queries": self.robust_of("query"),
            "robust_titles": self.robust_of("title"),
            "score": _interval(self.score),
            "chance": self.chance,
            "lead_kept": self.lead_kept,
            "worst": self.worst.name if self.got_worse else None,
            "nothing_to_change": list(self.idle),
            "perturbations": [_drop(drop) for drop in self.drops],
        }


def summarise(
    metric: str, clean: Values, measured: Sequence[Measured], chance: float | None = None, seed: int = 0
) -> Report:
    """Put the values of a suite together.

    Raises:
        MetricError: There is no query, or no perturbation found anything to change.
    """
    moved = [one for one in measured if any(one.touched)]
    if not clean or not moved:
        what = "no query can be measured" if not clean else "no perturbation found anything to change"
        raise MetricError(what, allowed="judged queries of words, graded differently", fix="give more judgments")
    queries = list(clean)
    before = np.array([clean[query] for query in queries])
    after = np.stack([_mean_over_seeds(one, queries) for one in moved])
    differences = [paired_difference(list(row - before), seed=seed) for row in after]
    adjusted = holm([difference.p for difference in differences])
    robust = after.mean(axis=0)
    drops = tuple(
        _summary(one, queries, row, before, (difference, p))
        for one, row, difference, p in zip(moved, after, differences, adjusted, strict=True)
    )
    lead = None if chance is None else float(before.mean()) - chance
    return Report(
        metric=metric,
        clean=bootstrap_mean(list(before), seed=seed),
        drops=drops,
        idle=tuple(one.name for one in measured if not any(one.touched)),
        robust=float(robust.mean()),
        score=ratio(robust, before, seed),
        chance=chance,
        lead_kept=None if chance is None or lead is None or lead <= 0 else (float(robust.mean()) - chance) / lead,
        clean_values=dict(zip(queries, map(float, before), strict=True)),
        robust_values=dict(zip(queries, map(float, robust), strict=True)),
    )


def ratio(upper: Floats, lower: Floats, seed: int = 0) -> Interval:
    """The ratio of two means over the same queries, with the percentile bootstrap over queries, drawn for both at once.

    Not a number where the mean below is 0.
    """
    n = len(lower)
    generator = np.random.default_rng(seed)
    found = []
    step = max(1, _BLOCK // n)
    for start in range(0, RESAMPLES, step):
        drawn = generator.integers(0, n, size=(min(step, RESAMPLES - start), n), dtype=np.int32)
        below = lower[drawn].sum(axis=1)
        found.append(np.divide(upper[drawn].sum(axis=1), below, out=np.full(len(below), np.nan), where=below != 0))
    drawn_ratios = np.concatenate(found)
    known = drawn_ratios[np.isfinite(drawn_ratios)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (math.nan, math.nan)
    whole = float(upper.sum() / lower.sum()) if lower.sum() else math.nan
    return Interval(whole, float(low), float(high), n)


def _mean_over_seeds(one: Measured, queries: Sequence[str]) -> Floats:
    found = np.array([[values[query] for query in queries] for values in one.values], np.float64)
    return np.asarray(found.mean(axis=0), np.float64)


def _summary(
    one: Measured,
    queries: Sequence[str],
    after: Floats,
    before: Floats,
    test: tuple[PairedDifference, float],
) -> Drop:
    touched = frozenset[str]().union(*one.touched)
    among = [float(b - a) for query, a, b in zip(queries, before, after, strict=True) if query in touched]
    return Drop(
        name=one.name,
        side=one.side,
        seeds=len(one.values),
        touched=len(among),
        mean=float(after.mean()),
        difference=test[0],
        adjusted_p=test[1],
        among_touched=bootstrap_mean(among) if among else Interval(0.0, 0.0, 0.0, 0),
        example=one.example,
    )


def _interval(interval: Interval) -> dict[str, float | None]:
    values = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _drop(drop: Drop) -> dict[str, Any]:
    return {
        "name": drop.name,
        "side": drop.side,
        "seeds": drop.seeds,
        "touched": drop.touched,
        "mean": drop.mean,
        "difference": _interval(drop.difference.interval),
        "p": drop.difference.p,
        "adjusted_p": drop.adjusted_p,
        "detectable": drop.difference.detectable,
        "wins": drop.difference.wins,
        "losses": drop.difference.losses,
        "difference_among_touched": _interval(drop.among_touched),
        "example": {"before": drop.example[0], "after": drop.example[1]},
    }
