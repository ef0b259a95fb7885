"""Answers kept for as long as a table is at one version: bounded, and shared by threads. Knows no table."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Key to value at one version; another version empties it, and the oldest entries make room.

    A version is whatever differs where the table does, `aisle.indexes.latest.State`.

    Args:
        most: So many entries are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.hits = self.misses = 0
        self._version: object = None
        self._entries: dict[K, V] = {}
        self._lock = threading.Lock()

    @property
    def entries(self) -> int:
        """How many are kept now."""
        return len(self._entries)

    def among(self, version: object, keys: Collection[K]) -> dict[K, V]:
        """What is kept of these keys."""
        with self._lock:
            if version != self._version:
                self._version, self._entries = version, {}
            found = {key: self._entries[key] for key in keys if key in self._entries}
            self.hits += len(found)
            self.misses += len(keys) - len(found)
            return found

    def keep(self, version: object, entries: Mapping[K, V]) -> None:
        """Keep what was found since ``among`` was asked; nothing, if another version came in between."""
        with self._lock:
            if version != self._version:
                return
            self._entries |= entries
            over = len(self._entries) - self.most
            for key in list(islice(self._entries, max(0, over))):
                del self._entries[key]
