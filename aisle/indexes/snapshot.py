"""What searches read again and again of one version of a small table, kept in memory.

LanceDB stays the store, applies filters, and answers alone where a table is large or has just changed. Of a small one a
question costs more to plan than to answer, so that products, vectors, words and identifiers are read from here. A
snapshot is of one version and never changes. Knows rows, no requests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aisle.indexes.schema import COUNTED, KEYED, TEXT, VECTOR, product_of
from aisle.indexes.words import Words
from aisle.order import Found, names_of
from aisle.types import Array, Product, Record

MAX_ROWS = 50_000
"""A larger table is read from disk: 50,000 products with vectors of 384 numbers take about 200 MB."""
ROW = "_rowid"
Mask = NDArray[np.bool_]
_FACETS = frozenset((*COUNTED, "category", "labels", *(f"{name}_key" for name in KEYED)))
"""Columns whose values are counted."""


class Snapshot:
    """The rows of one version.

    Args:
        version: Of the table.
        table: Its rows with their numbers.
        folded: Whether all rows are in LanceDB's word indexes: those that are not it scores by statistics of their own.
    """

    def __init__(self, version: object, table: pa.Table, *, folded: bool) -> None:
        self.version, self.folded = version, folded
        ids: list[str] = table["id"].to_pylist()
        table = table.take(sorted(range(len(ids)), key=ids.__getitem__))  # so that equal scores in order are so by id
        self._numbers = np.asarray(table[ROW].combine_chunks(), np.uint64)
        self._by_number = np.argsort(self._numbers, kind="stable")
        self.names = names_of(ids)
        self._places = {product_id: place for place, product_id in enumerate(self.names.tolist())}
        self._products, self._hashes = table["product"].combine_chunks(), table["text_hash"].combine_chunks()
        self._vectors = {
            name[len(VECTOR) :]: _matrix(table[name]) for name in table.schema.names if name.startswith(VECTOR)
        }
        self._columns = {name: table[name].combine_chunks() for name in table.schema.names if name in _FACETS}
        self._carriers = _Carriers(table["keys"].combine_chunks())
        self.words = Words.of(table)

    @staticmethod
    def columns(schema: pa.Schema) -> list[str]:
        """What is read of a table."""
        own = [name for name in schema.names if name.startswith((TEXT, VECTOR)) or name in _FACETS]
        return ["product", "text_hash", "keys", *own]

    @property
    def size(self) -> int:
        """How many products there are."""
        return len(self.names)

    def among(self, numbers: Any) -> Mask | None:
        """Which rows have these numbers, ``(size,)``; None if a number is not of this version."""
        asked = np.asarray(numbers, np.uint64)
        found = np.zeros(self.size, np.bool_)
        if not len(asked):
            return found
        if not self.size:
            return None
        at = np.searchsorted(self._numbers, asked, sorter=self._by_number)
        places = self._by_number[np.minimum(at, self.size - 1)]
        if not np.array_equal(self._numbers[places], asked):
            return None
        found[places] = True
        return found

    def cosines(self, name: str, vector: Array) -> Array:
        """Of every row with a vector of length 1, ``(size,)``; -inf where a row has no vector of this name."""
        rows, there = self._vectors[name]
        found: Array = rows @ vector
        found[~there] = -np.inf
        return found

    def best(self, scores: Array, depth: int, within: Mask | None) -> Found:
        """The products with the highest scores; what has -inf is none.

        Args:
            scores: ``(size,)``.
            depth: So many at most.
            within: Which rows may be among them; None: all.
        """
        if within is not None:
            scores = np.where(within, scores, -np.inf)
        least = np.partition(scores, -depth)[-depth] if 0 < depth < len(scores) else -np.inf
        rows = np.flatnonzero((scores >= least) & (scores > -np.inf))
        return Found.best(self.names, rows, scores[rows], depth)

    def carriers(self, key: str, within: Mask | None) -> list[str]:
        """The ids of products that carry an identifier, sorted."""
        rows = self._carriers.of(key)
        return [self.names[row] for row in rows if within is None or within[row]]

    def place(self, product_id: str) -> int | None:
        """The row of a product."""
        return self._places.get(product_id)

    def holding(self, ids: Iterable[str]) -> Mask:
        """Which rows have these ids; ids that are not there are ignored."""
        found = np.zeros(self.size, np.bool_)
        found[[place for product_id in ids if (place := self._places.get(product_id)) is not None]] = True
        return found

    def column(self, name: str, within: Mask | None) -> Any:
        """A column whose values are counted, as one Arrow array."""
        column = self._columns[name]
        return column if within is None else column.filter(pa.array(within))

    def product(self, product_id: str) -> Product | None:
        """A product as it is stored."""
        place = self._places.get(product_id)
        return None if place is None else product_of(self._products[place].as_py())

    def record(self, product_id: str) -> Record | None:
        """A product with its vectors, which are not to be written to."""
        place = self._places.get(product_id)
        if place is None:
            return None
        own = {name: rows[place] for name, (rows, there) in self._vectors.items() if there[place]}
        return Record(product_of(self._products[place].as_py()), self._hashes[place].as_py(), own)


class _Carriers:
    """Which rows carry an identifier.

    Args:
        keys: Of each row a list.
    """

    def __init__(self, keys: pa.ListArray) -> None:
        coded = keys.flatten().dictionary_encode()
        codes = np.asarray(coded.indices, np.int64)
        order = np.argsort(codes, kind="stable")
        self._rows = np.asarray(pc.list_parent_indices(keys), np.int64)[order]
        self._places = {key: place for place, key in enumerate(coded.dictionary.to_pylist())}
        self._starts = np.searchsorted(codes[order], np.arange(len(self._places) + 1))

    def of(self, key: str) -> Iterable[int]:
        place = self._places.get(key)
        if place is None:
            return ()
        found: list[int] = np.unique(self._rows[self._starts[place] : self._starts[place + 1]]).tolist()
        return found


def _matrix(column: pa.ChunkedArray) -> tuple[Array, Mask]:
    """The vectors of a column, ``(n, dim)`` float32, and which rows have one."""
    lists = column.combine_chunks()
    there = np.asarray(lists.is_valid())
    rows = np.zeros((len(lists), lists.type.list_size), np.float32)
    rows[there] = np.asarray(lists.flatten(), np.float32).reshape(-1, lists.type.list_size)
    rows.flags.writeable = False
    return rows, there
