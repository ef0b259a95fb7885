"""How long a model takes to re-rank what a search finds, as a check for the gate. No PyTorch."""

from __future__ import annotations

import time

import numpy as np

from aisle.judgments.pairs import PairSet
from aisle.training.gate import Check
from aisle.types import Product, Reranker

RERANKED = 50
"""Texts whose re-ranking is timed: as many as a search re-ranks."""


def rerank_time(reranker: Reranker, pairs: PairSet, most_ms: float) -> Check:
    """Whether re-ranking as many texts as a search does stays within its budget: the median of five queries."""
    texts = [Product(str(row), pair.title, pair.description) for row, pair in enumerate(pairs[:RERANKED])]
    found = []
    for query in list(dict.fromkeys(pair.query for pair in pairs))[:6]:  # the first one loads the model
        start = time.perf_counter()
        reranker.score(query, texts)
        found.append(1000 * (time.perf_counter() - start))
    median = float(np.median(found[1:] or found))
    passed = bool(median <= most_ms)
    limit = "at most" if passed else "more than the"
    return Check(
        "re-ranking", passed, f"{len(texts)} texts take {median:.0f} milliseconds, {limit} {most_ms:g} allowed"
    )
