"""Counts of field values over some products, in a table or in memory. Knows rows, not requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow.compute as pc

from aisle.filters.fields import CATEGORY_SEPARATOR, path_key, resolve, value_key
from aisle.indexes.schema import COUNTED, SEPARATOR, label_prefix
from aisle.indexes.snapshot import Mask, Snapshot
from aisle.indexes.sql import both, has_any
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


class Rows(Protocol):
    """The products that are counted."""

    def column(self, name: str, token: str | None = None) -> Any:
        """A column as one Arrow array; with a token, rows that lack it may be left out."""
        ...


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a table that meet a condition."""

    table: Any
    where: str | None

    def column(self, name: str, token: str | None = None) -> Any:
        """Read from disk."""
        where = both(self.where, has_any("tokens", [token])) if token else self.where
        search = self.table.search().select([name])
        return (search.where(where) if where else search).to_arrow()[name].combine_chunks()


@dataclass(frozen=True, slots=True)
class SnapshotRows:
    """Rows of a snapshot; None: all."""

    snapshot: Snapshot
    within: Mask | None

    def column(self, name: str, token: str | None = None) -> Any:
        """From memory."""
        return self.snapshot.column(name, self.within)


def count_values(rows: Rows, field: str, limit: int) -> tuple[FacetValue, ...]:
    """How many products carry each value of a field, most frequent first, ties by value.

    Values that differ in case or width only are one, shown as most products write it.
    """
    attribute, name = resolve(field)
    if attribute:
        counted = _attribute_counts(rows, name)
        return _values(((value_key(shown), shown, count) for shown, count in counted.items()), limit)
    if name == "category":
        return _category_counts(rows, limit)
    column = name if name in COUNTED else f"{name}_key"
    counted = _column_counts(rows, column)
    return _values(((shown if name == "id" else value_key(shown), shown, n) for shown, n in counted.items()), limit)


def _column_counts(rows: Rows, column: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for pair in pc.value_counts(rows.column(column)).to_pylist():
        value = pair["values"]
        if value is not None:
            counts[value if isinstance(value, str) else value_key(value)] += pair["counts"]
    return counts


def _attribute_counts(rows: Rows, name: str) -> dict[str, int]:
    prefix = label_prefix(name)
    labels = rows.column("labels", prefix)
    parents, flat = pc.list_parent_indices(labels), labels.flatten()
    mine = pc.starts_with(flat, prefix)
    per_row: dict[int, dict[str, str]] = {}
    for row, label in zip(parents.filter(mine).to_pylist(), flat.filter(mine).to_pylist(), strict=True):
        shown = label[len(prefix) :].removeprefix(SEPARATOR)
        per_row.setdefault(row, {}).setdefault(value_key(shown), shown)  # a product counts once for a value
    return Counter(shown for found in per_row.values() for shown in found.values())


def _category_counts(rows: Rows, limit: int) -> tuple[FacetValue, ...]:
    paths = Counter(map(tuple, rows.column("category").to_pylist()))
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
