"""Keeps a snapshot of a table's latest version: made in the background once enough was asked, then followed.

A change of prices or stock is followed at once, by whoever asks next. Where products came, went or got other texts,
everything is read from disk until another snapshot was made: answers are the same. Knows a table, not what its rows are
for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aisle.indexes.kept import Kept
from aisle.indexes.latest import State
from aisle.indexes.snapshot import MAX_ROWS, ROW, Mask, Snapshot

LOG = logging.getLogger("aisle")
T = TypeVar("T")
MIN_READS = 20
"""A snapshot is worth making after so many reads without one."""
MAX_CONDITIONS = 64
"""Filters whose rows are known: a byte a product each."""
REST = 20.0
"""After one was made, so many times as long as that took none is: a twentieth of a core at most."""


class Snapshots:
    """The latest version of one table in memory, if it is there.

    Args:
        table: Whose every read sees the latest commit.
        version: Gives what differs where the table does, `aisle.indexes.latest.Latest.state`.
        pinned: Gives the table as of a commit, so that a snapshot of a table that changes all the time can be made.
        most: Rows; a larger table has no snapshots.
        clock: Seconds.
    """

    def __init__(
        self,
        table: Any,
        version: Callable[[], State],
        pinned: Callable[[int], Any],
        most: int = MAX_ROWS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.table, self.version, self.most, self._pinned, self._clock = table, version, most, pinned, clock
        self.filters: Kept[str, Mask] = Kept(MAX_CONDITIONS)
        self.hits = self.misses = 0
        self._made: Snapshot | None = None
        self._unlike: Snapshot | None = None
        self._reads, self._rest_until = 0, 0.0
        self._lock, self._following = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def entries(self) -> int:
        """Rows in memory now."""
        return self._made.size if self._made is not None else 0

    def latest(self) -> Snapshot | None:
        """That of the version that is the latest now; None where it is not made (yet)."""
        found = self._latest()
        with self._lock:
            self.hits += found is not None
            self.misses += found is None
        return found

    def _latest(self) -> Snapshot | None:
        version, made = self.version(), self._made
        if made is not None and made.version == version:
            return made
        if made is not None and made is not self._unlike:
            with self._following:  # one follows, and those who wait for it have it too
                made = self._made
                if made is not None and made.version == self.version():
                    return made
                found = self.follow()
            if found is not None:
                return found
        with self._lock:
            self._reads += 1
            wanted = self._reads >= MIN_READS and self._clock() >= self._rest_until
            if wanted and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self.make_quietly, name="aisle-snapshot", daemon=True)
                self._thread.start()
        return None

    def reading(self, read: Callable[[Snapshot | None, Mask | None], T], where: str | None = None) -> T:
        """What a function reads of the table, from a snapshot or without one.

        Without one it reads where there is none, or where the table has changed meanwhile.

        Args:
            read: Gets the snapshot, and which of its rows meet the condition (None: all).
            where: A condition.
        """
        snapshot = self.latest()
        if snapshot is None:
            return read(None, None)
        within = self.within(snapshot, where) if where else None
        if where and within is None:
            return read(None, None)
        found = read(snapshot, within)
        return found if self.version() == snapshot.version else read(None, None)

    def within(self, snapshot: Snapshot, where: str) -> Mask | None:
        """Which rows of a snapshot meet a condition; None where the table has changed meanwhile."""
        known = self.filters.among(snapshot.version, [where])
        if where in known:
            return known[where]
        rows = self.table.search().where(where).select(["id"]).with_row_id(True).to_arrow()
        found = snapshot.among(rows[ROW]) if self.version() == snapshot.version else None
        if found is not None:
            self.filters.keep(snapshot.version, {where: found})
        return found

    def make(self) -> Snapshot | None:
        """Make one now; None where the table is too large, or became another one meanwhile."""
        started, version = self._clock(), self.version()
        table = self._pinned(version[1])
        if table.count_rows() > self.most:
            self._rest_until = started + 60.0
            return None
        rows = table.search().select(Snapshot.columns(table.schema)).with_row_id(True).to_arrow()
        folded = _folded(table)
        if self.version()[0] != version[0]:
            return None
        made = Snapshot.of(version, rows, folded=folded)
        self._made, self._reads = made, 0
        self._rest_until = started + (1.0 + REST) * (self._clock() - started)
        return made

    def make_quietly(self) -> None:
        """Make one now, if it can be made."""
        try:
            self.make()
        except Exception as error:  # searches go on without one, and the next one is tried after a rest
            self._rest_until = self._clock() + 60.0
            LOG.warning("no snapshot of the index: %s", error)

    def follow(self) -> Snapshot | None:
        """Make one of what changed since the last one; None where that was more than `Snapshot.after` takes."""
        made, version = self._made, self.version()
        if made is None or made is self._unlike:
            return None
        found = None
        try:
            if version[0] == made.version[0] and (made.folded or not _folded(self.table)):
                numbers = self.table.search().select(["available"]).with_row_id(True).to_arrow()[ROW]
                found = made.after(version, numbers, self._rows)
        except Exception as error:  # LanceDB may still answer
            LOG.warning("a change of the index could not be followed: %s", error)
        if self.version() != version:
            return None
        if found is None:
            self._unlike = made  # nor is any later version like it
        else:
            self._made = found
        return found

    def _rows(self, numbers: Sequence[int]) -> Any:
        among = f"{ROW} IN ({', '.join(map(str, numbers))})" if numbers else "false"
        return self.table.search().where(among).select(Snapshot.columns(self.table.schema)).with_row_id(True).to_arrow()

    def close(self) -> None:
        """Wait for what is being made."""
        if self._thread is not None:
            self._thread.join()


def _folded(table: Any) -> bool:
    return not any(one.num_unindexed_rows for one in table.list_indices() if one.index_type == "FTS")
