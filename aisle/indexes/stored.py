"""What is stored under an id or an identifier: from memory where a snapshot has it, else from the table.

Knows rows and records, no requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aisle.indexes.kept import Kept
from aisle.indexes.schema import VECTOR, product_of, vectors_of
from aisle.indexes.snapshots import Snapshots
from aisle.indexes.sql import both, has_any, one_of
from aisle.types import Product, Record

MAX_RECORDS = 20_000
"""Read products that are kept: about 4 kB each."""
CHUNK = 2_000
"""Ids per condition."""


class StoredRows:
    """Products of one table."""

    def __init__(self, table: Any, snapshots: Snapshots) -> None:
        self.table, self.snapshots = table, snapshots
        self.vector_columns = {f.name[len(VECTOR) :]: f.name for f in table.schema if f.name.startswith(VECTOR)}
        self.remembered: Kept[str, Record] = Kept(MAX_RECORDS)

    def get(self, ids: Sequence[str]) -> tuple[Product | None, ...]:
        """In the order asked for; None where there is none."""
        snapshot = self.snapshots.latest()
        if snapshot is not None:
            known = self.remembered.among(snapshot.version, ids)
            return tuple(known[i].product if i in known else snapshot.product(i) for i in ids)
        found = {row["id"]: product_of(row["product"]) for row in self.found(ids, ["id", "product"])}
        return tuple(found.get(product_id) for product_id in ids)

    def records(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """By id, in the order asked for; unknown ids are absent."""
        wanted, snapshot = list(dict.fromkeys(ids)), self.snapshots.latest()
        version = snapshot.version if snapshot is not None else self.snapshots.version()
        known = self.remembered.among(version, wanted)
        fresh: dict[str, Record] = {}
        lacking = [product_id for product_id in wanted if product_id not in known]
        if snapshot is not None:
            fresh = {i: record for i in lacking if (record := snapshot.record(i)) is not None}
        else:
            for part in chunks(lacking):
                fresh |= self._read(part)
        self.remembered.keep(version, fresh)
        return {product_id: found for product_id in wanted if (found := known.get(product_id) or fresh.get(product_id))}

    def _read(self, ids: Sequence[str]) -> dict[str, Record]:
        found = self.scan(one_of("id", ids), ["id", "product", "text_hash", *self.vector_columns.values()])
        vectors = {name: vectors_of(found[column]) for name, column in self.vector_columns.items()}
        texts = (found[name].to_pylist() for name in ("id", "product", "text_hash"))
        read = {}
        for row, (product_id, product, text_hash) in enumerate(zip(*texts, strict=True)):
            own = {name: vector for name, rows in vectors.items() if (vector := rows[row]) is not None}
            read[product_id] = Record(product_of(product), text_hash, own)
        return read

    def lookup(self, keys: Sequence[str], condition: str | None, limit: int) -> Mapping[str, tuple[str, ...]]:
        """Who carries a folded identifier, among the rows that meet a condition: key to ids, sorted."""
        wanted = [key for key in dict.fromkeys(keys) if key]
        if not wanted:
            return {}
        return self.snapshots.reading(
            lambda snapshot, within: (
                self._lookup(wanted, condition, limit)
                if snapshot is None
                else {key: tuple(ids[:limit]) for key in wanted if (ids := snapshot.carriers(key, within))}
            ),
            condition,
        )

    def _lookup(self, wanted: Sequence[str], condition: str | None, limit: int) -> dict[str, tuple[str, ...]]:
        found = self.scan(both(condition, has_any("keys", wanted)), ["id", "keys"])
        carriers: dict[str, list[str]] = {}
        for product_id, carried in zip(found["id"].to_pylist(), found["keys"].to_pylist(), strict=True):
            for key in carried:
                carriers.setdefault(key, []).append(product_id)
        return {key: tuple(sorted(carriers[key])[:limit]) for key in wanted if key in carriers}

    def found(self, ids: Sequence[str], columns: list[str]) -> Iterator[dict[str, Any]]:
        """The rows of ids, in no particular order."""
        for part in chunks(list(dict.fromkeys(ids))):
            yield from self.scan(one_of("id", part), columns).to_pylist()

    def scan(self, condition: str | None, columns: list[str]) -> Any:
        """All rows that meet a condition."""
        search = self.table.search().select(columns)
        return (search.where(condition) if condition else search).to_arrow()


def chunks(ids: Sequence[str]) -> list[Sequence[str]]:
    """Ids in pieces that fit into one condition."""
    return [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
