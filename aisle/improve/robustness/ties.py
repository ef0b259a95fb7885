"""nDCG inside judged pools where many scores are equal: what a perturbed query leaves of BM25 is often nothing at all.

Files tend to list the best texts first, so that breaking ties by row would turn a query that matches nothing into a
perfect ranking. Equal scores therefore share their places: each counts the mean gain of them all, the expected value
over all orders of them (McSherry and Najork 2008). Without ties it is ``aisle.evaluate.pools.pool_ndcg``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.evaluate.pools import SCORE_DECIMALS
from aisle.metrics import Gain

Numbers = NDArray[np.floating[Any]]
_GAIN = Gain("exp2")


def shared_ndcg(groups: Mapping[str, Sequence[int]], levels: Numbers, scores: Numbers, cutoff: int) -> dict[str, float]:
    """Measure each query's rows, with gain 2^level - 1 and discount log2(rank + 1).

    Args:
        groups: Query to its rows, all of them with a level, not all with the same.
        levels: ``(n,)``, from 0.
        scores: ``(n,)``, higher is better; equal to six decimals is equal, what is no number comes last.
        cutoff: How many places count.
    """
    return {
        query: _ndcg([(_rounded(scores[row]), levels[row]) for row in rows], cutoff) for query, rows in groups.items()
    }


def chance_ndcg(groups: Mapping[str, Sequence[int]], levels: Numbers, cutoff: int) -> float:
    """The mean over queries for a random order, which is one where all scores are equal."""
    found = shared_ndcg(groups, levels, np.zeros(len(levels)), cutoff)
    return math.fsum(found.values()) / len(found) if found else 0.0


def _rounded(score: float) -> float:
    return -math.inf if math.isnan(score) else round(float(score), SCORE_DECIMALS)


def _ndcg(scored: list[tuple[float, float]], cutoff: int) -> float:
    ideal = sorted((_GAIN(float(level)) for _, level in scored), reverse=True)
    best = math.fsum(gain / math.log2(place + 2) for place, gain in enumerate(ideal[:cutoff]))
    found, begun = 0.0, 0
    for _, tied in groupby(sorted(scored, key=lambda pair: -pair[0]), key=lambda pair: pair[0]):
        gains = [_GAIN(float(level)) for _, level in tied]
        places = range(begun, min(begun + len(gains), cutoff))
        found += math.fsum(gains) / len(gains) * math.fsum(1 / math.log2(place + 2) for place in places)
        begun += len(gains)
    return found / best
