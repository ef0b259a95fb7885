"""Intervals, tests and power for means over queries. Knows numbers only.

Everything random is seeded: the same values and seed give the same result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
_SAME = 1e-12  # a difference below this is rounding
_BLOCK = 2_000_000  # numbers drawn at a time, so that many queries do not take much memory


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the interval that holds it at the given confidence."""

    mean: float
    low: float
    high: float
    n: int
    confidence: float = 0.95


def bootstrap_mean(
    values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES, confidence: float = 0.95
) -> Interval:
    """Percentile bootstrap of the mean (Efron 1979): queries are drawn with replacement, ``resamples`` times.

    Args:
        values: One per query; at least one.
        seed: Of the random generator.
        resamples: How many means are drawn.
        confidence: Between 0 and 1; what lies outside is cut off equally on both sides.
    """
    array = np.asarray(values, dtype=np.float64)
    n = len(array)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _BLOCK // n)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        means[start : start + size] = array[generator.integers(0, n, size=(size, n), dtype=np.int32)].mean(axis=1)
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(array.mean()), float(low), float(high), n, confidence)


def sign_flip_p(differences: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, bool]:
    """Paired permutation test of the mean difference, two-sided (Fisher 1935; Smucker et al. 2007).

    If the two systems were alike, each query's difference could as well have the other sign. The p value is the share
    of sign patterns whose mean is at least as far from 0 as the observed one: over all patterns where there are at
    most ``resamples``, else over that many random ones and the observed one.

    Returns:
        The p value, and whether all patterns were counted.
    """
    array = np.asarray(differences, dtype=np.float64)
    moving = array[array != 0.0]  # a difference of 0 is the same under either sign
    if not len(moving):
        return 1.0, True
    observed = abs(float(moving.sum()))
    edge = observed - 1e-9 * float(np.abs(moving).sum())  # sums in another order may differ in the last bits
    if len(moving) < 63 and 2 ** len(moving) <= resamples:
        patterns = np.arange(2 ** len(moving))[:, None] >> np.arange(len(moving)) & 1
        return float(np.mean(np.abs(_signs(patterns) @ moving) >= edge)), True
    generator = np.random.default_rng(seed)
    extreme, step = 0, max(1, _BLOCK // len(moving))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        patterns = generator.integers(0, 2, size=(size, len(moving)), dtype=np.int8)
        extreme += int(np.count_nonzero(np.abs(_signs(patterns) @ moving) >= edge))
    return (extreme + 1) / (resamples + 1), False


def _signs(patterns: NDArray[np.signedinteger]) -> NDArray[np.float64]:
    return patterns.astype(np.float64) * 2 - 1


def detectable_difference(differences: Sequence[float], *, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """The smallest true mean difference that a two-sided test over this many queries finds with the given power.

    ``(z(1 - alpha/2) + z(power)) * sd / sqrt(n)`` with the standard deviation ``sd`` (n - 1) of the per-query
    differences and the normal quantile ``z``: 2.80 sd / sqrt(n) at 80% power and alpha .05 (Cohen 1988).

    For one system alone, its per-query values stand in for the differences: right where two systems' values correlate
    at .5, on the safe side where they correlate more, as those of two rankings of the same catalogue usually do.

    Returns:
        The difference, or None where the values tell no spread: fewer than two queries, or all alike.
    """
    array = np.asarray(differences, dtype=np.float64)
    if len(array) < 2 or np.ptp(array) == 0:
        return None
    normal = NormalDist()
    quantiles = normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)
    return float(quantiles * array.std(ddof=1) / math.sqrt(len(array)))


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """B - A over queries: the mean with its interval, the permutation test, and how many queries go which way.

    ``exact`` says whether all sign patterns were counted for ``p``; ``detectable`` is that of `detectable_difference`.
    """

    interval: Interval
    p: float
    exact: bool
    detectable: float | None
    wins: int
    losses: int
    ties: int


def paired_difference(differences: Sequence[float], *, alpha: float = 0.05, seed: int = 0) -> PairedDifference:
    """Everything that per-query differences say of two systems; without any query an interval of n = 0 at 0."""
    values = [0.0 if abs(value) < _SAME else float(value) for value in differences]
    p, exact = sign_flip_p(values, seed=seed)
    return PairedDifference(
        interval=bootstrap_mean(values, seed=seed) if values else Interval(0.0, 0.0, 0.0, 0),
        p=p,
        exact=exact,
        detectable=detectable_difference(values, alpha=alpha),
        wins=sum(value > 0 for value in values),
        losses=sum(value < 0 for value in values),
        ties=sum(value == 0 for value in values),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values in the order given (Holm 1979).

    The smallest is multiplied by how many there are, the next by one less, and so on; none is below a smaller one's,
    and none above 1. Rejecting what is at most alpha is wrong anywhere with a probability of at most alpha, whatever
    the tests have to do with each other.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    found, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, p_values[place] * (len(p_values) - rank)))
        found[place] = highest
    return found
