"""What to say of a filter on an attribute that no product has. Knows names, not the table."""

from __future__ import annotations

from collections.abc import Iterable

from aisle.errors import FilterError
from aisle.filters.fields import PRODUCT_FIELDS
from aisle.indexes.schema import SEPARATOR


def unknown_attribute(name: str, labels: Iterable[list[str]]) -> FilterError:
    """The error, with the names that look alike.

    Args:
        name: What was asked for.
        labels: Every product's attribute labels, as `aisle.indexes.schema` writes them.
    """
    from rapidfuzz import fuzz, process

    names: set[str] = set(PRODUCT_FIELDS)
    for found in labels:
        names.update(label[1:].partition(SEPARATOR)[0] for label in found)
    alike = process.extract(name, sorted(names), scorer=fuzz.WRatio, processor=str.casefold, limit=5)
    close = ", ".join(other for other, score, _ in alike if score >= 60)
    return FilterError(
        f"no product has an attribute {name!r}",
        allowed=f"for example {close}" if close else ", ".join(PRODUCT_FIELDS),
        fix="correct the name, or leave the condition out",
    )
