"""nDCG inside judged pools: each query's judged texts in the order of some scores, nothing else among them.

Knows rows, levels and scores, neither files nor models. Measures what orders texts and does not search for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import MetricError
from aisle.metrics import Gain, ndcg

SCORE_DECIMALS = 6
"""Scores that differ by less are equal: float32 sums differ in the last digits with the order of adding."""

Numbers = NDArray[np.floating[Any]]


def pool_ndcg(
    pairs_by_query: Mapping[str, Sequence[int]], levels: Numbers, scores: Numbers, cutoff: int = 10
) -> dict[str, float]:
    """Measure the nDCG of each query's own rows, with gain 2^level - 1 and discount log2(rank+1).

    A row without a level is left out. So is a query whose levels are all equal, since every order of it is perfect.

    Args:
        pairs_by_query: Query to its rows.
        levels: ``(n,)``, from 0; NaN where a row is not judged.
        scores: ``(n,)``, higher is better; see ``best_first``.
        cutoff: How many places count.

    Raises:
        MetricError: There is not one score for each level, or a level is too high for 2^level.
    """
    if levels.shape != scores.shape:
        raise MetricError(f"{scores.shape} scores for {levels.shape} levels", allowed="one score for each row")
    found: dict[str, float] = {}
    for query, rows in pairs_by_query.items():
        judged = [row for row in rows if not math.isnan(levels[row])]
        if len({float(levels[row]) for row in judged}) > 1:
            ranked = [float(levels[row]) for row in best_first(judged, scores)]
            found[query] = ndcg(ranked, ranked, cutoff, Gain("exp2"))
    return found


def mean_ndcg(pairs_by_query: Mapping[str, Sequence[int]], levels: Numbers, scores: Numbers, cutoff: int = 10) -> float:
    """The mean of ``pool_ndcg``; every query that it measures counts the same.

    Raises:
        MetricError: As ``pool_ndcg``, or there is no query to measure.
    """
    found = pool_ndcg(pairs_by_query, levels, scores, cutoff)
    if not found:
        raise MetricError("no query has two different levels, so there is nothing to order", fix="give more judgments")
    return math.fsum(found.values()) / len(found)


def best_first(rows: Sequence[int], scores: Numbers) -> list[int]:
    """The rows by score, highest first; scores equal to six decimals go by row, what is no number comes last."""
    ordered = np.sort(np.asarray(rows, np.intp))
    rounded = np.round(scores[ordered].astype(np.float64), SCORE_DECIMALS)
    return [int(row) for row in ordered[np.argsort(-rounded, kind="stable")]]
