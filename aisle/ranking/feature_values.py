"""Values of features that products, demands and shoppers give by themselves, without an index.

Knows products, demands and vectors. Every function gives NaN for what it cannot know.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.filters.fields import field_values
from aisle.query.constraint import Constraint, verdict
from aisle.ranking.pool_bm25 import Segmenter
from aisle.types import Array, Product

Doubles = NDArray[np.float64]
DATES = ("date_released", "release_date", "released", "date_added", "created_at", "published_at")
"""Attributes that say when a product came out; the first one that it has counts."""
_DAYS = 365.25


@dataclass(frozen=True, slots=True)
class RatingPrior:
    """What a product is taken to be before anybody rated it: ``weight`` ratings of the catalogue's ``mean``."""

    mean: float
    weight: float = 10.0


@dataclass(frozen=True, slots=True)
class ShopperContext:
    """What is known of who asks.

    Attributes:
        viewed: ``(m, dim)`` unit vectors of the products viewed lately; m may be 0.
        brands: Their brands, one each.
        price_band: Lowest and highest price, above 0, that the shopper usually looks at.
    """

    viewed: Array
    brands: tuple[str, ...] = ()
    price_band: tuple[float, float] | None = None


# --- words ---------------------------------------------------------------------------------------------------


def coverage(asked: Sequence[str], tokens: Sequence[str]) -> float:
    """The share of the query's words among the tokens; NaN without a word."""
    there = set(tokens)
    return sum(token in there for token in asked) / len(asked) if asked else math.nan


def position(asked: Sequence[str], tokens: Sequence[str]) -> float:
    """Minus the logarithm of the place, from 1, of the first token that the query has; NaN where there is none."""
    wanted = set(asked)
    return next((-math.log(place) for place, token in enumerate(tokens, start=1) if token in wanted), math.nan)


# --- meaning -------------------------------------------------------------------------------------------------


def to_mean_of_first(scores: Doubles, vectors: Array, count: int) -> Doubles:
    """The cosine of each vector to the mean of those with the best scores, ``(n,)``: pseudo-relevance feedback.

    Rocchio, "Relevance Feedback in Information Retrieval" (1971), with the first results taken as relevant and without
    the query, whose own cosine is another feature.
    """
    mean = mean_of_first(scores, vectors, count)
    return np.full(len(vectors), np.nan) if mean is None else np.asarray(vectors @ mean)


def mean_of_first(scores: Doubles, vectors: Array, count: int) -> Doubles | None:
    """The mean of the vectors with the best scores, ``(dim,)`` of length 1; None where there is none.

    Rows of ``vectors`` that are not finite do not count.
    """
    known = np.flatnonzero(np.isfinite(vectors).all(axis=1)) if vectors.shape[1] else np.empty(0, np.intp)
    order = known[np.argsort(-scores[known], kind="stable")][:count]
    if not len(order):
        return None
    mean = vectors[order].mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length) if length > 0 else None


# --- agreement -----------------------------------------------------------------------------------------------


def agreement(
    text: str, constraints: Sequence[Constraint], products: Sequence[Product], segment: Segmenter
) -> dict[str, Any]:
    """How each product agrees with what the query demands, and with the words of its brand and category."""
    found: dict[str, Any] = {}
    judged = [[verdict(constraint, product) for constraint in constraints] for product in products]
    total = sum(constraint.certainty for constraint in constraints)
    for status, name in (("satisfied", "satisfied"), ("contradicted", "contradicted")):
        found[name] = [
            sum(item.constraint.certainty for item in row if item.status == status) / total if total else math.nan
            for row in judged
        ]
    signs = {"satisfied": 1.0, "contradicted": -1.0, "unknown": 0.0}
    asked = set(segment.query_tokens(text))
    for name, kind in (("brand", "brand"), ("category", "category"), ("price:fit", "price")):
        if any(constraint.kind == kind for constraint in constraints):
            found[name] = [
                sum(item.constraint.certainty * signs[item.status] for item in row if item.constraint.kind == kind)
                for row in judged
            ]
    found.setdefault("brand", [_brand_named(asked, product, segment) for product in products])
    found.setdefault("category", [_category_named(asked, product, segment) for product in products])
    return found


def _brand_named(asked: set[str], product: Product, segment: Segmenter) -> float:
    tokens = segment.query_tokens(product.brand)
    return float(all(token in asked for token in tokens)) if tokens else math.nan


def _category_named(asked: set[str], product: Product, segment: Segmenter) -> float:
    tokens = set(segment.product_tokens(" ".join(product.category)))
    return len(asked & tokens) / len(asked) if asked and tokens else math.nan


# --- quality -------------------------------------------------------------------------------------------------


def quality(products: Sequence[Product], rating: RatingPrior | None) -> dict[str, Any]:
    """What a product is worth whatever was asked."""
    prices = [_price(product) for product in products]
    return {
        "rating": [shrunk(product.rating, product.rating_count, rating) for product in products],
        "popularity": [math.nan if p.rating_count is None else math.log1p(p.rating_count) for p in products],
        "available": [_available(product) for product in products],
        "freshness": [_released(product) for product in products],
        "price": [math.nan if price is None else math.log1p(max(price, 0.0)) for price in prices],
    }


def shrunk(rating: float | None, count: int | None, prior: RatingPrior | None) -> float:
    """The mean rating drawn towards the prior: ``(count * rating + weight * mean) / (count + weight)``.

    A rating without a count weighs as one; NaN without a rating.
    """
    if rating is None:
        return math.nan
    if prior is None:
        return rating
    many = 1 if count is None else max(count, 0)
    return (many * rating + prior.weight * prior.mean) / (many + prior.weight)


def prior_of(products: Sequence[Product]) -> RatingPrior | None:
    """The prior of a shop: the mean of the products' ratings; None where none is rated."""
    ratings = [product.rating for product in products if product.rating is not None]
    return RatingPrior(math.fsum(ratings) / len(ratings)) if ratings else None


def _price(product: Product) -> float | None:
    """Its own, else its cheapest offer's."""
    found = field_values(product, "price")
    return float(found[0]) if found else None


def _available(product: Product) -> float:
    found = field_values(product, "available")
    return float(bool(found[0])) if found else math.nan


def _released(product: Product) -> float:
    """In years; a bare year is its beginning."""
    for name in DATES:
        value = product.attributes.get(name)
        if value is None or isinstance(value, tuple | bool):
            continue
        text = f"{value:.0f}" if isinstance(value, float | int) else value.strip()
        try:
            day = dt.date.fromisoformat(f"{text}-01-01" if len(text) == 4 else text[:10])
        except ValueError:
            continue
        return day.toordinal() / _DAYS
    return math.nan


# --- shopper -------------------------------------------------------------------------------------------------


def shopper(context: ShopperContext | None, products: Sequence[Product], vectors: Array) -> dict[str, Any]:
    """How near each product is to what the shopper looked at; nothing where nothing is known."""
    found: dict[str, Any] = {}
    if context is None:
        return found
    if len(context.viewed) and vectors.shape[1] == context.viewed.shape[1]:
        found["views"] = (vectors @ context.viewed.T).max(axis=1)
    if context.brands:
        seen = [brand.casefold() for brand in context.brands]
        found["views:brand"] = [
            seen.count(product.brand.casefold()) / len(seen) if product.brand else math.nan for product in products
        ]
    if context.price_band is not None:
        found["price:band"] = [_outside(_price(product), *context.price_band) for product in products]
    return found


def _outside(price: float | None, low: float, high: float) -> float:
    """0 inside the band, minus the logarithm of the ratio to its nearer end outside; NaN without a price above 0."""
    if price is None or not price > 0:
        return math.nan
    return min(0.0, math.log(price / low), math.log(high / price))
