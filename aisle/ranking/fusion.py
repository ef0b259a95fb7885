"""Several ranked lists into one. Knows lists of (id, score) and weights, nothing of where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aisle.types import Part

Scored = tuple[str, float, dict[str, Part]]
"""Product id, final score, parts."""


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
    scores: dict[str, float] = {}
    parts: dict[str, dict[str, Part]] = {}
    alone = len(lists) == 1
    for stage, items in lists.items():
        weight = weights.get(stage, 1.0)
        best = items[0][1] if items else 0.0
        rank, previous = 0, None
        for position, (product_id, score) in enumerate(items, start=1):
            if score != previous:
                rank, previous = position, score
            if alone:
                contribution = score
            elif rrf_k is None:
                contribution = weight * score / best if score > 0 and best > 0 else 0.0
            else:
                contribution = weight / (rrf_k + rank)
            part = Part(score, rank, contribution)
            if product_id in parts:
                parts[product_id][stage] = part
                scores[product_id] += contribution
            else:
                parts[product_id] = {stage: part}
                scores[product_id] = contribution
    order = sorted(scores, key=lambda product_id: (-scores[product_id], product_id))
    return [(product_id, scores[product_id], parts[product_id]) for product_id in order]


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
