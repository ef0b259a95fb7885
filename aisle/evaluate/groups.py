"""Which brand, seller and price band each product of a catalogue belongs to, for looking at exposure.

Knows products and their fields only.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from aisle.errors import MetricError
from aisle.filters.fields import field_values, fold, value_key
from aisle.types import Product

BANDS = 4
NONE = "(none)"
"""The group of products that say nothing of a kind."""


def groups_of(
    products: Iterable[Product], bands: int = BANDS, seller_field: str = "seller"
) -> dict[str, dict[str, str]]:
    """Group a catalogue's products; a kind that no product has a value for is left out.

    Args:
        products: The whole catalogue: price bands are its quantiles, within each currency.
        bands: How many price bands.
        seller_field: Where the seller stands, as in a filter.

    Returns:
        "brand", "seller" and "price" to product id to group, for every product. Names are those of the group's first.

    Raises:
        MetricError: There is less than one band.
    """
    if bands < 1:
        raise MetricError(f"{bands} price bands", allowed="1 or more")
    brands: dict[str, str] = {}
    sellers: dict[str, str] = {}
    names: dict[str, str] = {}
    prices: dict[str, dict[str, float]] = {}
    every: list[str] = []
    for product in products:
        every.append(product.id)
        if product.brand.strip():
            brands[product.id] = names.setdefault("b" + fold(product.brand), product.brand.strip())
        if found := field_values(product, seller_field):
            sellers[product.id] = names.setdefault("s" + value_key(found[0]), str(found[0]).strip())
        for price in field_values(product, "price"):
            currency = next(iter(field_values(product, "currency")), "")
            prices.setdefault(str(currency), {})[product.id] = float(price)
    banded: dict[str, str] = {}
    for currency, own in sorted(prices.items()):
        banded |= _banded(own, bands, f"{currency} " if currency else "")
    kinds = {"brand": brands, "seller": sellers, "price": banded}
    return {kind: dict.fromkeys(every, NONE) | own for kind, own in kinds.items() if own}


def _banded(prices: dict[str, float], bands: int, prefix: str) -> dict[str, str]:
    """Bands with equally many products, as far as equal prices allow; an edge belongs to the band below it."""
    values = np.array(list(prices.values()))
    edges = (
        np.unique(np.quantile(values, np.arange(1, bands) / bands, method="inverted_cdf")) if bands > 1 else values[:0]
    )
    edges = edges[edges < values.max()]
    labels = [
        f"{prefix}up to {_money(edges[0])}" if len(edges) else f"{prefix}any price",
        *(f"{prefix}{_money(low)} to {_money(high)}" for low, high in pairwise(edges)),
        *([f"{prefix}above {_money(edges[-1])}"] if len(edges) else []),
    ]
    places = np.searchsorted(edges, values, side="left")
    return {product: labels[place] for product, place in zip(prices, places, strict=True)}


def _money(value: float) -> str:
    return f"{value:,.2f}".removesuffix(".00")
