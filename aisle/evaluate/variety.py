"""How varied the first products of a ranking are. Knows keys, sets of aspects and vectors, in ranked order.

A key is what a product is counted under, such as its family or brand; an empty one belongs to nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from aisle.errors import MetricError
from aisle.filters.fields import fold
from aisle.metrics import Treatment
from aisle.types import Array, Product

Aspects = Collection[str]
NEAR = 0.9
"""Products of one brand whose vectors have at least this cosine look alike to a shopper."""


@dataclass(frozen=True, slots=True)
class Variety:
    """The first products of one ranking.

    Attributes:
        products: How many there are.
        brands: Distinct brands.
        families: Distinct families; a product without one is its own.
        most_of_family: Products of the family that has most; 1 where no family comes twice.
        repeats: Products whose family stands above them already: tiles that show nothing new.
        near: Products that look like one above them: same brand and cosine of at least `NEAR`. 0 without vectors.
        distance: Intra-list distance, 0 to 2; None with fewer than two vectors.
    """

    products: int
    brands: int
    families: int
    most_of_family: int
    repeats: int
    near: int
    distance: float | None


def variety(products: Sequence[Product], vectors: Sequence[Array] = (), cutoff: int = 10) -> Variety:
    """Measure the first ``cutoff`` products.

    Args:
        products: Best first.
        vectors: Of the same products, ``(dim,)`` each of length 1; or none.
        cutoff: How many places count.

    Raises:
        MetricError: There are vectors, but not one for each product.
    """
    if len(vectors) not in (0, len(products)):
        raise MetricError(f"{len(vectors)} vectors for {len(products)} products", allowed="one for each, or none")
    top, seen = products[:cutoff], vectors[:cutoff]
    families = [product.family for product in top]
    alone = families.count("")
    return Variety(
        products=len(top),
        brands=distinct([fold(product.brand) for product in top]),
        families=distinct(families) + alone,
        most_of_family=most_of_one(families),
        repeats=len(top) - distinct(families) - alone,
        near=_near([fold(product.brand) for product in top], seen),
        distance=intra_list_distance(seen),
    )


def distinct(keys: Sequence[str]) -> int:
    """How many different keys there are; empty ones are none."""
    return len(set(keys) - {""})


def most_of_one(keys: Sequence[str]) -> int:
    """How often the most frequent key comes; products without a key are each alone."""
    return max(Counter(key for key in keys if key).values(), default=min(len(keys), 1))


def intra_list_distance(vectors: Sequence[Array]) -> float | None:
    """The mean of 1 - cosine over all pairs (Zhang and Hurley, "Avoiding Monotony", RecSys 2008).

    Args:
        vectors: ``(dim,)`` each, of length 1.

    Returns:
        0 where all are alike, 1 where they are unlike; None for fewer than two.
    """
    count = len(vectors)
    if count < 2:
        return None
    total = np.sum(np.asarray(vectors, np.float64), axis=0)
    own = sum(float(np.dot(vector, vector)) for vector in np.asarray(vectors, np.float64))
    return 1.0 - (float(total @ total) - own) / (count * (count - 1))


def alpha_ndcg(
    ranked: Sequence[Aspects | None],
    judged: Sequence[Aspects],
    cutoff: int | None = 10,
    alpha: float = 0.5,
    unjudged: Treatment = "wrong",
) -> float:
    """Measure alpha-nDCG: nDCG in which an aspect is worth less each time it has been seen.

    Clarke et al., "Novelty and Diversity in Information Retrieval Evaluation" (SIGIR 2008): a product gains
    ``(1 - alpha)^seen`` for each of its aspects, with ``seen`` the products above that have it, and the discount is
    log2(rank+1). The ideal order, whose exact search is NP-hard, is chosen greedily as there.

    Args:
        ranked: Aspects of the returned products, best first: those a relevant product brings (its brand, its family,
            ...), none for one that is not relevant, None for one that is not judged.
        judged: Aspects of all judged products of the query.
        cutoff: How many places count; None for all.
        alpha: How much of an aspect's worth seeing it takes away: 0 counts aspects, 1 counts each once.
        unjudged: "wrong" gives unjudged products no aspects, "removed" takes them out first.

    Raises:
        MetricError: alpha is not within 0 and 1.
    """
    if not 0 <= alpha <= 1:
        raise MetricError(f"alpha is {alpha!r}", allowed="0 to 1")
    if unjudged == "removed":
        ranked = [aspects for aspects in ranked if aspects is not None]
    found = _novel_gain([frozenset(aspects or ()) for aspects in ranked[:cutoff]], alpha)
    ideal = _novel_gain(_greedy([frozenset(aspects) for aspects in judged], cutoff, alpha), alpha)
    return found / ideal if ideal > 0 else 0.0


def _novel_gain(ranked: Sequence[frozenset[str]], alpha: float) -> float:
    seen: Counter[str] = Counter()
    total = 0.0
    for rank, aspects in enumerate(ranked, start=1):
        total += _worth(aspects, seen, alpha) / math.log2(rank + 1)
        seen.update(aspects)
    return total


def _greedy(judged: list[frozenset[str]], cutoff: int | None, alpha: float) -> list[frozenset[str]]:
    left = [aspects for aspects in judged if aspects]
    seen: Counter[str] = Counter()
    chosen: list[frozenset[str]] = []
    while left and (cutoff is None or len(chosen) < cutoff):
        best = max(range(len(left)), key=lambda place: _worth(left[place], seen, alpha))
        seen.update(left[best])
        chosen.append(left.pop(best))
    return chosen


def _worth(aspects: frozenset[str], seen: Counter[str], alpha: float) -> float:
    return math.fsum((1 - alpha) ** seen[aspect] for aspect in aspects)  # 0 ** 0 is 1: alpha 1 counts the first sight


def _near(brands: Sequence[str], vectors: Sequence[Array]) -> int:
    return sum(
        any(brands[other] == brands[place] and float(vectors[other] @ vectors[place]) >= NEAR for other in range(place))
        for place in range(len(vectors))
    )
