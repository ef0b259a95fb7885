"""What the gate is shown: each held-out query's nDCG@10 before and after, and what would give away a collapse.

Knows pairs and scores; no models, no PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aisle.evaluate.pools import pool_ndcg
from aisle.evaluate.statistics import paired_difference
from aisle.judgments.pairs import PairSet, pair_text
from aisle.training.gate import Evidence
from aisle.types import Array


def evidence(held: PairSet, current: Array, candidate: Array, description: bool) -> Evidence:
    """Compare two scores ``(n,)`` of the held-out pairs."""
    groups, levels = held.by_query(), held.levels()
    # Not the place in the file as a second feature: some files are sorted by grade.
    length = np.array([len(pair_text(pair, description)) for pair in held], np.float64)
    after = pool_ndcg(groups, levels, candidate)
    rows = [groups[query] for query in after]
    return Evidence(
        pool_ndcg(groups, levels, current),
        after,
        [candidate[row].tolist() for row in rows],
        {"length of the text": [length[row].tolist() for row in rows]},
    )


def against(held: PairSet, current: Array, candidate: Array) -> dict[str, Any]:
    """How a score ``(n,)`` of the held-out pairs ranks beside the current one, as plain data."""
    groups, levels = held.by_query(), held.levels()
    before, after = pool_ndcg(groups, levels, current), pool_ndcg(groups, levels, candidate)
    found = paired_difference([after[query] - before[query] for query in before])
    return {
        "queries": len(before),
        "before": sum(before.values()) / max(1, len(before)),
        "after": sum(after.values()) / max(1, len(before)),
        "difference": {"mean": found.interval.mean, "low": found.interval.low, "high": found.interval.high},
        "p": found.p,
        "detectable": found.detectable,
    }


NONE = Evidence({}, {}, [], {"length of the text": []})
"""With too few queries to hold any out."""
