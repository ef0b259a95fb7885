"""How long models take to re-rank, measured in turns, so that what else the machine does falls on all alike."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from aisle.types import Product, Reranker

TEXTS, ROUNDS = 100, 15


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds for one query: the median of all rounds and the least."""

    p50: float
    least: float

    def to_dict(self) -> dict[str, float]:
        """As plain data."""
        return asdict(self)


def in_turns(
    models: Mapping[str, Reranker], queries: Sequence[str], products: Sequence[Product], rounds: int = ROUNDS
) -> dict[str, Times]:
    """Time re-ranking of the products, each model once in each round, after one that is not counted.

    Args:
        models: By name.
        queries: One for each round, from the beginning again where they end.
        products: All of them are scored for each query.
        rounds: That count.
    """
    taken: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(rounds + 1):
        for name, model in models.items():
            start = time.perf_counter()
            model.score(queries[turn % len(queries)], products)
            if turn:
                taken[name].append(1000 * (time.perf_counter() - start))
    return {name: Times(float(np.median(found)), float(min(found))) for name, found in taken.items()}
