"""Several ranked lists into one. Knows lists of (id, score) and weights, nothing of where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aisle.order import Found, Scores, on_one_scale
from aisle.ranking.listed import Column, Listed, Scored, Unmade, behind, without
from aisle.types import Part


def fuse(
    lists: Mapping[str, Sequence[tuple[str, float]]], weights: Mapping[str, float], rrf_k: float | None = None
) -> Sequence[Scored]:
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
    names, found = on_one_scale(lists.values())
    totals, there = np.zeros(len(names)), np.zeros(len(names), np.bool_)
    given: dict[str, tuple[Found, NDArray[np.int64], Scores]] = {}
    for stage, items in zip(lists, found, strict=True):
        raw, ranks = items.scores, _ranks(items.scores)
        weight, best = weights.get(stage, 1.0), raw[0] if len(raw) else 0.0
        if len(lists) == 1:
            added = raw
        elif rrf_k is None:
            added = weight * np.maximum(raw, 0.0) / best if best > 0 else np.zeros(len(raw))
        else:
            added = np.asarray(weight / (rrf_k + ranks))
        totals[items.rows] += added
        there[items.rows] = True
        given[stage] = items, ranks, added
    rows = np.flatnonzero(there)
    ranking = Found.best(names, rows, totals[rows])
    columns = {}
    for stage, (items, ranks, added) in given.items():
        at = np.full(len(names), -1)
        at[items.rows] = np.arange(len(items))
        columns[stage] = Column(items.scores, ranks, added, at[ranking.rows])
    return Listed([], Unmade(ranking, columns))


def _ranks(scores: Scores) -> NDArray[np.int64]:
    """The places, from 1, of scores from the highest to the lowest; equal ones share the better place."""
    places = np.arange(1, len(scores) + 1)
    places[1:][scores[1:] == scores[:-1]] = 0
    return np.maximum.accumulate(places)


def lift(scored: Sequence[Scored], stage: str, chosen: Sequence[str]) -> Sequence[Scored]:
    """Put chosen products first, in the order the scores already give them, then as listed.

    What is added is the same for all of them: just enough to pass every other product.
    """
    if not chosen:
        return scored
    known, rest = without(scored, frozenset(chosen))
    ends = [item[1] for item in (*known.values(), *rest[:1], *rest[-1:])]  # the rest is best first
    bonus = 1.0 + max(ends, default=0.0) - min([0.0, *ends])
    places = {product_id: place for place, product_id in enumerate(chosen, start=1)}
    lifted = []
    for product_id in places:
        _, score, parts = known.get(product_id, (product_id, 0.0, {}))
        lifted.append((product_id, score + bonus, parts | {stage: Part(1.0, 1, bonus)}))
    lifted.sort(key=lambda item: (-item[1], places[item[0]]))
    return behind(rest, 0, lifted)


def reorder(scored: Sequence[Scored], stage: str, scores: Sequence[float]) -> Sequence[Scored]:
    """Order the first ``len(scores)`` products by a re-ranker's scores; the rest keep their places below them."""
    head = scored[: len(scores)]
    if not head:
        return scored
    floor = (scored[len(scores)][1] if len(scored) > len(scores) else 0.0) + 1.0
    lowest = min(scores)
    order = sorted(range(len(head)), key=lambda i: (-scores[i], head[i][0]))
    reranked = []
    for rank, i in enumerate(order, start=1):
        product_id, base, parts = head[i]
        final = floor + scores[i] - lowest
        reranked.append((product_id, final, parts | {stage: Part(scores[i], rank, final - base)}))
    return behind(scored, len(scores), reranked)
