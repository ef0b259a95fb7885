"""What a person should know about a file before trusting the result: prices that look like cents, no ids, ...

Knows rows and columns, changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from aisle.catalogue.columns import ColumnMap
from aisle.catalogue.rows import Row
from aisle.catalogue.source import Source
from aisle.catalogue.values import is_missing, to_price
from aisle.config import CatalogueSettings

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,12})?")


def numeric_columns(sample: Sequence[Row]) -> frozenset[str]:
    """Columns of a text file that hold only plain numbers (no leading zeros) in the sampled rows."""
    good: dict[str, bool] = {}
    for row in sample:
        for name, value in (row.values or {}).items():
            if is_missing(value):
                continue
            good[name] = good.get(name, True) and _NUMBER.fullmatch(str(value).strip()) is not None
    return frozenset(name for name, numeric in good.items() if numeric)


def file_hints(source: Source, columns: ColumnMap, settings: CatalogueSettings, sample: Sequence[Row]) -> Iterator[str]:
    """Hints, one line each."""
    if source.notes.truncated:
        yield f"{source.notes.truncated}: the catalogue is not complete"
    if source.notes.redecoded_lines:
        yield f"{source.notes.redecoded_lines:,} lines are not {source.encoding} and were decoded by themselves"
    cleaned_before = bool(sample) and "schema" in (sample[0].values or {})
    if cleaned_before:
        return
    if columns.column("id") is None:
        yield "no id column: ids are row-N, N the line number; name one with --column id=COLUMN"
    for target, column, taken in columns.losers:
        yield f"column {column!r} could be the {target} too, but {taken!r} is; {column!r} is an attribute"
    if settings.price_unit == "major" and _look_minor(columns, sample):
        yield (
            "prices look like minor units (whole numbers that mostly end in 95, 99 or 00); they are read at face value;"
            ' if they are cents, use --price-unit minor or price_unit = "minor"'
        )


def _look_minor(columns: ColumnMap, sample: Sequence[Row]) -> bool:
    column = columns.column("price")
    if column is None or columns.price_in_cents:
        return False
    prices = [to_price(row.values.get(column))[0] for row in sample if row.values]
    known = [price for price in prices if price]
    if len(known) < 20 or any(price != int(price) for price in known):
        return False
    typical = sum(int(price) % 100 in {95, 99, 0, 90, 98} for price in known)
    return typical >= 0.8 * len(known) and sorted(known)[len(known) // 2] >= 500
