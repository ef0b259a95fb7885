"""What rules do to a ranking: boosts, pins, and what is taken out; each recorded in the parts of the hits.

Pure functions over `aisle.ranking.fusion.Scored`. The order is the engine's: boosts, pins, then what is taken out, so
that nothing comes after the safety list.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from aisle.errors import FilterError
from aisle.filters import matches
from aisle.ranking.listed import Scored
from aisle.rules.active import Active, forbidden_filter
from aisle.types import And, Filter, In, Index, Part, Product, SearchRequest, Stage

Meets = Callable[[Filter, Sequence[str]], Collection[str]]
"""``meets(filter, ids)``: those of the products that exist and pass the filter."""

_CHUNK = 2_000  # ids in one condition


def meets_in_products(products: Mapping[str, Product]) -> Meets:
    """Judge products that are at hand."""

    def meets(filter: Filter, ids: Sequence[str]) -> Collection[str]:
        return {one for one in ids if one in products and matches(filter, products[one])}

    return meets


def meets_in_index(index: Index) -> Meets:
    """Let an index judge, which fetches no products: a fifth of the time for a thousand."""

    def meets(filter: Filter, ids: Sequence[str]) -> Collection[str]:
        found: set[str] = set()
        for start in range(0, len(ids), _CHUNK):
            part = tuple(ids[start : start + _CHUNK])
            request = SearchRequest("", filter=And((In("id", part), filter)))
            try:
                lists = index.search(request, {}, len(part)).lists
            except FilterError:  # on an attribute that no product has any more: nothing to find, no reason to fail
                return set()
            found.update(product_id for items in lists.values() for product_id, _ in items)
        return found

    return meets


def apply_boosts(scored: Sequence[Scored], active: Active, meets: Meets) -> list[Scored]:
    """Move products up and down by shares of the ranking's best score.

    The best score is the largest one without its sign, so that shares mean the same of fused scores, cosines and BM25.

    Args:
        scored: Best first.
        active: The rules for the query.
        meets: Judges products by a boost's filter.

    Returns:
        Best first, ties by id. A product's part "rule:NAME" has the share as its score, below 0 for a bury.
    """
    if not scored or not active.boosts:
        return list(scored)
    ids = [item[0] for item in scored]
    unit = max(abs(score) for _, score, _ in scored) or 1.0
    moved = {item[0]: item for item in scored}
    for rule, change in active.boosts:
        for product_id in meets(change.filter, ids):
            moved[product_id] = _with(moved[product_id], rule.stage, Part(change.by, None, change.by * unit))
    return sorted(moved.values(), key=lambda item: (-item[1], item[0]))


def apply_pins(scored: Sequence[Scored], active: Active, known: Collection[str]) -> list[Scored]:
    """Put pinned products at their places in the whole ranking.

    Where two pins want one place, the rule that goes first has it and the other product takes the next free one; of two
    pins of one product the first counts. A place beyond the end of the ranking is its end. A pinned product's score
    lies between those of its neighbours, or 1 beyond the neighbour at either end of the ranking; its part "rule:NAME"
    has the place as its rank.

    Args:
        scored: Best first.
        active: The rules for the query.
        known: Products that exist, pass `retrieval_filter` and so may be shown. Others are not pinned.
    """
    stages, places = _places(active, known)
    if not places:
        return list(scored)
    there = {item[0]: item for item in scored}
    rest = [item for item in scored if item[0] not in stages]
    merged: list[Scored] = []
    for place in sorted(places):
        taken = max(place - 1 - len(merged), 0)
        merged += rest[:taken]
        rest = rest[taken:]
        product_id = places[place]
        merged.append(there.get(product_id, (product_id, 0.0, {})))
    merged += rest
    return _scored_between(merged, stages)


def remove_blocked(scored: Sequence[Scored], products: Mapping[str, Product], active: Active) -> list[Scored]:
    """Take out what the rules block and the safety list forbids: the last word on what is shown.

    `retrieval_filter` has kept it out before; this holds whatever came between. Where the safety list has a filter, a
    product that is not among ``products`` goes too, since nothing shows that it may stay.
    """
    safety = active.safety
    if active.refused is not None:
        return []
    gone = active.blocked | frozenset(safety.products)
    forbidden = forbidden_filter(safety)

    def stays(product_id: str) -> bool:
        if product_id in gone:
            return False
        if safety.filter is None:
            return True
        product = products.get(product_id)
        return product is not None and not matches(forbidden, product)

    return [item for item in scored if stays(item[0])]


def record(scored: Sequence[Scored], active: Active) -> list[Scored]:
    """Add the rules that acted on the answer as a whole (filter, synonyms, block, redirect) to every hit's parts.

    They contribute 0: a filter lets through, it does not move.
    """
    whole = {
        rule.stage: Part(0.0, None, 0.0)
        for rule in active.rules
        if rule.filter is not None or rule.synonyms or rule.blocked or rule.redirect
    }
    return [(product_id, score, whole | parts) for product_id, score, parts in scored] if whole else list(scored)


def _with(item: Scored, stage: Stage, part: Part) -> Scored:
    """The product with one more contribution; what the same rule gave before is added to."""
    product_id, score, parts = item
    added, old = part.contribution, parts.get(stage)
    if old is not None:
        rank = part.rank if part.rank is not None else old.rank
        part = Part(old.score + part.score, rank, old.contribution + added)
    return product_id, score + added, parts | {stage: part}


def _places(active: Active, known: Collection[str]) -> tuple[dict[str, Stage], dict[int, str]]:
    """Pinned products with whose pin it is, and places with their products."""
    stages: dict[str, Stage] = {}
    places: dict[int, str] = {}
    never = active.blocked | frozenset(active.safety.products)
    for rule, pin in active.pins:
        if pin.product_id in stages or pin.product_id in never or pin.product_id not in known:
            continue
        place = pin.place
        while place in places:
            place += 1
        places[place] = pin.product_id
        stages[pin.product_id] = rule.stage
    return stages, places


def _scored_between(merged: Sequence[Scored], stages: Mapping[str, Stage]) -> list[Scored]:
    """The same order, with pinned products' scores between those of the others around them."""
    done: list[Scored] = []
    start = 0
    while start < len(merged):
        if merged[start][0] not in stages:
            done.append(merged[start])
            start += 1
            continue
        end = start
        while end < len(merged) and merged[end][0] in stages:
            end += 1
        above = merged[start - 1][1] if start else None
        below = merged[end][1] if end < len(merged) else None
        for place, score in enumerate(_between(above, below, end - start), start=start):
            item = merged[place]
            part = Part(0.0, place + 1, score - item[1])
            # the score itself: rounding the sum could put it past its neighbour
            done.append((item[0], score, _with(item, stages[item[0]], part)[2]))
        start = end
    return done


def _between(above: float | None, below: float | None, count: int) -> list[float]:
    """Falling scores between two others; equal to them where these are equal."""
    if above is None:
        return [(below or 0.0) + count - n for n in range(count)]
    if below is None:
        return [above - n - 1 for n in range(count)]
    return [max(below, above - (above - below) * ((n + 1) / (count + 1))) for n in range(count)]
