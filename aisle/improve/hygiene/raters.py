"""Queries whose raters disagree: from several raters' grades of each pair, or from the variance that a file names.

Knows numbers and queries. How far raters agree in all is `aisle judge`'s matter; here is where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aisle.errors import InputError
from aisle.improve.hygiene.signals import Doubles

PRIOR = 5.0
"""A query's mean is drawn to that of all pairs as if it had so many more pairs like them."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One query.

    Attributes:
        query: Its text.
        pairs: How many of its pairs say how far their raters agree.
        variance: Mean variance of a pair's raters, in squared levels.
        drawn: The same, drawn to the mean over all pairs where there are few.
        split: Share of the pairs whose raters are two levels or more apart; None where only a variance is known.
    """

    query: str
    pairs: int
    variance: float
    drawn: float
    split: float | None


def variances(ratings: Doubles) -> Doubles:
    """``(n,)`` population variance of each pair's grades, as CrowdFlower's file has it; NaN below two raters.

    Args:
        ratings: ``(n, raters)``; NaN where a rater did not judge a pair.

    Raises:
        InputError: It is no table.
    """
    if ratings.ndim != 2:
        raise InputError(f"ratings of shape {ratings.shape}", allowed="(pairs, raters)")
    known = ~np.isnan(ratings)
    count = known.sum(1)
    filled = np.where(known, ratings, 0.0)
    mean = filled.sum(1) / np.maximum(count, 1)
    squares = np.where(known, (ratings - mean[:, None]) ** 2, 0.0).sum(1)
    return np.where(count > 1, squares / np.maximum(count, 1), np.nan)


def disagreements(queries: Sequence[str], variance: Doubles, ratings: Doubles | None = None) -> list[Disagreement]:
    """Queries by how much their raters disagree, the worst first.

    Args:
        queries: Of each pair.
        variance: ``(n,)`` of each pair's raters; NaN where it is not known.
        ratings: ``(n, raters)`` where they are known.

    Raises:
        InputError: Lengths do not fit.
    """
    if len(queries) != len(variance) or (ratings is not None and len(ratings) != len(queries)):
        raise InputError(f"{len(queries)} queries, {len(variance)} variances", allowed="one of each for every pair")
    known = ~np.isnan(variance)
    if not known.any():
        return []
    usual = float(variance[known].mean())
    rows: dict[str, list[int]] = {}
    for row, query in enumerate(queries):
        if known[row]:
            rows.setdefault(query, []).append(row)
    found = []
    for query, members in rows.items():
        values = variance[members]
        drawn = (values.sum() + PRIOR * usual) / (len(values) + PRIOR)
        split = None
        if ratings is not None:
            apart = np.nanmax(ratings[members], 1) - np.nanmin(ratings[members], 1)
            split = float((apart >= 2).mean())
        found.append(Disagreement(query, len(members), float(values.mean()), float(drawn), split))
    return sorted(found, key=lambda one: (-one.drawn, one.query))
