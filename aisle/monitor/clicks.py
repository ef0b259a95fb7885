"""Quality as shoppers' behaviour shows it: rates, and nDCG of clicks corrected for where products stood."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aisle.evaluate import Interval, bootstrap_mean
from aisle.judgments.split import query_key
from aisle.monitor.pages import Page

AGAIN_S = 300.0
"""Another query of the same visit within so many seconds after a page without a click is a reformulation."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of pages that showed something.

    Attributes:
        pages: That showed a product.
        empty: Pages that showed none.
        click: With a click.
        cart: With a product put into the cart.
        purchase: With a product bought.
        abandoned: Without any of them. Some of it is good: the answer was on the page.
        reformulated: Abandoned, and the visit asked something else within five minutes; of pages with a visit only.
        by_position: Clicks per time shown, for positions from 1.
    """

    pages: int
    empty: int
    click: float | None
    cart: float | None
    purchase: float | None
    abandoned: float | None
    reformulated: float | None
    by_position: Mapping[int, float]


def rates(pages: Sequence[Page], again_s: float = AGAIN_S) -> Rates:
    """Rates of pages in the order of time; None where there are no pages."""
    shown = [page for page in pages if page.places]
    seen: dict[int, int] = defaultdict(int)
    clicks: dict[int, int] = defaultdict(int)
    for page in shown:
        for place in page.places:
            seen[place.position] += 1
            clicks[place.position] += place.id in page.clicked
    following: dict[str, Page] = {}
    visits = again = 0
    for page in reversed(pages):
        if page.session:
            later = following.get(page.session)
            following[page.session] = page
            if page.places:
                visits += 1
                again += not _used(page) and later is not None and _other(page, later, again_s)

    def share(hits: int, of: int) -> float | None:
        return hits / of if of else None

    n = len(shown)
    return Rates(
        pages=n,
        empty=len(pages) - n,
        click=share(sum(bool(page.clicked) for page in shown), n),
        cart=share(sum(bool(page.carted) for page in shown), n),
        purchase=share(sum(bool(page.bought) for page in shown), n),
        abandoned=share(sum(not _used(page) for page in shown), n),
        reformulated=share(again, visits),
        by_position={position: clicks[position] / seen[position] for position in sorted(seen)},
    )


def _used(page: Page) -> bool:
    return bool(page.clicked or page.carted or page.bought)


def _other(page: Page, later: Page, again_s: float) -> bool:
    near = (later.time - page.time).total_seconds() <= again_s
    return near and query_key(later.query) != query_key(page.query)


@dataclass(frozen=True, slots=True)
class ClickNdcg:
    """nDCG of what was shown, by relevance that clicks tell.

    Attributes:
        interval: Mean over queries with its 95% interval, None without queries.
        values: Query to the mean over its pages.
        left_out: Queries with too few looks, or without a click.
    """

    interval: Interval | None
    values: Mapping[str, float]
    left_out: int


def click_ndcg(
    pages: Sequence[Page], propensities: Sequence[float], cutoff: int = 10, minimum: float = 20.0
) -> ClickNdcg:
    """nDCG@cutoff by clicks over expected looks.

    A product's relevance for a query is its clicks over the sum of the propensities of where it stood ("clicks over
    expected clicks"; at most 1): under the position-based model that is unbiased, while plain click rates make what
    stands first look best. Gains are linear. The best order of noisy numbers looks better than it is, so the ideal
    takes its order from one half of a query's pages (every other page) and its gains from the other, both ways; with
    few looks a value may exceed 1.

    Args:
        pages: Of one system.
        propensities: How probable it is that a shopper looks at positions 1, 2, ...; those beyond are left out.
        cutoff: Positions that count.
        minimum: Expected looks (the sum of propensities over all places) that a query needs.
    """
    by_query: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        by_query[query_key(page.query)].append(page)
    values: dict[str, float] = {}
    for key, of in by_query.items():
        looks = math.fsum(
            propensities[place.position - 1]
            for page in of
            for place in page.places
            if place.position <= len(propensities)
        )
        value = _ndcg(of, propensities, cutoff)
        if value is not None and looks >= minimum:
            values[key] = value
    interval = bootstrap_mean(list(values.values())) if values else None
    return ClickNdcg(interval, values, len(by_query) - len(values))


def _ndcg(pages: Sequence[Page], propensities: Sequence[float], cutoff: int) -> float | None:
    """Mean nDCG of one query's pages; None where clicks tell no ideal."""
    whole, one, other = (_relevance(some, propensities) for some in (pages, pages[::2], pages[1::2]))
    ideals = []
    for first, second in ((one, other), (other, one)):
        order = sorted(whole, key=lambda product: (-first.get(product, 0.0), product))
        ideals.append(_dcg([second.get(product, 0.0) for product in order[:cutoff]]))
    if sum(ideals) <= 0:
        return None
    found = [_dcg([whole.get(place.id, 0.0) for place in page.places[:cutoff]]) for page in pages]
    return math.fsum(found) / len(found) / (sum(ideals) / 2)


def _relevance(pages: Sequence[Page], propensities: Sequence[float]) -> dict[str, float]:
    """Product to clicks over expected looks."""
    looks: dict[str, float] = defaultdict(float)
    clicks: dict[str, int] = defaultdict(int)
    for page in pages:
        for place in page.places:
            if place.position <= len(propensities):
                looks[place.id] += propensities[place.position - 1]
                clicks[place.id] += place.id in page.clicked
    return {product: min(1.0, clicks[product] / seen) for product, seen in looks.items() if seen > 0}


def _dcg(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
