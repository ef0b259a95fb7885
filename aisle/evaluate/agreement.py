"""How far raters agree: weighted kappa, Fleiss' kappa, Krippendorff's alpha, with intervals. Knows numbers only.

Every figure is a function of sums over the rated units (a table of pairs of grades), so a bootstrap draws units, or
whole groups of units such as the products of a query, by adding their tables up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aisle.errors import InputError

Weights = Literal["none", "linear", "quadratic"]
Level = Literal["nominal", "ordinal", "interval"]
Floats = NDArray[np.float64]
Figure = Callable[[Floats], Floats]
"""Sums over units ``(n, size)`` to the figure of each ``(n,)``; NaN where it is not defined."""

RESAMPLES = 2_000
_BLOCK = 2_000_000


@dataclass(frozen=True, slots=True)
class Agreed:
    """A figure of agreement with its 95% interval.

    Attributes:
        value: The figure; None where it is not defined, as when all gave one grade.
        low: Of the interval; None without one.
        high: Of the interval.
        units: Rated things that it rests on.
        groups: What the bootstrap drew: queries, or units.
        undefined: Resamples without a figure, left out of the interval.
    """

    value: float | None
    low: float | None
    high: float | None
    units: int
    groups: int
    undefined: int = 0


def weighted_kappa(first: ArrayLike, second: ArrayLike, scale: Sequence[float], weights: Weights) -> float | None:
    """Cohen's kappa of two raters over the units that both rated.

    ``1 - sum w o / sum w e``: o the shares of pairs of grades, e those expected of two raters who grade by chance with
    the same shares of grades, and w the distance of two grades: 1 of any two ("none"; Cohen 1960), the difference, or
    its square (Cohen 1968).

    Args:
        first: ``(n,)`` grades, NaN where there is none.
        second: ``(n,)``, likewise.
        scale: Every grade that there is.
        weights: Of disagreements.

    Returns:
        The kappa; None where both gave one and the same grade throughout, or nothing was rated by both.

    Raises:
        InputError: A grade is not on the scale, or the lengths differ.
    """
    tables = _pair_tables(first, second, scale)
    return _value(_kappa(scale, weights), tables.sum(0))


def kappa_interval(
    first: ArrayLike,
    second: ArrayLike,
    scale: Sequence[float],
    weights: Weights = "quadratic",
    groups: Sequence[object] | None = None,
    seed: int = 0,
) -> Agreed:
    """`weighted_kappa` with a percentile bootstrap interval.

    Args:
        first: ``(n,)`` grades, NaN where there is none.
        second: ``(n,)``, likewise.
        scale: Every grade that there is.
        weights: Of disagreements.
        groups: What each unit belongs to. Grades of one query's products are alike, so queries are drawn whole; None
            draws units.
        seed: Of the bootstrap.

    Raises:
        InputError: As `weighted_kappa`.
    """
    tables = _pair_tables(first, second, scale)
    return _interval(_kappa(scale, weights), tables, groups, tables.sum(1) > 0, seed)


def fleiss_kappa(ratings: ArrayLike, scale: Sequence[float]) -> float | None:
    """Fleiss' kappa (1971) of the units that every rater rated; None where it is not defined.

    Args:
        ratings: ``(units, raters)``, NaN where there is none; units with a gap are left out.
        scale: Every grade that there is.

    Raises:
        InputError: A grade is not on the scale, or there are fewer than two raters.
    """
    sums, _ = _fleiss_sums(ratings, scale)
    return _value(_fleiss(len(scale)), sums.sum(0))


def fleiss_interval(
    ratings: ArrayLike, scale: Sequence[float], groups: Sequence[object] | None = None, seed: int = 0
) -> Agreed:
    """`fleiss_kappa` with a percentile bootstrap interval; arguments as there and in `kappa_interval`."""
    sums, rated = _fleiss_sums(ratings, scale)
    return _interval(_fleiss(len(scale)), sums, groups, rated, seed)


def krippendorff_alpha(ratings: ArrayLike, scale: Sequence[float], level: Level = "ordinal") -> float | None:
    """Krippendorff's alpha: any number of raters, any gaps.

    ``1 - observed / expected disagreement``, from the table of pairs of grades within units, each unit of m grades
    counting m (Krippendorff 2011, "Computing Krippendorff's alpha-reliability").

    Args:
        ratings: ``(units, raters)``, NaN where there is none; units with fewer than two grades say nothing.
        scale: Every grade that there is, in order.
        level: The distance of two grades: any two are as far ("nominal"), by how many ratings lie between ("ordinal"),
            by the square of the difference ("interval").

    Returns:
        The alpha; None where only one grade occurs.

    Raises:
        InputError: A grade is not on the scale.
    """
    return _value(_alpha(scale, level), _coincidences(ratings, scale)[0].sum(0))


def alpha_interval(
    ratings: ArrayLike,
    scale: Sequence[float],
    level: Level = "ordinal",
    groups: Sequence[object] | None = None,
    seed: int = 0,
) -> Agreed:
    """`krippendorff_alpha` with a percentile bootstrap interval; arguments as there and in `kappa_interval`."""
    tables, rated = _coincidences(ratings, scale)
    return _interval(_alpha(scale, level), tables, groups, rated, seed)


# --- against anchors ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``of``, with Wilson's 95% interval; ``value`` is None of nothing."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """The share."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson (1927); all of it, 0 to 1, of nothing."""
        if not self.of:
            return 0.0, 1.0
        z = NormalDist().inv_cdf(0.975)
        share, n = self.hits / self.of, self.of
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class OfGrade:
    """One grade: of those given, how many are right, and of those that should be, how many were given."""

    grade: float
    precision: Share
    recall: Share


@dataclass(frozen=True, slots=True)
class AgainstAnchors:
    """Grades against those that are taken for right.

    Attributes:
        table: ``table[i][j]`` units whose anchor is the scale's grade i and that were given grade j.
        scale: The grades.
        same: Share with the anchor's grade.
        grades: One for each grade of the scale.
    """

    table: tuple[tuple[int, ...], ...]
    scale: tuple[float, ...]
    same: Share
    grades: tuple[OfGrade, ...]


def against_anchors(anchors: ArrayLike, given: ArrayLike, scale: Sequence[float]) -> AgainstAnchors:
    """Precision and recall of every grade, over the units that have both.

    Raises:
        InputError: A grade is not on the scale, or the lengths differ.
    """
    size = len(scale)
    table = _pair_tables(anchors, given, scale).sum(0).reshape(size, size).astype(int)
    right = table.diagonal()
    grades = tuple(
        OfGrade(grade, Share(int(right[at]), int(table[:, at].sum())), Share(int(right[at]), int(table[at].sum())))
        for at, grade in enumerate(scale)
    )
    rows = tuple(tuple(int(count) for count in row) for row in table)
    return AgainstAnchors(rows, tuple(scale), Share(int(right.sum()), int(table.sum())), grades)


# --- sums over units ---------------------------------------------------------------------------------------


def _places(ratings: ArrayLike, scale: Sequence[float]) -> NDArray[np.int64]:
    """Each rating's place on the scale, -1 where there is none."""
    values = np.asarray(ratings, np.float64)
    if len(scale) < 2 or any(low >= high for low, high in pairwise(scale)):
        raise InputError(
            f"the scale {', '.join(f'{grade:g}' for grade in scale)}", allowed="two grades or more, rising"
        )
    places = np.full(values.shape, -1)
    for place, grade in enumerate(scale):
        places[values == grade] = place
    strange = values[(places < 0) & ~np.isnan(values)]
    if strange.size:
        raise InputError(f"the grade {strange[0]:g}", allowed=", ".join(f"{grade:g}" for grade in scale))
    return places


def _pair_tables(first: ArrayLike, second: ArrayLike, scale: Sequence[float]) -> Floats:
    """``(n, k * k)``: a 1 where the unit's two grades stand; nothing where one is missing."""
    ours, theirs = _places(first, scale), _places(second, scale)
    if ours.shape != theirs.shape:
        raise InputError(f"{len(ours):,} and {len(theirs):,} grades", allowed="as many of both")
    tables = np.zeros((len(ours), len(scale) ** 2))
    both = (ours >= 0) & (theirs >= 0)
    tables[np.flatnonzero(both), (ours * len(scale) + theirs)[both]] = 1
    return tables


def _counts(ratings: ArrayLike, scale: Sequence[float]) -> Floats:
    """``(units, k)``: how many raters gave each grade."""
    places = _places(ratings, scale)
    if places.ndim != 2:
        raise InputError(f"ratings of shape {places.shape}", allowed="units by raters")
    return np.stack([(places == place).sum(1) for place in range(len(scale))], axis=1).astype(np.float64)


def _fleiss_sums(ratings: ArrayLike, scale: Sequence[float]) -> tuple[Floats, NDArray[np.bool_]]:
    counts = _counts(ratings, scale)
    raters = np.asarray(ratings).shape[1]
    if raters < 2:
        raise InputError(f"{raters} rater", allowed="two or more")
    rated = counts.sum(1) == raters
    same = (counts * (counts - 1)).sum(1) / (raters * (raters - 1))
    sums = np.column_stack([np.ones(len(counts)), same, counts / raters])
    return sums * rated[:, None], rated


def _coincidences(ratings: ArrayLike, scale: Sequence[float]) -> tuple[Floats, NDArray[np.bool_]]:
    counts = _counts(ratings, scale)
    total = counts.sum(1)
    rated = total > 1
    tables = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(scale))
    tables /= np.where(rated, total - 1, 1)[:, None, None]
    return (tables * rated[:, None, None]).reshape(len(counts), -1), rated


# --- figures of sums ---------------------------------------------------------------------------------------


def _kappa(scale: Sequence[float], weights: Weights) -> Figure:
    size = len(scale)
    apart = np.abs(np.subtract.outer(scale, scale))
    far = {"none": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}.get(weights)
    if far is None:
        raise InputError(f"weights {weights!r}", allowed="none, linear, quadratic")

    def figure(sums: Floats) -> Floats:
        table = sums.reshape(-1, size, size)
        observed = (table * far).sum((1, 2)) * table.sum((1, 2))
        expected = (table.sum(2)[:, :, None] * table.sum(1)[:, None, :] * far).sum((1, 2))
        return _one_less(observed, expected)

    return figure


def _fleiss(size: int) -> Figure:
    def figure(sums: Floats) -> Floats:
        units = np.where(sums[:, 0] > 0, sums[:, 0], 1)
        chance = ((sums[:, 2 : 2 + size] / units[:, None]) ** 2).sum(1)
        return np.where(sums[:, 0] > 0, _one_less(1 - sums[:, 1] / units, 1 - chance), np.nan)

    return figure


def _alpha(scale: Sequence[float], level: Level) -> Figure:
    size = len(scale)
    fixed = {"nominal": 1 - np.eye(size), "interval": np.subtract.outer(scale, scale) ** 2.0}
    if level not in ("nominal", "ordinal", "interval"):
        raise InputError(f"level {level!r}", allowed="nominal, ordinal, interval")

    def figure(sums: Floats) -> Floats:
        table = sums.reshape(-1, size, size)
        margin = table.sum(2)
        far = _ordinal(margin) if level == "ordinal" else fixed[level]
        observed = (table * far).sum((1, 2)) * (margin.sum(1) - 1)
        expected = (margin[:, :, None] * margin[:, None, :] * far).sum((1, 2))
        return _one_less(observed, expected)

    return figure


def _ordinal(margin: Floats) -> Floats:
    """Squared distances ``(n, k, k)``: the ratings from one grade to the other, of both ends only half."""
    middle = margin.cumsum(1) - margin / 2
    return np.asarray((middle[:, :, None] - middle[:, None, :]) ** 2)


def _one_less(observed: Floats, expected: Floats) -> Floats:
    defined = expected > 1e-12
    return np.where(defined, 1 - observed / np.where(defined, expected, 1), np.nan)


def _value(figure: Figure, sums: Floats) -> float | None:
    value = float(figure(sums[None])[0])
    return None if math.isnan(value) else value


def _interval(
    figure: Figure, sums: Floats, groups: Sequence[object] | None, rated: NDArray[np.bool_], seed: int
) -> Agreed:
    value, units = _value(figure, sums.sum(0)), int(rated.sum())
    parts = sums[rated]
    if groups is not None:
        if len(groups) != len(sums):
            raise InputError(f"{len(groups):,} groups of {len(sums):,} units", allowed="one a unit")
        number: dict[object, int] = {}
        of = [number.setdefault(group, len(number)) for group, kept in zip(groups, rated, strict=True) if kept]
        parts = np.zeros((len(number), sums.shape[1]))
        np.add.at(parts, of, sums[rated])
    count = len(parts)
    if value is None or count < 2:
        return Agreed(value, None, None, units, count)
    generator = np.random.default_rng(seed)
    drawn = np.empty(RESAMPLES)
    step = max(1, _BLOCK // count)
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        times = generator.multinomial(count, np.full(count, 1 / count), size=size)
        drawn[start : start + size] = figure(times @ parts)
    kept = drawn[~np.isnan(drawn)]
    if not len(kept):
        return Agreed(value, None, None, units, count, RESAMPLES)
    low, high = np.percentile(kept, [2.5, 97.5])
    return Agreed(value, float(low), float(high), units, count, RESAMPLES - len(kept))
