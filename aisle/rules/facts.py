"""What a catalogue says to rules: which products exist and how many pass a filter, each asked once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from aisle.errors import FilterError
from aisle.filters import matches
from aisle.rules.active import forbidden_filter
from aisle.rules.rule import Safety
from aisle.types import And, Filter, Not, Product


class Catalogue(Protocol):
    """What a check asks of a catalogue; an `aisle.types.Index` meets it."""

    def count(self, filter: Filter | None = None) -> int:
        """How many products pass the filter; refuses one on an attribute that no product has."""
        ...

    def get(self, ids: Sequence[str]) -> tuple[Product | None, ...]:
        """The products in the order asked for; None where there is none."""
        ...


class Facts:
    """A catalogue's answers, remembered.

    Args:
        catalogue: Whom to ask.
        safety: What is forbidden.
        ids: Every product that will be asked for.
    """

    def __init__(self, catalogue: Catalogue, safety: Safety, ids: Iterable[str]) -> None:
        self._catalogue = catalogue
        self._forbidden = forbidden_filter(safety)
        self._counts: dict[Filter, int | FilterError] = {}
        wanted = list(dict.fromkeys(ids))
        found = zip(wanted, catalogue.get(wanted), strict=True) if wanted else ()
        self._products = {product_id: product for product_id, product in found if product is not None}

    def product(self, product_id: str) -> Product | None:
        """A product, if the catalogue has it."""
        return self._products.get(product_id)

    def forbidden(self, product: Product) -> bool:
        """Whether the safety list forbids it."""
        return matches(self._forbidden, product)

    def count(self, filter: Filter) -> int | FilterError:
        """How many products pass a filter, or why the catalogue refuses it."""
        if filter not in self._counts:
            try:
                self._counts[filter] = self._catalogue.count(filter)
            except FilterError as error:
                self._counts[filter] = error
        return self._counts[filter]

    def count_allowed(self, filter: Filter) -> int | FilterError:
        """The same of the products that the safety list does not forbid."""
        return self.count(And((filter, Not(self._forbidden))))
