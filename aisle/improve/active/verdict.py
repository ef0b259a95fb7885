"""Which unjudged products keep the verdict between two systems open, and what a sample of their grades says of it.

Knows ranks and grades; no queries' texts, no models. B's nDCG less A's is, for each query, a sum over products: what
the product gains times the difference of its discounts in the two rankings, over the ideal. So a product that both
systems put at the same place, or below the cut-off, tells nothing, and the others tell as much as their discounts
differ. Judging a sample drawn in that proportion, and dividing each grade by the chance to be drawn, estimates the
difference without bias (Horvitz and Thompson 1952; for rankings Aslam, Pavlu, Yilmaz 2006, Schnabel et al. 2016), but
for the ideal, which is estimated, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.errors import InputError
from aisle.evaluate.statistics import Interval, bootstrap_mean

Doubles = NDArray[np.float64]


PRIOR = 5.0
"""For how many products of a query the grades of all queries count."""


@dataclass(frozen=True)
class Question:
    """One query that two systems answer.

    Attributes:
        query: Its id.
        ids: ``k`` products: those that one of the systems has within the cut-off, and all that are judged.
        apart: ``(k,)`` B's discount of each product less A's; 0 beyond the cut-off.
        gain: ``(k,)`` of the grade; NaN where the product is not judged.
    """

    query: str
    ids: tuple[str, ...]
    apart: Doubles
    gain: Doubles

    @property
    def open(self) -> NDArray[np.bool_]:
        """``(k,)`` products that are not judged and whose grade would tell."""
        return np.asarray(np.isnan(self.gain) & (self.apart != 0))


def question(
    query: str, first: Sequence[str], second: Sequence[str], gains: Mapping[str, float], cutoff: int
) -> Question:
    """Set two rankings side by side.

    Args:
        query: Its id.
        first: A's products, best first.
        second: B's.
        gains: Of the judged products.
        cutoff: How many places count.

    Raises:
        InputError: A ranking has a product twice, or no place counts.
    """
    if cutoff < 1:
        raise InputError(f"a cut-off of {cutoff}", allowed="1 or more")
    places: list[dict[str, float]] = []
    for ranking in (first, second):
        if len(set(ranking)) < len(ranking):
            raise InputError(f"query {query!r}: a product stands twice in one ranking", fix="keep its first place")
        places.append({one: 1 / math.log2(rank + 1) for rank, one in enumerate(ranking[:cutoff], start=1)})
    ids = tuple(dict.fromkeys([*places[0], *places[1], *gains]))
    return Question(
        query,
        ids,
        np.array([places[1].get(one, 0.0) - places[0].get(one, 0.0) for one in ids]),
        np.array([gains.get(one, math.nan) for one in ids]),
    )


@dataclass(frozen=True)
class Expected:
    """What is thought of products that are not judged.

    Attributes:
        gains: ``(v,)`` that occur, the highest first.
        shares: ``(q, v)`` how often each is expected among a query's unjudged products.
        mean: The expected gain of any product of any query. A query's own grades say nothing here: an estimate that
            expected of a grade what it already knows would correct itself by too little.
    """

    gains: Doubles
    shares: Doubles
    mean: float

    @property
    def deviation(self) -> Doubles:
        """``(q,)`` standard deviation of a query's gains, a thousandth of the highest gain at least."""
        variance = self.shares @ self.gains**2 - (self.shares @ self.gains) ** 2
        return np.maximum(np.sqrt(np.maximum(variance, 0)), 1e-3 * float(self.gains[0] or 1))


def expected(questions: Sequence[Question], chances: Sequence[Doubles]) -> Expected:
    """From the grades there are, each standing for as many products as its chance says (Hájek 1971).

    A query's own grades count as so many, beside `PRIOR` products as all queries have them. Without any grade, gains
    of 0 and 1 are as likely.
    """
    known = [~np.isnan(one.gain) & (chance > 0) for one, chance in zip(questions, chances, strict=True)]
    gains = np.unique(np.concatenate([one.gain[rows] for one, rows in zip(questions, known, strict=True)]))[::-1]
    if not len(gains):
        return Expected(np.array([1.0, 0.0]), np.full((len(questions), 2), 0.5), 0.5)
    counts = np.zeros((len(questions), len(gains)))
    for place, (one, chance, rows) in enumerate(zip(questions, chances, known, strict=True)):
        np.add.at(counts[place], np.searchsorted(-gains, -one.gain[rows]), 1 / chance[rows])
    usual = counts.sum(0) / counts.sum()
    seen = np.array([[rows.sum()] for rows in known], np.float64)
    own = counts / np.maximum(counts.sum(1, keepdims=True), 1e-12)
    return Expected(gains, (seen * own + PRIOR * usual) / (seen + PRIOR), float(usual @ gains))


def ideals(questions: Sequence[Question], thought: Expected, cutoff: int) -> Doubles:
    """``(q,)`` the best discounted gain: unjudged products count in part with each gain that they may have."""
    discounts = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, cutoff + 2)))])
    found = np.empty(len(questions))
    for place, one in enumerate(questions):
        known = one.gain[~np.isnan(one.gain)]
        counts = (len(one.gain) - len(known)) * thought.shares[place]
        np.add.at(counts, np.minimum(np.searchsorted(-thought.gains, -known), len(counts) - 1), 1.0)
        filled = np.minimum(np.cumsum(counts), cutoff)
        reached = np.interp(filled, np.arange(cutoff + 1), discounts)
        found[place] = (thought.gains * np.diff(reached, prepend=0.0)).sum()
    usual = found[found > 0].mean() if (found > 0).any() else 1.0
    return np.where(found > 0, found, usual)


def effects(questions: Sequence[Question], cutoff: int) -> list[Doubles]:
    """For each query ``(k,)``: by how much the mean difference may move with the product's grade; 0 where it is known.

    One standard deviation of the gain times the discounts' difference, over the ideal and the number of queries.
    """
    thought = expected(questions, [np.ones(len(one.ids)) for one in questions])
    scale = thought.deviation / ideals(questions, thought, cutoff) / len(questions)
    return [np.where(one.open, np.abs(one.apart), 0.0) * by for one, by in zip(questions, scale, strict=True)]


def inclusion(effect: Doubles, count: int) -> Doubles:
    """``(n,)`` the chance of each product to be drawn: in proportion to its effect, at most 1, ``count`` in sum.

    Raises:
        InputError: The count is not positive.
    """
    if count < 1:
        raise InputError(f"{count} products to judge", allowed="1 or more")
    chance = np.zeros(len(effect))
    free = effect > 0
    if free.sum() <= count:
        chance[free] = 1.0
        return chance
    left = float(count)
    while True:
        share = left * effect[free] / effect[free].sum()
        over = share >= 1
        if not over.any():
            chance[free] = share
            return chance
        sure = np.flatnonzero(free)[over]
        chance[sure], free[sure] = 1.0, False
        left -= len(sure)


def draw(chance: Doubles, seed: int) -> NDArray[np.intp]:
    """Products drawn with these chances, ``round(chance.sum())`` of them: systematic sampling in a random order."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(chance))
    steps = np.floor(np.concatenate([[0.0], np.cumsum(chance[order])]) + generator.random() + 1e-9)
    return np.sort(order[np.diff(steps) >= 1])


@dataclass(frozen=True)
class Estimate:
    """B less A: the mean over the queries with its interval (over the queries), and how many grades it rests on."""

    interval: Interval
    by_query: Doubles
    judged: int


def estimate(questions: Sequence[Question], chances: Sequence[Doubles], cutoff: int, seed: int = 0) -> Estimate:
    """The difference of nDCG, from grades that were drawn with known chances.

    A product that was judged counts with what its gain is above the expected one, divided by its chance; every product
    counts with the expected one. So the result is unbiased whatever is expected, and steadier the better that is.

    Args:
        questions: With the grades so far.
        chances: For each query ``(k,)`` the chance with which a judged product came to be judged; 1 for those judged
            anyway. Read only where there is a grade.
        cutoff: How many places count.
        seed: Of the bootstrap.

    Raises:
        InputError: A judged product has no chance above 0, or there is no query.
    """
    if not questions:
        raise InputError("no query", allowed="one or more")
    thought = expected(questions, chances)
    best = ideals(questions, thought, cutoff)
    found = np.empty(len(questions))
    judged = 0
    for place, (one, chance) in enumerate(zip(questions, chances, strict=True)):
        known = ~np.isnan(one.gain)
        if (chance[known] <= 0).any():
            raise InputError(
                f"query {one.query!r}: a judged product has no chance to be drawn", allowed="above 0, to 1"
            )
        judged += int(known.sum())
        above = one.apart[known] * (one.gain[known] - thought.mean) / chance[known]
        found[place] = (one.apart.sum() * thought.mean + above.sum()) / best[place]
    return Estimate(bootstrap_mean(found.tolist(), seed=seed), found, judged)
