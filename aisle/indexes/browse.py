"""Products in the order of their fields, without a query. Knows the table, not requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from aisle.filters.fields import BOOL_FIELDS, NUMBER_FIELDS, resolve, value_key
from aisle.indexes.bm25 import Ranked
from aisle.indexes.schema import SEPARATOR, label_prefix
from aisle.types import Sort


def browse(table: Any, sorts: Sequence[Sort], where: str | None, depth: int) -> Ranked:
    """The first products by the sort order, then id; products without a field last in either direction.

    The score is minus the number of products before, since there is nothing to score.
    """
    if depth < 1:
        return []
    if any(resolve(sort.field)[0] for sort in sorts):
        ids = _by_attributes(table, sorts, where)[:depth]
    else:
        ids = _by_columns(table, sorts, where, depth)
    return [(product_id, 0.0 - place) for place, product_id in enumerate(ids)]


def _by_columns(table: Any, sorts: Sequence[Sort], where: str | None, depth: int) -> list[str]:
    from lancedb.query import ColumnOrdering

    keys = [(_column(sort.field), not sort.descending) for sort in sorts] + [("id", True)]
    first = dict(reversed(keys))  # a column that comes again orders nothing more
    order = [ColumnOrdering(column_name=c, ascending=first[c], nulls_first=False) for c in dict.fromkeys(dict(keys))]
    search = table.search().select(list(first)).order_by(order).limit(depth)
    found: list[str] = (search.where(where) if where else search).to_arrow()["id"].to_pylist()
    return found


def _column(name: str) -> str:
    return name if name in {"id", *NUMBER_FIELDS, *BOOL_FIELDS} else f"{name}_key"


def _by_attributes(table: Any, sorts: Sequence[Sort], where: str | None) -> list[str]:
    """Sort in memory: attributes have no columns of their own."""
    own = [_column(sort.field) for sort in sorts if not resolve(sort.field)[0]]
    columns = list(dict.fromkeys(["id", *own, "labels"]))
    search = table.search().select(columns)
    found = (search.where(where) if where else search).to_arrow().combine_chunks()
    ids = found["id"].to_pylist()
    order = sorted(range(len(ids)), key=ids.__getitem__)
    for sort in reversed(sorts):
        attribute, name = resolve(sort.field)
        keys = _attribute_keys(found, name, sort.descending) if attribute else _column_keys(found, _column(name))
        present = [row for row in order if keys[row] is not None]
        missing = [row for row in order if keys[row] is None]
        order = sorted(present, key=lambda row: keys[row] or (0, 0.0, ""), reverse=sort.descending) + missing
    return [ids[row] for row in order]


def _column_keys(found: pa.Table, column: str) -> list[tuple[int, float, str] | None]:
    return [
        None if value is None else (1, 0.0, value) if isinstance(value, str) else (0, float(value), "")
        for value in found[column].to_pylist()
    ]


def _attribute_keys(found: pa.Table, name: str, descending: bool) -> list[tuple[int, float, str] | None]:
    """Numbers before text; of several values the largest when descending, else the smallest."""
    keys: list[tuple[int, float, str] | None] = [None] * found.num_rows
    labels = found["labels"].combine_chunks()
    prefix = label_prefix(name)
    mine = pc.starts_with(labels.flatten(), prefix)
    rows = pc.list_parent_indices(labels).filter(mine).to_pylist()
    for row, label in zip(rows, labels.flatten().filter(mine).to_pylist(), strict=True):
        shown = label[len(prefix) :]
        key = _number_key(shown[1:]) if shown.startswith(SEPARATOR) else (1, 0.0, value_key(shown))
        old = keys[row]
        keys[row] = key if old is None else max(old, key) if descending else min(old, key)
    return keys


def _number_key(text: str) -> tuple[int, float, str]:
    return (0, float({"true": 1, "false": 0}.get(text, text)), "")
