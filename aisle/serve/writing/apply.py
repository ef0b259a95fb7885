"""Changes to an index: all of a batch in their order, encoded only where the rendered text changed, one commit.

The commit's files are flushed to the disk before anybody is told. Knows an index and an encoder, no processes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from aisle.build import fresh_records
from aisle.catalogue.render import Renderer
from aisle.catalogue.store import product_to_dict
from aisle.errors import InputError
from aisle.indexes.lance import CHINESE_WORDS, WORDS, LanceIndex
from aisle.serve.content import content_hash
from aisle.serve.writing.change import Change, Delete, Outcome, Patch, Put, checked_product, patched
from aisle.serve.writing.journal import Journal
from aisle.serve.writing.turn import Turn
from aisle.types import Encoder, Product, Record

APPENDED = (WORDS, CHINESE_WORDS)
"""Files of an index that grow; the others never change once written."""

PROBE = 65_536
"""Bytes of a file by which it is seen whether the disk is full."""


class Applier:
    """Makes changes to one index; one thread at a time.

    Args:
        index: Whose lock this process has, or gets at the first change.
        encoder: That of the index.
        renderer: That of the index.
        turn: What keeps another index from taking the place meanwhile; None: nothing does.
    """

    def __init__(self, index: LanceIndex, encoder: Encoder, renderer: Renderer, turn: Turn | None = None) -> None:
        self.index, self.encoder, self.renderer = index, encoder, renderer
        self.journal = Journal(index.folder.parent)
        self._turn = nullcontext if turn is None else turn.taken
        self._flushed = _files(index.folder)  # of earlier processes

    def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """Make changes; see `aisle.serve.writing.change.Writer`. A change that is refused leaves the others be.

        Raises:
            Replaced: Another index stands in the folder; nothing was changed.
        """
        with self._turn():
            return self._apply(changes)

    def _apply(self, changes: Sequence[Change]) -> list[Outcome]:
        ids = list(dict.fromkeys(change.id for change in changes))
        stored = self.index.stored(ids)
        now: dict[str, Product | None] = {
            product_id: stored[product_id].product if product_id in stored else None for product_id in ids
        }
        outcomes = [_noted(change, now) for change in changes]
        self._write(stored, now)
        return outcomes

    def _write(self, stored: Mapping[str, Record], now: Mapping[str, Product | None]) -> None:
        put = [product for product in now.values() if product is not None]
        texts = [self.renderer.text(product) for product in put]
        records = fresh_records(put, texts, stored, self.encoder, self.renderer)
        gone = [product_id for product_id, product in now.items() if product is None and product_id in stored]
        if not records and not gone:
            return
        # before the index: if it fails here nothing was changed, and an id too many is carried over as it stands
        self.journal.add([*(record.product.id for record in records), *gone])
        _sync(self.journal.path)
        self.index.upsert(records)
        self.index.delete(gone)
        self._flush()

    def optimize(self) -> None:
        """Fold fresh products into the search structures; reads go on meanwhile.

        Raises:
            Replaced: Another index stands in the folder.
        """
        with self._turn():
            self.index.optimize(wait=True)
            self._flush()

    def try_disk(self) -> None:
        """See that the disk of the index takes a file of the size of a small commit.

        Raises:
            OSError: It does not.
        """
        path = self.index.folder.parent / ".probe"
        try:
            path.write_bytes(bytes(PROBE))
            _sync(path)
        finally:
            path.unlink(missing_ok=True)

    def _flush(self) -> None:
        """Wait until the disk has every file that is new in the index since the last time."""
        there = _files(self.index.folder)
        fresh = there - self._flushed
        for path in (*fresh, *(self.index.folder / name for name in APPENDED), self.journal.path):
            _sync(path)
        for folder in {path.parent for path in fresh}:
            _sync(folder)
        self._flushed = there


def _files(folder: Path) -> set[Path]:
    return {Path(here) / name for here, _, names in os.walk(folder) for name in names}


def _noted(change: Change, now: dict[str, Product | None]) -> Outcome:
    """Make one change, with the hashes of its product before and after it."""
    before = now[change.id]
    outcome = _make(change, now)
    return replace(outcome, before=_hash(before), after=_hash(now[change.id]))


def _hash(product: Product | None) -> str:
    return content_hash(None if product is None else product_to_dict(product))


def _make(change: Change, now: dict[str, Product | None]) -> Outcome:
    """Make one change to what is to be written."""
    before = now[change.id]
    try:
        match change:
            case Put(product):
                product = checked_product(product)
                now[change.id] = product
                status = "created" if before is None else "unchanged" if before == product else "replaced"
                return Outcome(change.id, status)  # type: ignore[arg-type]
            case Patch(_, fields):
                if before is None:
                    return Outcome(change.id, "missing", "there is no such product")
                now[change.id] = patched(before, fields)
                return Outcome(change.id, "unchanged" if now[change.id] == before else "updated")
            case Delete():
                now[change.id] = None
                return Outcome(change.id, "missing" if before is None else "deleted")
    except InputError as error:
        return Outcome(change.id, "refused", str(error))


def _sync(path: Path) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # cleaned up meanwhile
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)
