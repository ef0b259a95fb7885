"""How near a smaller model is to the one it was made of: the scores and orders of the same pairs. Numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.evaluate.pools import best_first, pool_ndcg
from aisle.evaluate.statistics import paired_difference

Numbers = NDArray[np.floating[Any]]
TOP = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two models' scores of the same pairs.

    Attributes:
        pairs: How many.
        queries: Of how many queries.
        largest: The largest difference of two scores, on the scale of the original.
        mean: The mean difference.
        concordance: Of two texts of a query, how often both models put the same one first.
        top: Of the original's first ten texts, the share that the other has among its first ten.
        identical: Share of the queries whose whole order is the same.
    """

    pairs: int
    queries: int
    largest: float
    mean: float
    concordance: float
    top: float
    identical: float

    def to_dict(self) -> dict[str, float]:
        """As plain data."""
        return asdict(self)


def agreement(groups: Mapping[str, Sequence[int]], before: Numbers, after: Numbers) -> Agreement:
    """Compare scores.

    Args:
        groups: Query to its rows.
        before: The original's, ``(pairs,)``.
        after: The other's.
    """
    same = total = 0.0
    tops, identical = [], []
    for rows in groups.values():
        one, other = np.asarray(before)[list(rows)], np.asarray(after)[list(rows)]
        first, second = np.triu_indices(len(rows), 1)
        signs = np.sign(one[first] - one[second]), np.sign(other[first] - other[second])
        same += float((signs[0] == signs[1]).sum())
        total += len(first)
        orders = best_first(rows, before), best_first(rows, after)
        kept = set(orders[0][:TOP])
        tops.append(len(kept & set(orders[1][:TOP])) / len(kept))
        identical.append(orders[0] == orders[1])
    apart = np.abs(np.asarray(before, np.float64) - np.asarray(after, np.float64))
    return Agreement(
        len(apart),
        len(groups),
        float(apart.max()),
        float(apart.mean()),
        same / total if total else 1.0,
        float(np.mean(tops)),
        float(np.mean(identical)),
    )


def quality(
    groups: Mapping[str, Sequence[int]], levels: Numbers, before: Numbers, after: Numbers
) -> dict[str, Any] | None:
    """nDCG@10 inside the judged texts of both and the paired difference; None where no query has two levels."""
    old = pool_ndcg(groups, levels, before)
    if len(old) < 2:
        return None
    new = pool_ndcg(groups, levels, after)
    found = paired_difference([new[query] - old[query] for query in old])
    return {
        "queries": len(old),
        "before": float(np.mean(list(old.values()))),
        "after": float(np.mean(list(new.values()))),
        "difference": found.interval.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "p": found.p,
        "detectable": found.detectable,
    }
