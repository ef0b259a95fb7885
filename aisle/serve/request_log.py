"""The log of requests: an observer that hands each request to a thread, which writes it as a line of a daily file.

A request never waits for the disk: what the thread has no room for is left out and counted. Several workers write to
one file, each line whole.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aisle.monitor.records import Record, line_of, log_files
from aisle.serve.facts import Facts
from aisle.serve.redact import redact
from aisle.serve.security.files import private_folder

LOG = logging.getLogger("aisle.serve")
WAITING = 10_000
AT_ONCE = 500
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
        self.folder, self.keep_days, self.most_bytes = folder, keep_days, most_bytes
        self.dropped = 0
        self._clock, self._day, self._told = clock, "", ""
        self._waiting: queue.Queue[Record | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._write, name="request log", daemon=True)
        self._thread.start()

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
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, and end."""
        self._waiting.put(None)
        self._thread.join(10)

    def _write(self) -> None:
        ending = False
        while not ending:
            records: list[Record] = []
            taken = self._waiting.get()
            while taken is not None:
                records.append(taken)
                if len(records) == AT_ONCE or self._waiting.empty():
                    break
                taken = self._waiting.get()
            ending = taken is None
            by_day: dict[str, list[bytes]] = {}
            for record in records:
                by_day.setdefault(record.time.date().isoformat(), []).append(line_of(_safe(record)))
            for day, lines in by_day.items():
                try:
                    self._append(day, lines)
                except OSError as error:  # a full disk must not end searching
                    self.dropped += len(lines)
                    self._tell(f"the log of requests cannot be written: {error.strerror or error}")

    def _append(self, day: str, lines: list[bytes]) -> None:
        if day != self._day:
            private_folder(self.folder)
            self._expire(dt.date.fromisoformat(day))
            self._day = day
        file = os.open(self.folder / f"{day}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            data = b"".join(lines)
            if os.fstat(file).st_size + len(data) > self.most_bytes:
                self.dropped += len(lines)
                self._tell(f"the log of requests of {day} is full ({self.most_bytes:,} bytes)")
                return
            if os.write(file, data) < len(data):  # one call, so that lines of several workers do not mix
                os.write(file, b"\n")
                raise OSError("written in part")
        finally:
            os.close(file)

    def _expire(self, today: dt.date) -> None:
        for path in log_files(self.folder, dt.date.min):
            if (today - dt.date.fromisoformat(path.stem)).days >= self.keep_days:
                path.unlink(missing_ok=True)

    def _tell(self, what: str) -> None:
        if what != self._told:
            LOG.warning("%s; requests are answered, but not logged", what)
            self._told = what


def _safe(record: Record) -> Record:
    """Without keys and tokens that somebody pasted as a query; personal data is masked with the line."""
    return replace(record, query=redact(record.query, personal=False))
