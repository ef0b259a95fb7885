"""Makes the snapshot of a table's latest version, in the background, once it has stood and was asked for.

A change of prices or stock is followed at once. While products come, go or get other texts all the time none is made,
and everything is read from disk: answers are the same. Knows a table, not what its rows are for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aisle.indexes.kept import Kept
from aisle.indexes.snapshot import MAX_ROWS, ROW, Mask, Snapshot

LOG = logging.getLogger("aisle")
T = TypeVar("T")
MIN_READS, MIN_AGE_S = 20, 1.0
"""A version is worth a snapshot when it was read so often, and has stood so long."""
MAX_CONDITIONS = 64
"""Filters whose rows are known: a byte a product each."""
REST, FOLLOW_REST = 20.0, 4.0
"""After one was made, so many times as long as that took none is: a twentieth of a core at most; a fifth while prices
change all the time, which otherwise would leave every search to the disk."""


class Snapshots:
    """The latest version of one table in memory, if it is there.

    Args:
        table: Whose every read sees the latest commit.
        version: Gives what differs where the table does, `aisle.indexes.latest.Latest.state`.
        most: Rows; a larger table has no snapshots.
        clock: Seconds.
    """

    def __init__(
        self,
        table: Any,
        version: Callable[[], object],
        most: int = MAX_ROWS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.table, self.version, self.most, self._clock = table, version, most, clock
        self._within: Kept[str, Mask] = Kept(MAX_CONDITIONS)
        self._made: Snapshot | None = None
        self._version: object = None
        self._reads, self._since, self._rest_until = 0, 0.0, 0.0
        self._unlike: Snapshot | None = None
        self._follow_after = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def latest(self) -> Snapshot | None:
        """That of the version that is the latest now; None where it is not made (yet)."""
        version, made = self.version(), self._made
        if made is not None and made.version == version:
            return made
        with self._lock:
            now = self._clock()
            if version != self._version:
                self._version, self._reads, self._since = version, 0, now
            self._reads += 1
            settled = self._reads >= MIN_READS and now - self._since >= MIN_AGE_S and now >= self._rest_until
            alike = made is not None and made is not self._unlike and now >= self._follow_after
            if (settled or alike) and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(
                    target=self.renew, kwargs={"fully": settled}, name="aisle-snapshot", daemon=True
                )
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
        known = self._within.among(snapshot.version, [where])
        if where in known:
            return known[where]
        rows = self.table.search().where(where).select(["id"]).with_row_id(True).to_arrow()
        found = snapshot.among(rows[ROW]) if self.version() == snapshot.version else None
        if found is not None:
            self._within.keep(snapshot.version, {where: found})
        return found

    def make(self) -> Snapshot | None:
        """Make one now; None where the table is too large, or changes meanwhile."""
        started = self._clock()
        version = self.version()
        if self.table.count_rows() > self.most:
            self._rest_until = started + 60.0
            return None
        rows = self.table.search().select(Snapshot.columns(self.table.schema)).with_row_id(True).to_arrow()
        folded = not any(one.num_unindexed_rows for one in self.table.list_indices() if one.index_type == "FTS")
        if self.version() != version:
            return None
        made = Snapshot.of(version, rows, folded=folded)
        self._made, self._rest_until = made, started + (1.0 + REST) * (self._clock() - started)
        return made

    def follow(self) -> Snapshot | None:
        """Make one now of what changed since the last one; None where that was more than `Snapshot.after` takes."""
        made, started, version = self._made, self._clock(), self.version()
        if made is None or made is self._unlike:
            return None
        columns = Snapshot.columns(self.table.schema)

        def read(numbers: Sequence[int]) -> Any:
            among = f"{ROW} IN ({', '.join(map(str, numbers))})" if numbers else "false"
            return self.table.search().where(among).select(columns).with_row_id(True).to_arrow()

        numbers = self.table.search().select(["id"]).with_row_id(True).to_arrow()[ROW]
        found = made.after(version, numbers, read)
        if self.version() != version:
            found = None
        elif found is None:
            self._unlike = made  # nor is any later version like it
        else:
            self._made = found
        self._follow_after = started + (1.0 + FOLLOW_REST) * (self._clock() - started)
        return found

    def close(self) -> None:
        """Wait for what is being made."""
        if self._thread is not None:
            self._thread.join()

    def renew(self, *, fully: bool) -> None:
        """Follow the last one or, where that cannot be and it is wanted, make one; tells of no failure."""
        try:
            if self.follow() is None and fully:
                self.make()
        except Exception as error:  # searches go on without one, and the next one is tried after a rest
            self._rest_until = self._follow_after = self._clock() + 60.0
            LOG.warning("no snapshot of the index: %s", error)
