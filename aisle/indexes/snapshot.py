"""What searches read again and again of one version of a small table, kept in memory.

LanceDB stays the store and finds and scores everything. What is kept here spares it questions that cost more to plan
than to answer: which product has a row number, what is stored of fifty products, whether anything has an identifier,
whether some product has two words together. A snapshot is of one version and never changes. Knows rows, no requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aisle.indexes.schema import TEXT, VECTOR, product_of
from aisle.types import Array, Product, Record

MAX_ROWS = 50_000
"""A larger table is read from disk: 50,000 products with vectors of 384 numbers take about 200 MB."""
ROW = "_rowid"


@dataclass(frozen=True)
class Words:
    """Which rows have a token in which field.

    Attributes:
        places: Of each token in ``starts``.
        starts: Where a token's rows begin in ``found``; one more says where the last one's end.
        found: ``field * rows + row``, ascending for each token.
        rows: How many the table has.
        fields: Numbered from 0.
    """

    places: dict[str, int]
    starts: NDArray[np.int64]
    found: NDArray[np.int32]
    rows: int
    fields: dict[str, int]

    @classmethod
    def of(cls, table: pa.Table) -> Words:
        """Read the columns that BM25 searches."""
        names = [name for name in table.schema.names if name.startswith(TEXT)]
        tokens, places = [], []
        for number, name in enumerate(names):
            lists = pc.split_pattern(table[name].combine_chunks(), " ")
            tokens.append(lists.flatten())
            places.append(np.asarray(pc.list_parent_indices(lists), np.int64) + number * table.num_rows)
        coded = pa.chunked_array(tokens, pa.string()).combine_chunks().dictionary_encode()
        many = max(1, len(names) * table.num_rows)
        codes = np.asarray(coded.indices, np.int64) * many + np.concatenate(places or [np.empty(0, np.int64)])
        codes = np.unique(codes)
        words = coded.dictionary.to_pylist()
        starts = np.searchsorted(codes // many, np.arange(len(words) + 1))
        fields = {name[len(TEXT) :]: number for number, name in enumerate(names)}
        return cls(
            {word: place for place, word in enumerate(words)},
            starts,
            (codes % many).astype(np.int32),
            table.num_rows,
            fields,
        )

    def together(self, tokens: Sequence[str], fields: Sequence[str]) -> bool:
        """Whether some product has all these tokens in one of the fields."""
        lists = [self._rows(token) for token in dict.fromkeys(tokens)]
        if not lists:
            return False
        shared, *others = sorted(lists, key=len)
        for other in others:
            if not len(shared):
                return False
            at = np.minimum(np.searchsorted(other, shared), len(other) - 1)
            shared = shared[other[at] == shared]
        numbers = {self.fields[field] for field in fields if field in self.fields}
        return len(numbers) > 0 and not numbers.isdisjoint(np.unique(shared // self.rows).tolist())

    def fields_of(self, tokens: Sequence[str], *, every: bool) -> frozenset[str]:
        """The fields in which some product has one of the tokens; with ``every`` those that have each of them."""
        found = [self._fields_with(token) for token in tokens]
        return frozenset.intersection(*found) if every else frozenset.union(*found)

    def _fields_with(self, token: str) -> frozenset[str]:
        rows = self._rows(token)
        bounds = np.searchsorted(rows, np.arange(len(self.fields) + 1) * self.rows)
        return frozenset(field for field, number in self.fields.items() if bounds[number] < bounds[number + 1])

    def _rows(self, token: str) -> NDArray[np.int32]:
        place = self.places.get(token)
        if place is None:
            return self.found[:0]
        return self.found[self.starts[place] : self.starts[place + 1]]


class Snapshot:
    """The rows of one version.

    Args:
        version: Of the table.
        table: Its rows with their numbers, as `read` asks for them.
    """

    def __init__(self, version: object, table: pa.Table) -> None:
        self.version = version
        numbers = np.asarray(table[ROW].combine_chunks(), np.uint64)
        order = np.argsort(numbers, kind="stable")
        self._numbers = numbers[order]
        self._ids: list[str] = table["id"].to_pylist()
        self._ids_by_number = np.array(self._ids, object)[order]
        self._places = {product_id: place for place, product_id in enumerate(self._ids)}
        self._products, self._hashes = table["product"].combine_chunks(), table["text_hash"].combine_chunks()
        self._vectors = {
            name[len(VECTOR) :]: _matrix(table[name]) for name in table.schema.names if name.startswith(VECTOR)
        }
        self.keys = frozenset(pc.unique(table["keys"].combine_chunks().flatten()).to_pylist())
        self.words = Words.of(table)

    @staticmethod
    def columns(schema: pa.Schema) -> list[str]:
        """What is read of a table."""
        own = [name for name in schema.names if name.startswith((TEXT, VECTOR))]
        return ["id", "product", "text_hash", "keys", *own]

    @property
    def size(self) -> int:
        """How many products there are."""
        return len(self._ids)

    def ids(self, numbers: Any) -> list[str] | None:
        """The ids of rows, by their numbers; None if one is not of this version."""
        asked = np.asarray(numbers, np.uint64)
        if not len(asked):
            return []
        if not len(self._numbers):
            return None
        at = np.minimum(np.searchsorted(self._numbers, asked), len(self._numbers) - 1)
        if not np.array_equal(self._numbers[at], asked):
            return None
        found: list[str] = self._ids_by_number[at].tolist()
        return found

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


def numbered(search: Any, column: str, snapshot: Snapshot | None) -> tuple[list[str], list[float]] | None:
    """The ids that a search finds, and a number of each; None where the snapshot does not know a row.

    Reading a thousand ids from disk costs as much as finding them.

    Args:
        search: A query of LanceDB that selects nothing yet.
        column: The number.
        snapshot: Knows the ids of rows, which else are read.
    """
    if snapshot is None:
        found = search.select(["id", column]).to_arrow()
        return found["id"].to_pylist(), found[column].to_pylist()
    found = search.select([column]).with_row_id(True).to_arrow()
    ids = snapshot.ids(found[ROW])
    return None if ids is None else (ids, found[column].to_pylist())


def _matrix(column: pa.ChunkedArray) -> tuple[Array, NDArray[np.bool_]]:
    """The vectors of a column, ``(n, dim)`` float32, and which rows have one."""
    lists = column.combine_chunks()
    there = np.asarray(lists.is_valid())
    rows = np.zeros((len(lists), lists.type.list_size), np.float32)
    rows[there] = np.asarray(lists.flatten(), np.float32).reshape(-1, lists.type.list_size)
    rows.flags.writeable = False
    return rows, there
