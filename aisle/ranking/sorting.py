"""Order products by their fields. Knows products and sort keys, not how they were found."""

from __future__ import annotations

from collections.abc import Sequence

from aisle.filters import field_values
from aisle.types import Product, Sort


def order_by(products: Sequence[Product], sorts: Sequence[Sort]) -> list[Product]:
    """Sort products; those without a field come last in either direction, ties go by id.

    Numbers sort before text where a field holds both; text sorts without case.
    """
    ordered = sorted(products, key=lambda product: product.id)
    for sort in reversed(sorts):
        keyed = [(_key(product, sort), product) for product in ordered]
        present = [item for item in keyed if item[0] is not None]
        missing = [product for key, product in keyed if key is None]
        present.sort(key=lambda item: item[0] or (0, 0.0, ""), reverse=sort.descending)
        ordered = [product for _, product in present] + missing
    return ordered


def _key(product: Product, sort: Sort) -> tuple[int, float, str] | None:
    values = field_values(product, sort.field)
    if not values:
        return None
    keys = [(0, float(v), "") if isinstance(v, int | float) else (1, 0.0, v.casefold()) for v in values]
    return max(keys) if sort.descending else min(keys)
