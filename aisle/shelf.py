"""The products of one search, each fetched once however many stages read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aisle.types import Array, Index, Product, Record

TEXT = "text"
"""The name of the vector of a product's text."""


class Shelf:
    """Fetches from an index what is asked for and not there yet."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._records: dict[str, Record | None] = {}

    def records(self, ids: Iterable[str]) -> Mapping[str, Record]:
        """Products with their vectors, by id, as `products`."""
        return self._found(ids)

    def products(self, ids: Iterable[str]) -> dict[str, Product]:
        """By id, in the order asked for; what another process has deleted since is absent."""
        return {product_id: record.product for product_id, record in self._found(ids).items()}

    def page(self, ids: Sequence[str]) -> dict[str, Product]:
        """As `products`, for those that are only shown: of what is not there yet, vectors are not fetched."""
        fresh = [product_id for product_id in ids if product_id not in self._records]
        shown = dict(zip(fresh, self._index.get(fresh), strict=True)) if fresh else {}
        known = ((product_id, self._records.get(product_id)) for product_id in ids)
        shown |= {product_id: record.product for product_id, record in known if record is not None}
        return {product_id: product for product_id in ids if (product := shown.get(product_id)) is not None}

    def vectors(self, ids: Iterable[str]) -> dict[str, Array]:
        """The vectors of their texts, ``(dim,)`` of length 1, by id."""
        return {product_id: record.vectors[TEXT] for product_id, record in self._found(ids).items()}

    def _found(self, ids: Iterable[str]) -> Mapping[str, Record]:
        wanted = list(ids)
        fresh = [product_id for product_id in wanted if product_id not in self._records]
        if fresh:
            self._records |= dict.fromkeys(fresh) | dict(self._index.stored(fresh))
        known = ((product_id, self._records[product_id]) for product_id in wanted)
        return {product_id: record for product_id, record in known if record is not None}
