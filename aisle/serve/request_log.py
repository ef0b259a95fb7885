"""The log of requests: an observer that hands each request to a thread, which writes it as a line of a daily file.

A request never waits for the disk: what the thread has no room for is left out and counted. Several workers write to
one file, each line whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from aisle.monitor.records import Record, line_of
from aisle.serve.daily import DailyLog
from aisle.serve.facts import Facts

FOLDER = "requests"
_KEPT = tuple(one.name for one in fields(Record) if one.name != "time")
"""Of the facts of a request, under the same names."""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class RequestLog:
    """Writes requests to ``FOLDER/YYYY-MM-DD.jsonl`` (UTC), readable by the owner alone.

    Args:
        folder: Of the files; made with the first line.
        keep_days: Older days are deleted when a new one begins.
        most_bytes: Of one day; what comes then is left out until the next day.
        clock: Tells the time.
    """

    def __init__(
        self,
        folder: Path,
        keep_days: int = 30,
        most_bytes: int = 1 << 30,
        clock: Callable[[], dt.datetime] = _now,
    ) -> None:
        self._clock = clock
        self._file = DailyLog(folder, line_of, "the log of requests", keep_days, most_bytes)

    @property
    def dropped(self) -> int:
        """Requests that were left out."""
        return self._file.dropped

    def __call__(self, facts: Facts) -> None:
        """Take one request; never waits."""
        if facts.route.startswith(("/health", "/metrics")):
            return  # probes would be most of the log
        kept = {name: getattr(facts, name) for name in _KEPT}
        self._file.put(Record(time=self._clock(), **kept))

    def close(self) -> None:
        """Write what waits, and end."""
        self._file.close()
