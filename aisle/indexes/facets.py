"""Counts of field values over the products that pass a filter. Knows the table, not requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow.compute as pc

from aisle.filters.fields import BOOL_FIELDS, CATEGORY_SEPARATOR, NUMBER_FIELDS, path_key, resolve, value_key
from aisle.indexes.schema import SEPARATOR, label_prefix
from aisle.indexes.sql import has_any
from aisle.types import And, Compare, Exists, FacetValue, Filter, In, Not, Or, Under


def without_field(filter: Filter | None, field: str) -> Filter | None:
    """The filter without those parts of its top-level AND that ask for this field only."""
    if filter is None:
        return None
    parts = filter.parts if isinstance(filter, And) else (filter,)
    kept = tuple(part for part in parts if {resolve(name) for name in fields_of(part)} != {resolve(field)})
    return And(kept) if kept else None


def fields_of(filter: Filter) -> set[str]:
    """The fields that a filter asks for."""
    match filter:
        case And(parts) | Or(parts):
            return set().union(*(fields_of(part) for part in parts))
        case Not(part):
            return fields_of(part)
        case Under():
            return {"category"}
        case Exists(field) | In(field, _) | Compare(field, _, _):
            return {field}


def count_values(table: Any, field: str, where: str | None, limit: int) -> tuple[FacetValue, ...]:
    """How many products carry each value of a field, most frequent first, ties by value.

    Values that differ in case or width only are one, shown as most products write it.
    """
    attribute, name = resolve(field)
    if attribute:
        counted = _attribute_counts(table, name, where)
        return _values(((value_key(shown), shown, count) for shown, count in counted.items()), limit)
    if name == "category":
        return _category_counts(table, where, limit)
    column = name if name in {"id", "brand", "currency", "family", *NUMBER_FIELDS, *BOOL_FIELDS} else f"{name}_key"
    counted = _column_counts(table, column, where)
    return _values(((shown if name == "id" else value_key(shown), shown, n) for shown, n in counted.items()), limit)


def _scan(table: Any, column: str, where: str | None) -> Any:
    search = table.search().select([column])
    return (search.where(where) if where else search).to_arrow()[column].combine_chunks()


def _column_counts(table: Any, column: str, where: str | None) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for pair in pc.value_counts(_scan(table, column, where)).to_pylist():
        value = pair["values"]
        if value is not None:
            counts[value if isinstance(value, str) else value_key(value)] += pair["counts"]
    return counts


def _attribute_counts(table: Any, name: str, where: str | None) -> dict[str, int]:
    prefix = label_prefix(name)
    has = has_any("tokens", [prefix])
    labels = _scan(table, "labels", f"({where}) AND {has}" if where else has)
    rows, flat = pc.list_parent_indices(labels), labels.flatten()
    mine = pc.starts_with(flat, prefix)
    per_row: dict[int, dict[str, str]] = {}
    for row, label in zip(rows.filter(mine).to_pylist(), flat.filter(mine).to_pylist(), strict=True):
        shown = label[len(prefix) :].removeprefix(SEPARATOR)
        per_row.setdefault(row, {}).setdefault(value_key(shown), shown)  # a product counts once for a value
    return Counter(shown for found in per_row.values() for shown in found.values())


def _category_counts(table: Any, where: str | None, limit: int) -> tuple[FacetValue, ...]:
    paths = Counter(map(tuple, _scan(table, "category", where).to_pylist()))
    return _values(
        (
            (CATEGORY_SEPARATOR.join(path_key(path[:depth])), CATEGORY_SEPARATOR.join(path[:depth]), count)
            for path, count in paths.items()
            for depth in range(1, len(path) + 1)
        ),
        limit,
    )


def _values(found: Iterable[tuple[str, str, int]], limit: int) -> tuple[FacetValue, ...]:
    """Add up ``(key, as shown, count)`` by key, keeping the most frequent spelling."""
    totals: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = {}
    for key, shown, count in found:
        totals[key] += count
        spellings.setdefault(key, Counter())[shown] += count
    values = [
        FacetValue(min(shown, key=lambda text: (-shown[text], text)), totals[key]) for key, shown in spellings.items()
    ]
    return tuple(sorted(values, key=lambda value: (-value.count, value.value))[:limit])
