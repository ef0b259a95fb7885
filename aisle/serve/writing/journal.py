"""Which products a service has changed since its index was made, so that the next index can be given the changes too.

Ids and times alone: what the products are now stands in the index. A line a commit, on the disk before it is made. A
journal that has grown is shortened to the last change of each product, so it is never much longer than the catalogue.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aisle.artifacts import write_text

LOG = logging.getLogger("aisle.serve")
NAME = "changes.jsonl"
LONG = 4_194_304
"""Bytes from which it is worth shortening."""


@dataclass(frozen=True, slots=True)
class Noted:
    """Ids of changed products in the order of their first change.

    Attributes:
        ids: Theirs.
        end: Where in the journal they end.
        last: Where its last commit begins, which may be noted and not made yet.
    """

    ids: tuple[str, ...]
    end: int
    last: int


class Journal:
    """The journal of one index.

    Args:
        folder: Of the index.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._longest = LONG

    def add(self, ids: Sequence[str]) -> None:
        """Add a commit that is about to be made; whoever makes it flushes the file first."""
        self._shorten()
        line = json.dumps({"time": round(time.time(), 3), "ids": list(ids)}, ensure_ascii=True)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            data = f"\n{line}\n".encode()  # what a killed process left of a line ends here
            if os.write(file, data) < len(data):
                raise OSError(28, "No space left on device")
        finally:
            os.close(file)

    def since(self, start: float = 0.0, begin: int = 0) -> Noted:
        """What was changed.

        Args:
            start: Commits before this time, in seconds since 1970, are passed over.
            begin: Bytes passed over.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(begin)
                data = file.read()
        except FileNotFoundError:
            return Noted((), 0, 0)
        data = data[: data.rfind(b"\n") + 1]  # what is being written at this moment is read the next time
        found: dict[str, None] = {}
        for at, ids in _commits(data):
            if at >= start:
                found |= dict.fromkeys(ids)
        return Noted(tuple(found), begin + len(data), begin + data.rstrip(b"\n").rfind(b"\n") + 1)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """While this lasts the journal is not shortened: places in it stay what they are."""
        with self._held(fcntl.LOCK_SH):
            yield

    @contextmanager
    def _held(self, how: int) -> Iterator[None]:
        file = os.open(self.path.with_name(f".{NAME}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, how)
            yield
        finally:
            os.close(file)

    def _shorten(self) -> None:
        """Leave the last change of each product, where the journal is long and nobody reads places of it."""
        try:
            if self.path.stat().st_size < self._longest:
                return
            with self._held(fcntl.LOCK_EX | fcntl.LOCK_NB):
                last: dict[str, float] = {}
                for at, ids in _commits(self.path.read_bytes()):
                    for product_id in ids:
                        last.pop(product_id, None)  # to the end
                        last[product_id] = at
                commits: dict[float, list[str]] = {}
                for product_id, at in last.items():
                    commits.setdefault(at, []).append(product_id)
                lines = (json.dumps({"time": at, "ids": ids}, ensure_ascii=True) for at, ids in commits.items())
                write_text(self.path, "".join(f"{line}\n" for line in lines))
                sync = os.open(self.path.parent, os.O_RDONLY)
                try:
                    os.fsync(sync)
                finally:
                    os.close(sync)
            self._longest = max(LONG, 2 * self.path.stat().st_size)
        except FileNotFoundError:
            return
        except OSError as error:  # held by a promotion, or a full disk: it goes on growing
            LOG.info("%s is not shortened: %s", self.path, error.strerror or error)


def _commits(data: bytes) -> Iterator[tuple[float, list[str]]]:
    """Times and ids; a clock that was set back makes no change an old one."""
    latest = 0.0
    for line in data.split(b"\n"):
        try:
            commit = json.loads(line)
            latest = max(latest, commit["time"])
            yield latest, [str(product_id) for product_id in commit["ids"]]
        except (ValueError, TypeError, KeyError):  # blank, or torn by a kill: never acknowledged
            continue
