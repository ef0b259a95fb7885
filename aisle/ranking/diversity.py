"""The first products of a ranking in a more varied order: MMR, a determinantal point process, caps, one tile a family.

Knows scored products with their fields and vectors; how they were found and what a page looks like is not known here.
Nothing is lost: what a cap holds back comes further down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import takewhile

import numpy as np

from aisle.config import DiversitySettings
from aisle.filters.fields import field_values, fold, value_key
from aisle.ranking.diversity_kernel import Determinant, Marginal, MarginalRelevance, Matrix, Relevance, similarity
from aisle.ranking.listed import Scored
from aisle.types import Array, Part, Product, Stage

STAGE = "diversity"
PROBABILITY, RERANK, LEARNT, RULE = "relevance", "rerank", "learnt", "rule:"
UNIT = 0.1
"""At strength .5 this difference of relevance weighs as much as being the same instead of entirely unlike."""


def diversify(
    scored: Sequence[Scored],
    products: Mapping[str, Product],
    vectors: Mapping[str, Array],
    settings: DiversitySettings,
    relevance: Mapping[str, float] | None = None,
    keep: int = 0,
) -> list[Scored]:
    """Reorder the first ``settings.window`` products, one place after the other.

    The next product is the one of the highest value by ``settings.method`` that keeps the page within its caps; where
    none does at little enough loss (``settings.margin``), the one of the highest value. Values weigh relevance, as a
    share of the best product's, against likeness to what stands above (`diversity_kernel.similarity`). Ties keep their
    order.

    Products that move exchange scores: whichever comes to a place gets the score that the place had. A part "diversity"
    says what that adds or takes away; its raw score is the value that the product was chosen by.

    Args:
        scored: Best first.
        products: The window's, by id. One that is not there has no family, brand or seller.
        vectors: The window's, by id, ``(dim,)``; "mmr" and "dpp" read them. One that is not there is like nothing.
        settings: How much variety.
        relevance: The window's, by id, on a scale on which half is half as good, such as probabilities; one that is not
            there has 0. Only how steeply it falls counts: whichever product is first has the highest. None takes the
            scores, which are on such a scale as fusion gives them; `steepness` finds a scale for other lists.
        keep: So many first products stay in their places, such as those that the query names by an identifier. They
            count for caps and likeness.

    Returns:
        The same products. The order depends on no page that is asked for, so pages fit together.
    """
    head = scored[: settings.window]
    if len(head) < 2 or not settings.active:
        return list(scored)
    known = [products.get(item[0]) for item in head]
    worth = [item[1] if relevance is None else relevance.get(item[0], 0.0) for item in head]
    shares = np.concatenate([np.ones(min(keep, len(head))), _shares(worth[keep:])])
    marginal = _marginal(shares, known, [vectors.get(item[0]) for item in head], settings)
    order = _order(marginal, shares, [_keys(product, settings) for product in known], settings, keep)
    moved = []
    for place, (position, value) in enumerate(order):
        product_id, own, parts = head[position]
        score = head[place][1]
        if position != place:
            parts = parts | {STAGE: Part(value, place + 1, score - own)}
        moved.append((product_id, score, parts))
    return moved + list(scored[settings.window :])


def steepness(scored: Sequence[Scored]) -> dict[str, float] | None:
    """How relevant products are on a scale on which half is half as good; None where their scores are on one.

    The probabilities of a cut-off, else a re-ranker's raw scores, else under a learnt combination what it was given: a
    sum of weighted features has no zero, and moved up above what it did not read its shares mean nothing.
    """
    for stage in (PROBABILITY, RERANK):
        found = {product_id: parts[stage].score for product_id, _, parts in scored if _ordered(parts, stage)}
        if found:
            return found
    if not any(LEARNT in parts for _, _, parts in scored):
        return None
    return {product_id: _until_learnt(parts) for product_id, _, parts in scored}


def _ordered(parts: Mapping[Stage, Part], stage: Stage) -> bool:
    """Whether a stage had its say; not a re-ranker whose score the learnt combination after it reads."""
    names = list(parts)
    return stage in parts and LEARNT not in names[names.index(stage) :]


def _until_learnt(parts: Mapping[Stage, Part]) -> float:
    """What retrieval, knowledge and demands gave; parts stand in the order of their stages."""
    before = takewhile(lambda item: item[0] != LEARNT and not item[0].startswith(RULE), parts.items())
    return sum(part.contribution for _, part in before)


def collapse(
    scored: Sequence[Scored], products: Mapping[str, Product]
) -> tuple[list[Scored], dict[str, tuple[str, ...]]]:
    """One product for each family: the first stays in its place, those after it are listed under it.

    Args:
        scored: Best first.
        products: By id; one that is not there, or without a family, stays by itself.

    Returns:
        What stays, with its score and parts, and for each product that stands for others their ids, best first.
    """
    shown: list[Scored] = []
    first: dict[str, str] = {}
    variants: dict[str, list[str]] = {}
    for item in scored:
        product = products.get(item[0])
        if product is None or not product.family or product.family not in first:
            shown.append(item)
            if product is not None and product.family:
                first[product.family] = item[0]
        else:
            variants.setdefault(first[product.family], []).append(item[0])
    return shown, {product_id: tuple(hidden) for product_id, hidden in variants.items()}


def _shares(relevance: Sequence[float]) -> Matrix:
    """Relevance as a share of the best one's, from 0, falling down the list; where some are below 0, the lowest is 0.

    The order is the ranking's whatever lifted a product or pushed it down, so relevance is sorted into it.
    """
    values = np.sort(np.asarray(relevance, np.float64))[::-1]
    if not len(values) or values[0] <= min(values[-1], 0.0):
        return np.ones(len(values))
    lowest = min(values[-1], 0.0)
    return np.asarray((values - lowest) / (values[0] - lowest), np.float64)


def _marginal(
    shares: Matrix, products: Sequence[Product | None], vectors: Sequence[Array | None], settings: DiversitySettings
) -> Marginal:
    if settings.method == "none" or settings.strength == 0:
        return Relevance(shares)
    kind = MarginalRelevance if settings.method == "mmr" else Determinant
    return kind(shares / UNIT, similarity(products, vectors), settings.strength)


def _keys(product: Product | None, settings: DiversitySettings) -> tuple[str, ...]:
    """Family, brand and seller where they are capped and known, else empty."""
    if product is None:
        return "", "", ""
    seller = field_values(product, settings.seller_field) if settings.per_seller else ()
    values = (product.family, fold(product.brand), value_key(seller[0]) if seller else "")
    return tuple(value if cap else "" for value, cap in zip(values, settings.caps, strict=True))


def _order(
    marginal: Marginal, shares: Matrix, keys: Sequence[tuple[str, ...]], settings: DiversitySettings, keep: int
) -> list[tuple[int, float]]:
    """Positions in their new order, each with the value it was chosen by."""
    left = np.ones(len(keys), bool)
    counts: tuple[Counter[str], ...] = ()
    order: list[tuple[int, float]] = []

    def fits(place: int) -> bool:
        limits = zip(keys[place], counts, settings.caps, strict=True)
        return all(not key or count[key] < cap for key, count, cap in limits)

    while len(order) < len(keys):
        if len(order) % settings.page == 0:
            counts = tuple(Counter() for _ in settings.caps)
        values = np.where(left, marginal.values, -np.inf)
        best = int(np.argmax(values)) if len(order) >= keep else len(order)
        if len(order) >= keep and not fits(best):
            near = left & (shares >= shares[best] - settings.margin)
            waiting = sorted(np.flatnonzero(near).tolist(), key=lambda place: -values[place])
            best = next((place for place in waiting if fits(place)), best)
        order.append((best, float(values[best])))
        left[best] = False
        marginal.choose(best)
        for key, count in zip(keys[best], counts, strict=True):
            count[key] += 1
    return order
