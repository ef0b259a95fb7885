"""The log of requests: an observer that hands each request to a thread, which writes it as a line of a daily file.

A request never waits for the disk: what the thread has no room for is left out and counted. Several workers write to
one file, each line whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aisle.monitor.records import Record, line_of
from aisle.serve.daily import DailyLog
from aisle.serve.facts import Facts
from aisle.serve.redact import redact

FOLDER = "requests"


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
        self._file = DailyLog(folder, _line, "the log of requests", keep_days, most_bytes)

    @property
    def dropped(self) -> int:
        """Requests that were left out."""
        return self._file.dropped

    def __call__(self, facts: Facts) -> None:
        """Take one request; never waits."""
        if facts.route.startswith(("/health", "/metrics")):
            return  # probes would be most of the log
        record = Record(
            time=self._clock(),
            request_id=facts.request_id,
            method=facts.method,
            route=facts.route,
            status=facts.status,
            total_ms=facts.total_ms,
            queue_ms=facts.queue_ms,
            stages=dict(facts.stages),
            query=facts.query,
            mode=facts.mode,
            searched=facts.searched,
            total=facts.total,
            shown=facts.shown,
            cut=facts.cut,
            degraded=facts.degraded,
            scores=facts.scores,
            index_version=facts.index_version,
            variant=facts.variant,
        )
        self._file.put(record)

    def close(self) -> None:
        """Write what waits, and end."""
        self._file.close()


def _line(record: Record) -> bytes:
    """Without keys and tokens that somebody pasted as a query; personal data is masked with the line."""
    return line_of(replace(record, query=redact(record.query, personal=False)))
