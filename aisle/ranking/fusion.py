"""Several ranked lists into one. Knows lists of (id, score) and weights, nothing of where they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aisle.order import best_first
from aisle.types import Part

Scored = tuple[str, float, dict[str, Part]]
"""Product id, final score, parts."""
_PART: Callable[[tuple[float, int, float]], Part] = partial(tuple.__new__, Part)  # without a call in Python for each


def fuse(
    lists: Mapping[str, Sequence[tuple[str, float]]], weights: Mapping[str, float], rrf_k: float | None = None
) -> list[Scored]:
    """Several lists into one, by their scores or by their ranks.

    By scores it is the convex combination of Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
    Retrieval" (TOIS 2023), with 0 and the list's best score as the ends of each scale: the sum over lists of ``weight *
    score / best``. By ranks it is weighted reciprocal rank fusion: the sum of ``weight / (rrf_k + rank)``. A product
    that a list lacks gets nothing from it, nor does one whose score there is below 0.

    A single list keeps its own scores, since there is nothing to fuse. Products with equal scores in a list
    share the better rank, so that the order in which a back end returns ties cannot matter.

    Args:
        lists: For each stage ``(product id, raw score)``, best first.
        weights: Weight of each stage; a stage without one counts 1.
        rrf_k: None fuses scores. Else the constant of Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms
            Condorcet and individual Rank Learning Methods" (SIGIR 2009); they use 60.

    Returns:
        Best first, ties by id.
    """
    places: dict[str, int] = {}
    parts: list[dict[str, Part]] = []
    totals = np.zeros(sum(map(len, lists.values())))
    for stage, items in lists.items():
        raw = np.array([score for _, score in items], np.float64)
        ranks, weight, best = _ranks(raw), weights.get(stage, 1.0), raw[0] if len(raw) else 0.0
        if len(lists) == 1:
            added = raw
        elif rrf_k is None:
            added = np.maximum(weight * raw / best, 0.0) if best > 0 else np.zeros(len(raw))
        else:
            added = np.asarray(weight / (rrf_k + ranks))
        columns = raw.tolist(), ranks.tolist(), added.tolist()
        there = [places.setdefault(product_id, len(places)) for product_id, _ in items]
        totals[there] += added
        parts += [{} for _ in range(len(places) - len(parts))]
        for place, part in zip(there, map(_PART, zip(*columns, strict=True)), strict=True):
            parts[place][stage] = part
    ids, scores = list(places), totals[: len(places)].tolist()
    return [(ids[place], scores[place], parts[place]) for place in best_first(ids, totals[: len(places)])]


def _ranks(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The places, from 1, of scores from the highest to the lowest; equal ones share the better place."""
    places = np.arange(1, len(scores) + 1)
    places[1:][scores[1:] == scores[:-1]] = 0
    return np.maximum.accumulate(places)


def lift(scored: Sequence[Scored], stage: str, chosen: Sequence[str]) -> list[Scored]:
    """Put chosen products first, in the order the scores already give them, then as listed.

    What is added is the same for all of them: just enough to pass every other product.
    """
    if not chosen:
        return list(scored)
    known = {item[0]: item for item in scored}
    best, worst = (max(item[1] for item in scored), min(item[1] for item in scored)) if scored else (0.0, 0.0)
    bonus = 1.0 + best - min(worst, 0.0)
    places = {product_id: place for place, product_id in enumerate(chosen, start=1)}
    lifted = []
    for product_id in places:
        _, score, parts = known.get(product_id, (product_id, 0.0, {}))
        lifted.append((product_id, score + bonus, parts | {stage: Part(1.0, 1, bonus)}))
    rest = [item for item in scored if item[0] not in places]
    return sorted(lifted, key=lambda item: (-item[1], places[item[0]])) + rest


def reorder(scored: Sequence[Scored], stage: str, scores: Sequence[float]) -> list[Scored]:
    """Order the first ``len(scores)`` products by a re-ranker's scores; the rest keep their places below them."""
    head, tail = scored[: len(scores)], list(scored[len(scores) :])
    if not head:
        return tail
    floor = (tail[0][1] if tail else 0.0) + 1.0
    lowest = min(scores)
    order = sorted(range(len(head)), key=lambda i: (-scores[i], head[i][0]))
    ranks = {i: rank for rank, i in enumerate(order, start=1)}
    reranked = []
    for i in order:
        product_id, base, parts = head[i]
        final = floor + scores[i] - lowest
        reranked.append((product_id, final, parts | {stage: Part(scores[i], ranks[i], final - base)}))
    return reranked + tail
