"""What the search page's address asks for, and addresses that ask for a little else. Knows no HTTP and no engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from aisle.filters import parse_sort
from aisle.filters.fields import CATEGORY_SEPARATOR
from aisle.types import MODES, And, Compare, Filter, In, Mode, Or, SearchRequest, Sort, Under

SORTS = ("", "price", "price:desc", "rating:desc")
"""Relevance first."""
PREFIX = "f."
"""Stands before a facet's field in the address."""
MAX_QUERY = 2_000
MAX_VALUES = 50
MAX_PAGE = 1_000


@dataclass(frozen=True)
class Wanted:
    """A search as the page's address says it.

    Attributes:
        query: As it was typed.
        mode: Words, meaning or both.
        sort: One of `SORTS`.
        low: The least price, as typed.
        high: The highest price, as typed.
        chosen: Facet to the values chosen.
        page: From 1.
    """

    query: str = ""
    mode: Mode = "hybrid"
    sort: str = ""
    low: str = ""
    high: str = ""
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    page: int = 1

    @classmethod
    def read(cls, given: Iterable[tuple[str, str]], facets: Sequence[str]) -> Wanted:
        """Read an address; what cannot be meant is passed over, as a page should do."""
        found: dict[str, list[str]] = {}
        for name, value in given:
            found.setdefault(name, []).append(value)
        first = {name: values[0] for name, values in found.items()}
        mode: Mode = next((mode for mode in MODES if mode == first.get("mode")), "hybrid")
        page = first.get("page", "")
        chosen = {one: tuple(dict.fromkeys(found.get(PREFIX + one, ())))[:MAX_VALUES] for one in facets}
        return cls(
            query=first.get("q", "")[:MAX_QUERY],
            mode=mode,
            sort=first.get("sort", "") if first.get("sort") in SORTS else "",
            low=first.get("min", "").strip()[:20],
            high=first.get("max", "").strip()[:20],
            chosen={name: values for name, values in chosen.items() if values},
            page=min(max(1, int(page)), MAX_PAGE) if page.isdecimal() and len(page) < 9 else 1,
        )

    @property
    def wrong_prices(self) -> list[str]:
        """Prices that are no numbers."""
        return [text for text in (self.low, self.high) if text and _number(text) is None]

    @property
    def filter(self) -> Filter | None:
        """What products must be."""
        parts: list[Filter] = [_any_of(name, values) for name, values in self.chosen.items()]
        low, high = _number(self.low), _number(self.high)
        parts += [Compare("price", ">=", low)] if low is not None else []
        parts += [Compare("price", "<=", high)] if high is not None else []
        return And(tuple(parts)) if parts else None

    def request(self, products: int) -> SearchRequest:
        """The search of a page of so many products."""
        order: tuple[Sort, ...] = tuple(parse_sort(self.sort)) if self.sort else ()
        offset = (self.page - 1) * products
        return SearchRequest(self.query, self.filter, order, offset, products, self.mode)

    def address(self, path: str = "/", **changes: Any) -> str:
        """The address of this search, changed a little; back on its first page unless that is what changes."""
        other = replace(self, **{"page": 1, **changes})
        given = [
            ("q", other.query),
            ("mode", other.mode if other.mode != "hybrid" else ""),
            ("sort", other.sort),
            ("min", other.low),
            ("max", other.high),
            *((PREFIX + name, value) for name, values in other.chosen.items() for value in values),
            ("page", str(other.page) if other.page > 1 else ""),
        ]
        query = urlencode([(name, value) for name, value in given if value], errors="replace")
        return f"{path}?{query}" if query else path

    def without(self, name: str, value: str) -> str:
        """The address without one value of a facet."""
        kept = {field: tuple(v for v in values if (field, v) != (name, value)) for field, values in self.chosen.items()}
        return self.address(chosen={field: values for field, values in kept.items() if values})


def _any_of(name: str, values: tuple[str, ...]) -> Filter:
    if name == "category":
        return Or(tuple(Under(tuple(part for part in value.split(CATEGORY_SEPARATOR))) for value in values))
    if name == "available":
        return In(name, tuple(value == "true" for value in values))
    return In(name, values)


def _number(text: str) -> float | None:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if 0 <= number < 1e12 else None
