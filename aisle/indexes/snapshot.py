"""What searches read again and again of one version of a small table, kept in memory.

LanceDB stays the store, applies filters, and answers alone where a table is large or has just changed. Of a small one a
question costs more to plan than to answer, so that products, vectors, words and identifiers are read from here. A
snapshot is of one version and never changes. Knows rows, no requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aisle.indexes.latest import State
from aisle.indexes.schema import COUNTED, KEYED, TEXT, VECTOR, product_of
from aisle.indexes.words import Words
from aisle.order import Found, Names, names_of
from aisle.types import Array, Product, Record

MAX_ROWS = 50_000
"""A larger table is read from disk: 50,000 products with vectors of 384 numbers take about 200 MB."""
MAX_FRESH = 1_000
"""Where more rows than these are new, everything is read again."""
ROW = "_rowid"
Mask = NDArray[np.bool_]
_FACETS = frozenset((*COUNTED, "category", "labels", *(f"{name}_key" for name in KEYED)))
"""Columns whose values are counted."""


class Snapshot:
    """The rows of one version.

    Args:
        version: Of the table.
        table: What is shown, filtered by and counted, with the rows' numbers; rows that others took the place of, too.
        at: Which of its rows each id has, ``(size,)``.
        lasting: Of the same ids.
    """

    def __init__(self, version: State, table: pa.Table, at: NDArray[np.int64], lasting: Lasting) -> None:
        self.version, self.lasting, self._table, self._at = version, lasting, table, at
        self.names, self.words, self.folded = lasting.names, lasting.words, lasting.folded
        self._numbers = np.asarray(table[ROW], np.uint64)[at]
        self._by_number = np.argsort(self._numbers, kind="stable")
        self._products, self._hashes = table["product"], table["text_hash"]
        self._columns: dict[str, Any] = {}

    @classmethod
    def of(cls, version: State, table: pa.Table, *, folded: bool) -> Snapshot:
        """Of what was read of a table.

        Args:
            version: Of the table.
            table: The columns of ``columns`` with the rows' numbers.
            folded: Whether all rows are in LanceDB's word indexes: those that are not it scores by statistics of their
                own.
        """
        ids: list[str] = table["id"].to_pylist()
        order = sorted(range(len(ids)), key=ids.__getitem__)  # rows by id, so that equal scores in order are by id
        table = table.take(order).combine_chunks()
        shown = table.drop_columns(_lasting(table))
        return cls(version, shown, np.arange(len(ids)), Lasting.of(table, folded=folded))

    def after(self, version: State, numbers: Any, read: Callable[[Sequence[int]], pa.Table]) -> Snapshot | None:
        """A later version whose texts, vectors and identifiers are those of this one: prices were changed, or stock.

        What lasts is taken over. A price changes no score by words, also while LanceDB has not folded its row in again
        and scores it by statistics of its own.

        Args:
            version: Of the table.
            numbers: Of all its rows.
            read: Gives the rows of these numbers, with the columns that this was made of.

        Returns:
            None where more was changed, or very many rows.
        """
        now = np.asarray(numbers, np.uint64)
        fresh = np.setdiff1d(now, self._numbers)
        gone = np.flatnonzero(np.isin(self._numbers, now, invert=True))
        if len(fresh) != len(gone) or len(fresh) > MAX_FRESH:
            return None
        rows = read(fresh.tolist())
        places = [self.lasting.places.get(product_id, -1) for product_id in rows["id"].to_pylist()]
        if sorted(places) != gone.tolist() or not self.lasting.same(rows, places):
            return None
        table = pa.concat_tables([self._table, rows.select(self._table.schema.names)])
        at = self._at.copy()
        at[places] = self._table.num_rows + np.arange(len(places))
        if table.num_rows > self.size + MAX_FRESH:  # rows that no id has any more
            table, at = table.take(at).combine_chunks(), np.arange(self.size)
        return Snapshot(version, table, at, self.lasting)

    @staticmethod
    def columns(schema: pa.Schema) -> list[str]:
        """What is read of a table."""
        own = [name for name in schema.names if name.startswith((TEXT, VECTOR)) or name in _FACETS]
        return ["product", "text_hash", "keys", *own]

    @property
    def size(self) -> int:
        """How many products there are."""
        return len(self.names)

    @property
    def dims(self) -> dict[str, int]:
        """The length of the vectors of each name."""
        return {name: vectors.shape[1] for name, (vectors, _) in self.lasting.vectors.items()}

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

    def nearest(self, name: str, vector: Array, depth: int, within: Mask | None) -> Found:
        """The products whose vectors of this name have the highest cosine.

        Args:
            name: A product without such a vector is not found.
            vector: ``(dim,)``, of length 1.
            depth: So many at most.
            within: Which rows may be among them; None: all.
        """
        vectors, there = self.lasting.vectors[name]
        cosines: Array = vectors @ vector
        if within is None and there.all():
            return self.best(np.arange(self.size), cosines, depth)
        rows = np.flatnonzero(there if within is None else there & within)
        return self.best(rows, cosines[rows], depth)

    def best(self, rows: NDArray[np.int64], scores: NDArray[np.floating[Any]], depth: int) -> Found:
        """The products with the highest scores.

        Args:
            rows: Among which, ascending, ``(m,)``.
            scores: Of each, ``(m,)``.
            depth: So many at most.
        """
        if 0 < depth < len(rows):
            high = scores >= np.partition(scores, -depth)[-depth]
            rows, scores = rows[high], scores[high]
        return Found.best(self.names, rows, scores, depth)

    def carriers(self, key: str, within: Mask | None) -> list[str]:
        """The ids of products that carry an identifier, sorted."""
        rows = self.lasting.carriers.of(key)
        return [self.names[row] for row in rows if within is None or within[row]]

    def place(self, product_id: str) -> int | None:
        """The row of a product."""
        return self.lasting.places.get(product_id)

    def holding(self, ids: Iterable[str]) -> Mask:
        """Which rows have these ids; ids that are not there are ignored."""
        found = np.zeros(self.size, np.bool_)
        found[[place for product_id in ids if (place := self.lasting.places.get(product_id)) is not None]] = True
        return found

    def column(self, name: str, within: Mask | None) -> Any:
        """A column whose values are counted, as one Arrow array."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._table[name].take(self._at).combine_chunks()
        return column if within is None else column.filter(pa.array(within))

    def product(self, product_id: str) -> Product | None:
        """A product as it is stored."""
        place = self.place(product_id)
        return None if place is None else product_of(self._products[int(self._at[place])].as_py())

    def record(self, product_id: str) -> Record | None:
        """A product with its vectors, which are not to be written to."""
        place = self.place(product_id)
        if place is None:
            return None
        row = int(self._at[place])
        own = {name: vectors[place] for name, (vectors, there) in self.lasting.vectors.items() if there[place]}
        return Record(product_of(self._products[row].as_py()), self._hashes[row].as_py(), own)


@dataclass(frozen=True, slots=True)
class Lasting:
    """What a change of price or stock leaves as it is; rows in the order of their ids.

    Attributes:
        names: The ids.
        places: Of each id.
        vectors: By name; see `_matrix`.
        carriers: Who carries an identifier.
        words: What BM25 searches.
        folded: Whether all rows were in LanceDB's word indexes.
        marks: Of each row, equal where words and identifiers are.
    """

    names: Names
    places: dict[str, int]
    vectors: dict[str, tuple[Array, Mask]]
    carriers: Carriers
    words: Words
    folded: bool
    marks: list[int]

    @classmethod
    def of(cls, table: pa.Table, *, folded: bool) -> Lasting:
        """Of rows in the order of their ids."""
        ids: list[str] = table["id"].to_pylist()
        return cls(
            names_of(ids),
            {product_id: place for place, product_id in enumerate(ids)},
            {name[len(VECTOR) :]: _matrix(table[name]) for name in table.schema.names if name.startswith(VECTOR)},
            Carriers(table["keys"].combine_chunks()),
            Words.of(table),
            folded,
            _marks(table),
        )

    def same(self, rows: pa.Table, places: Sequence[int]) -> bool:
        """Whether nothing of this is different in rows that take the place of others."""
        if _marks(rows) != [self.marks[place] for place in places]:
            return False
        for name, (vectors, there) in self.vectors.items():
            own, known = _matrix(rows[VECTOR + name])
            if not np.array_equal(known, there[places]) or not np.array_equal(own, vectors[places]):
                return False
        return True


def _lasting(table: pa.Table) -> list[str]:
    return [name for name in table.schema.names if name == "keys" or name.startswith((TEXT, VECTOR))]


def _marks(table: pa.Table) -> list[int]:
    names = [name for name in _lasting(table) if not name.startswith(VECTOR)]
    columns = [map(tuple, table[name].to_pylist()) if name == "keys" else table[name].to_pylist() for name in names]
    return list(map(hash, zip(*columns, strict=True)))


class Carriers:
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
        """The rows that carry it, ascending."""
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
