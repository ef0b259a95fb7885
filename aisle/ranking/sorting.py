"""Order products by their fields. Knows products and sort keys, not how they were found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aisle.filters import field_values
from aisle.types import Part, Product, Sort, Stage

_SURE = ("relevance", "identifier", "compatible", "category")


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


def worth_sorting(parts: Mapping[Stage, Part], nearest: int) -> bool:
    """Whether a product that a query found belongs in a list by fields.

    Every product has some cosine: sorted by price, the cheapest of a thousand neighbours is no answer. So it must have
    the query's words, pass a cut-off, be named (itself, its device, its category) or be among the nearest.

    Args:
        parts: Of the hit.
        nearest: So many first ones of any list count.
    """
    return any(
        stage.startswith("bm25") or stage in _SURE or (part.rank is not None and part.rank <= nearest)
        for stage, part in parts.items()
    )


def _key(product: Product, sort: Sort) -> tuple[int, float, str] | None:
    values = field_values(product, sort.field)
    if not values:
        return None
    keys = [(0, float(v), "") if isinstance(v, int | float) else (1, 0.0, v.casefold()) for v in values]
    return max(keys) if sort.descending else min(keys)
