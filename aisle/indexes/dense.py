"""Nearest vectors by cosine. Knows the table, not requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aisle.errors import RequestError
from aisle.indexes.bm25 import Ranked
from aisle.indexes.schema import VECTOR, vectors_of
from aisle.indexes.snapshot import Mask, Snapshot
from aisle.indexes.sql import one_of
from aisle.types import Array

EXACT_ROWS = 500_000
"""Up to this many rows, and with a filter always, every partition is searched, so that the answer is exact.

300,000 vectors of 384 numbers take 38 ms so; probing fewer saves half of that and loses 1 in 100 (docs/index.md).
"""

PARTITION_ROWS = 1_000
PROBED = 0.3
"""The share of partitions that an unfiltered search of a larger table looks into."""

ALL_PARTITIONS = 1_000_000

MIN_INDEXED = 5_000
"""Below this many rows a plain scan is as quick as an index."""


def nearest(
    table: Any,
    name: str,
    vector: Array,
    where: str | None,
    many: tuple[int, int],
    snapshot: Snapshot | None,
    within: Mask | None,
) -> Ranked:
    """The products with the highest cosine, ties by id.

    Args:
        table: A LanceDB table whose vectors have length 1.
        name: Which of the named vectors.
        vector: ``(dim,)``, of length 1.
        where: A condition that every product found meets.
        many: How many products; and how many rows meet the condition, without a condition all.
        snapshot: Of the table; None asks LanceDB.
        within: The rows of the snapshot that meet the condition; None: all.
    """
    candidates = many[1]
    limit = min(many)
    if limit < 1:
        return []
    if snapshot is not None:
        return snapshot.nearest(name, check_vector(snapshot.dims, name, vector), limit, within)
    query = check_vector(_dims(table), name, vector)
    search = (
        table.search(query, vector_column_name=VECTOR + name, query_type="vector")
        .distance_type("dot")  # 1 - dot; equals the cosine for vectors of length 1, without computing lengths
        .limit(min(limit + 20, candidates))  # a little more, so that ties at the cut are cut by id
    )
    if where:
        search = search.where(where, prefilter=True)
    exact = where is not None or candidates <= EXACT_ROWS
    search = search.nprobes(ALL_PARTITIONS if exact else int(candidates / PARTITION_ROWS * PROBED))
    found = search.select(["id", "_distance"]).to_arrow()
    pairs = sorted(zip(found["_distance"].to_pylist(), found["id"].to_pylist(), strict=True))
    return [(product_id, 1.0 - distance) for distance, product_id in pairs[:limit]]


def cosines(table: Any, name: str, vector: Array, ids: Sequence[str]) -> dict[str, float]:
    """The cosine of these products' vectors with a query vector, exactly."""
    query = check_vector(_dims(table), name, vector)
    column = VECTOR + name
    found = table.search().where(one_of("id", ids)).select(["id", column]).limit(len(ids)).to_arrow()
    none = np.zeros(len(query), np.float32)
    matrix = np.array([none if row is None else row for row in vectors_of(found[column])], np.float32)
    return dict(zip(found["id"].to_pylist(), (matrix.reshape(-1, len(query)) @ query).tolist(), strict=True))


def check_vector(dims: Mapping[str, int], name: str, vector: Array) -> Array:
    """The query vector, if there are vectors of this name and length.

    Args:
        dims: Names and lengths.
        name: Which of them.
        vector: Of a query.

    Raises:
        RequestError: There are none.
    """
    length = dims.get(name)
    if length is None:
        raise RequestError(f"the index has no vectors called {name!r}", allowed=", ".join(dims) or "none")
    if vector.shape != (length,):
        raise RequestError(f"the query vector {name!r} has shape {vector.shape}", allowed=f"({length},)")
    return np.asarray(vector, np.float32)


def _dims(table: Any) -> dict[str, int]:
    return {field.name[len(VECTOR) :]: field.type.list_size for field in table.schema if field.name.startswith(VECTOR)}
