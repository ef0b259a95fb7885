"""Grades that raters disagreed on, as softer targets. Knows pairs and numbers, no model."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from statistics import NormalDist

from aisle.judgments.pairs import PairSet

_NORMAL = NormalDist()


def softened(pairs: PairSet, share: float) -> PairSet:
    """The pairs with each grade moved to where its gain is what raters may have meant in the mean.

    A text's true level is taken for normally distributed around the given one, within the scale, with ``share`` of the
    raters' variance; its gain, 2^level - 1, is the mean over that. So the highest grade counts for less where raters
    disagreed, and the lowest for more. A pair without a variance stays as it is.

    Args:
        pairs: With grades.
        share: Of the variance; 0 changes nothing.
    """
    if share == 0 or pairs.scale is None:
        return pairs
    low, top = pairs.scale.low, pairs.scale.high - pairs.scale.low
    mean = cache(mean_level)
    return replace(
        pairs,
        items=tuple(
            replace(pair, grade=low + mean(pair.grade - low, share * pair.variance, top))
            if pair.grade is not None and pair.variance
            else pair
            for pair in pairs
        ),
    )


def mean_level(level: float, variance: float, top: float) -> float:
    """The level whose gain is the mean gain of a normal distribution that is cut off at 0 and ``top``."""
    spread, rate = math.sqrt(variance), math.log(2)
    if spread == 0:
        return level

    def mass(shift: float) -> float:
        return _NORMAL.cdf((top - level) / spread - shift) - _NORMAL.cdf(-level / spread - shift)

    mean_power = math.exp(level * rate + variance * rate**2 / 2) * mass(spread * rate) / mass(0.0)
    return math.log2(mean_power)
