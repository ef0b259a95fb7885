"""The products whose meaning is nearest to one's. Knows an index, no HTTP."""

from __future__ import annotations

from aisle.indexes.lance import LanceIndex
from aisle.types import And, Compare, Filter, Not, Product, SearchRequest


def similar_to(
    index: LanceIndex, product_id: str, k: int, wanted: Filter | None = None, *, same_family: bool = False
) -> list[tuple[Product, float]] | None:
    """Products with their cosines, nearest first, without the product itself; None where there is no such product.

    Args:
        index: Of the catalogue.
        product_id: Whose neighbours.
        k: At most so many.
        wanted: They pass it.
        same_family: Whether its own variants may be among them.
    """
    record = index.stored([product_id]).get(product_id)
    if record is None:
        return None
    out: Filter = Compare("id", "=", product_id)
    if not same_family and record.product.family:
        out = Compare("family", "=", record.product.family)
    parts = (Not(out), Not(Compare("id", "=", product_id)), *([wanted] if wanted is not None else []))
    asked = SearchRequest(record.product.title or product_id, And(parts), mode="dense")
    cosines = dict(index.search(asked, record.vectors, k).lists["dense:text"])
    return [(product, cosines[product.id]) for product in index.get(list(cosines)) if product is not None]
