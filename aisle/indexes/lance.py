"""LanceIndex: the embedded index, one LanceDB table in a folder.

One process writes at a time (a lock in the folder), any number read; every read sees the latest finished write, also
one of another process. A write is one atomic commit. Knows products and requests, no encoder and no fusion.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aisle.config import IndexSettings
from aisle.errors import ArtifactError
from aisle.filters.fields import NUMBER_FIELDS, resolve
from aisle.indexes.bm25 import Ranked, WordSearch
from aisle.indexes.browse import browse
from aisle.indexes.catalogue_words import WordsOfTable
from aisle.indexes.chinese_words import ChineseWords
from aisle.indexes.connection import TABLE, connect, open_table, open_version
from aisle.indexes.dense import MIN_INDEXED, PARTITION_ROWS, cosines, nearest
from aisle.indexes.facets import SnapshotRows, TableRows, count_values, fields_of, without_field
from aisle.indexes.kept import Kept
from aisle.indexes.latest import Latest
from aisle.indexes.lock import WriterLock
from aisle.indexes.schema import (
    TEXT,
    attribute_token,
    check_text_fields,
    rows,
    table_schema,
    text_column,
    texts_of,
)
from aisle.indexes.segment import READY_MADE
from aisle.indexes.snapshot import Mask, Snapshot
from aisle.indexes.snapshots import Snapshots
from aisle.indexes.sql import both, has_any, one_of, where
from aisle.indexes.stored import StoredRows, chunks
from aisle.indexes.unknown import unknown_attribute
from aisle.indexes.vocabulary import Vocabulary
from aisle.types import Array, Candidates, Facets, FacetValue, Filter, Product, Record, SearchRequest

if TYPE_CHECKING:
    import pyarrow as pa

LOCK, WORDS, CHINESE_WORDS = "writer.lock", "words.txt", "chinese.txt"
KEEP_VERSIONS = timedelta(minutes=10)
"""Files that no version newer than this needs are removed: far longer than any read takes."""

MAX_TOTALS = 256


class LanceIndex:
    """Products in a LanceDB table; meets the protocol `aisle.types.Index`."""

    def __init__(self, folder: Path, table: Any, settings: IndexSettings) -> None:
        self.folder = folder
        self.settings = settings
        self._table = table
        self._latest = Latest(folder / f"{TABLE}.lance" / "_versions", lambda: int(table.version))
        self.snapshots = Snapshots(table, self._latest.state, partial(open_version, folder))
        self._stored = StoredRows(table, self.snapshots)
        self._search = WordSearch(table, Vocabulary(folder / WORDS), settings, self.snapshots)
        self.words = WordsOfTable(self._search, ChineseWords(folder / CHINESE_WORDS))
        self._lock = WriterLock(folder / LOCK)
        self._writing = threading.Lock()
        self._background: threading.Thread | None = None
        self._failure: Exception | None = None
        self._totals: Kept[str | None, int] = Kept(MAX_TOTALS)
        self._seen_attributes: set[str] = set()

    @classmethod
    def create(cls, folder: Path, settings: IndexSettings, vectors: Mapping[str, int]) -> Self:
        """Make an empty index that this process may write to.

        Args:
            folder: Where; must not exist.
            settings: Which text fields are searched, and how.
            vectors: The length of each named vector.

        Raises:
            ArtifactError: The folder exists.
            RecipeError: A text field does not exist.
        """
        check_text_fields(list(settings.field_weights))
        if folder.exists():
            raise ArtifactError(f"{str(folder)!r} exists", fix="open it, or choose another folder")
        part = folder.with_name(f".{folder.name}.creating")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        table = connect(part).create_table(TABLE, schema=table_schema(list(settings.field_weights), vectors))
        from lancedb.index import FTS, Bitmap, BTree, LabelList

        # made while the table is empty, so that rows are searched from the moment they are written
        for field in settings.field_weights:
            table.create_index(text_column(field), config=FTS(**READY_MADE))
        for column in ("id", *NUMBER_FIELDS):
            table.create_index(column, config=BTree())
        for column in ("brand_key", "available"):
            table.create_index(column, config=Bitmap())
        for column in ("tokens", "keys"):
            table.create_index(column, config=LabelList())
        part.rename(folder)
        return cls.open(folder, settings, writable=True)

    @classmethod
    def open(cls, folder: Path, settings: IndexSettings, *, writable: bool = False) -> Self:
        """Open an index.

        Args:
            folder: What ``create`` made.
            settings: May weigh fewer text fields than the index has, not others.
            writable: Take the writer's lock now, not at the first write.

        Raises:
            ArtifactError: There is no index, or it lacks a text field.
            IndexLockedError: Another process is writing.
        """
        table = open_table(folder)
        check_text_fields(list(settings.field_weights))
        missing = [field for field in settings.field_weights if text_column(field) not in table.schema.names]
        if missing:
            raise ArtifactError(
                f"the index in {str(folder)!r} has no text field {missing[0]!r}",
                allowed=", ".join(name.removeprefix(TEXT) for name in table.schema.names if name.startswith(TEXT)),
                fix="weigh other fields, or index the catalogue again with this recipe",
            )
        index = cls(folder, table, settings)
        if writable:
            index._lock.acquire()
        return index

    # --- writing ---

    def upsert(self, records: Sequence[Record]) -> None:
        """Insert products or replace those of the same id; of several with one id the last counts.

        Raises:
            IndexLockedError: Another process is writing.
        """
        latest = {record.product.id: record for record in records}
        if not latest:
            return
        table = rows(list(latest.values()), self._table.schema)
        with self._write():
            self.words.add(text for record in latest.values() for text in texts_of(record.product, table.schema))
            if next(self._stored.found(list(latest), ["id"]), None):
                merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
                merge.execute(table)
            else:  # much quicker, and just as atomic
                self._table.add(table)

    def delete(self, ids: Iterable[str]) -> int:
        """Delete products; unknown ids are ignored. Returns how many were deleted.

        Raises:
            IndexLockedError: Another process is writing.
        """
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return 0
        with self._write():
            return sum(int(self._table.delete(one_of("id", part)).num_deleted_rows) for part in chunks(wanted))

    def optimize(self, *, wait: bool = True) -> None:
        """Fold recent writes into the search structures; reads go on meanwhile, writes of this process wait.

        Until then fresh rows are searched one by one, which is exact but slow.
        """
        if wait:
            self._join()
            self._optimize()
            return
        if self._background is None or not self._background.is_alive():
            self._background = threading.Thread(target=self._optimize_quietly, name="aisle-optimize", daemon=True)
            self._background.start()

    def _optimize_quietly(self) -> None:
        try:
            self._optimize()
        except Exception as error:  # told at the next call that waits
            self._failure = error

    def _optimize(self) -> None:
        from lancedb.index import IvfFlat

        with self._write():
            count = self._table.count_rows()
            for column in self._stored.vector_columns.values():
                if count >= MIN_INDEXED and self._outgrown(column):
                    partitions = max(1, count // PARTITION_ROWS)
                    config = IvfFlat(distance_type="dot", num_partitions=partitions)
                    self._table.create_index(column, config=config, replace=True)
            self._table.optimize(cleanup_older_than=KEEP_VERSIONS)

    def _outgrown(self, column: str) -> bool:
        """Whether there is no vector index yet, or most rows came after it was made."""
        stats = self._table.index_stats(f"{column}_idx")
        return stats is None or stats.num_unindexed_rows > stats.num_indexed_rows

    def _join(self) -> None:
        if self._background is not None:
            self._background.join()
            self._background = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def close(self) -> None:
        """Wait for background work and let go of the lock."""
        try:
            self._join()
            self.snapshots.close()
        finally:
            self._lock.release()

    @contextmanager
    def _write(self) -> Iterator[None]:
        """The right to write: first among this process's threads, then before all other processes."""
        with self._writing:
            self._lock.acquire()
            yield

    @property
    def version(self) -> int:
        """The number of the latest commit."""
        return self._latest()

    @property
    def caches(self) -> Mapping[str, Kept[Any, Any] | Snapshots]:
        """What is kept in memory, by what it is: each counts its hits and misses."""
        return {
            "snapshot": self.snapshots,
            "filters": self.snapshots.filters,
            "products": self._stored.remembered,
            "totals": self._totals,
        }

    def roll_back(self, version: int) -> None:
        """Make the products those of an earlier commit, as a new commit.

        Raises:
            IndexLockedError: Another process is writing.
        """
        with self._write():
            self._table.restore(version)
            self._table.checkout_latest()

    # --- reading ---

    def search(self, request: SearchRequest, vectors: Mapping[str, Array], depth: int) -> Candidates:
        """Find up to ``depth`` candidates per retrieval stage; see `aisle.types.Index`.

        ``request.sort`` orders a browse only; its scores are minus the number of products before.

        Raises:
            FilterError: The filter or sort names an attribute that no product has.
            RequestError: The index has no such vectors.
        """
        self._check_fields(sort.field for sort in request.sort)
        condition = self._condition(request.filter)
        total = self._total(condition)
        depth = min(depth, total)
        if not request.text.strip():
            return Candidates({"browse": browse(self._table, request.sort, condition, depth)}, total)
        lists: dict[str, Ranked] = {}
        if request.mode != "dense":
            lists["bm25"] = self._search.best(self._search.clauses(request), condition, depth)
        if request.mode != "bm25":
            for name, vector in vectors.items():
                lists[f"dense:{name}"] = self._nearest(name, vector, condition, depth, total)
        return Candidates(lists, total)

    def lookup(
        self, keys: Sequence[str], filter: Filter | None = None, limit: int = 20
    ) -> Mapping[str, tuple[str, ...]]:
        """Products that carry an identifier (already folded by ``fold_identifier``): key to ids, sorted."""
        return self._stored.lookup(keys, self._condition(filter), limit)

    def get(self, ids: Sequence[str]) -> tuple[Product | None, ...]:
        """The stored products in the order asked for; None where there is none."""
        return self._stored.get(ids)

    def stored(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """What is stored under these ids, with text hash and vectors; unknown ids are absent."""
        return self._stored.records(ids)

    def features(self, ids: Sequence[str], request: SearchRequest, vectors: Mapping[str, Array]) -> pa.Table:
        """One row per id, in order: "product_id", "bm25:FIELD" per text field, "dense:NAME" per vector (cosine).

        0 where a field does not match; null where the id is unknown. The weighted sum of the fields is the score of
        the stage "bm25".
        """
        import pyarrow as pa

        known = {row["id"] for row in self._stored.found(ids, ["id"])}
        wanted = [product_id for product_id in dict.fromkeys(ids) if product_id in known]
        clauses = self._search.clauses(request)
        condition = self._condition(request.filter)
        scores: dict[str, dict[str, float]] = {}
        for part in chunks(wanted) or [[]]:
            for field, found in self._search.by_field(clauses, condition, part).items():
                scores.setdefault(f"bm25:{field}", {}).update(found)
            for name, vector in vectors.items():
                scores.setdefault(f"dense:{name}", {}).update(cosines(self._table, name, vector, part))
        columns = {"product_id": pa.array(list(ids), pa.string())}
        for column, found in scores.items():
            values = [found.get(product_id, 0.0) if product_id in known else None for product_id in ids]
            columns[column] = pa.array(values, pa.float32())
        return pa.table(columns)

    def facets(
        self, fields: Sequence[str], filter: Filter | None = None, limit: int = 100, among: Sequence[str] | None = None
    ) -> Facets:
        """Count the values of fields over the products that pass the filter; see `aisle.types.Index`.

        Raises:
            FilterError: A field or the filter names an attribute that no product has.
        """
        self._check_fields(fields)
        return Facets({field: self._values(field, without_field(filter, field), limit, among) for field in fields})

    def _values(
        self, field: str, filter: Filter | None, limit: int, among: Sequence[str] | None
    ) -> tuple[FacetValue, ...]:
        condition = self._condition(filter)
        if among is not None and not among:
            return ()

        def count(snapshot: Snapshot | None, within: Mask | None) -> tuple[FacetValue, ...]:
            if snapshot is None:
                where = both(condition, one_of("id", among)) if among is not None else condition
                return count_values(TableRows(self._table, where), field, limit)
            if among is not None:
                held = snapshot.holding(among)
                within = held if within is None else held & within
            return count_values(SnapshotRows(snapshot, within), field, limit)

        return self.snapshots.reading(count, condition)

    def count(self, filter: Filter | None = None) -> int:
        """How many products pass the filter."""
        return self._total(self._condition(filter))

    def ids(self) -> Iterable[str]:
        """All product ids, in no particular order."""
        found: list[str] = self._stored.scan(None, ["id"])["id"].to_pylist()
        return found

    def check(self, filter: Filter) -> None:
        """Refuse a filter on an attribute that no product has.

        Raises:
            FilterError: Names the attributes that look alike.
        """
        self._check_fields(fields_of(filter))

    # --- shared ---

    def _nearest(self, name: str, vector: Array, condition: str | None, depth: int, total: int) -> Ranked:
        return self.snapshots.reading(
            lambda known, within: nearest(self._table, name, vector, condition, (depth, total), known, within),
            condition,
        )

    def _total(self, condition: str | None) -> int:
        """How many rows meet a condition; remembered until the table changes, since stages and pages ask again."""
        version = self._latest.state()
        known = self._totals.among(version, [condition])
        if condition not in known:
            known = {condition: int(self._table.count_rows(condition))}
            self._totals.keep(version, known)
        return known[condition]

    def _condition(self, filter: Filter | None) -> str | None:
        if filter is None:
            return None
        condition = where(filter)
        self.check(filter)
        return condition

    def _check_fields(self, fields: Iterable[str]) -> None:
        for field in fields:
            attribute, name = resolve(field)
            if not attribute or name in self._seen_attributes:
                continue
            if self._table.count_rows(has_any("tokens", [attribute_token(name)])):
                self._seen_attributes.add(name)
            elif self._table.count_rows():
                raise unknown_attribute(name, self._stored.scan(None, ["labels"])["labels"].to_pylist())
