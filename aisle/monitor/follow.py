"""A log that grows, and its last stretch: each line is read once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from aisle.monitor.records import Record, log_files, record_of

SLACK_S = 60.0
"""A line may be written so much later than its request was answered."""


class Tail:
    """The lines of files that grow, each once; a line that is still being written is read the next time."""

    def __init__(self) -> None:
        self._read: dict[Path, int] = {}

    def lines(self, path: Path) -> list[bytes]:
        """What was added to a file since it was read last."""
        found, at = [], self._read.get(path, 0)
        with path.open("rb") as file:
            if file.seek(0, 2) < at:
                at = 0  # another file has taken its place
            file.seek(at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                at += len(line)
                found.append(line)
        self._read[path] = at
        return found


class Follower:
    """Keeps the records of the last seconds of a folder of daily files.

    Args:
        folder: Of the log; may not exist yet.
        seconds: To keep.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self._tail = Tail()
        self._records: list[Record] = []

    def records(self, now: dt.datetime) -> Sequence[Record]:
        """What there is of the last seconds, in the order of time."""
        start = now - dt.timedelta(seconds=self.seconds + SLACK_S)
        for path in log_files(self.folder, start.astimezone(dt.UTC).date()):
            self._records += [record for record in self._new(path) if record.time >= start]
        self._records = sorted((record for record in self._records if record.time >= start), key=lambda one: one.time)
        return self._records

    def _new(self, path: Path) -> list[Record]:
        found = []
        for line in self._tail.lines(path):
            try:
                found.append(record_of(line))
            except ValueError:
                continue
        return found
