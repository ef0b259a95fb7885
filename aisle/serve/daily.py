"""Lines of a daily file, written by a thread: who has one to write never waits for the disk.

What the thread has no room for is left out and counted. Several processes write to one file, each line whole.
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
from typing import Generic, TypeVar

from aisle.monitor.experiments import PageLine, ShadowLine
from aisle.monitor.records import Record, log_files
from aisle.serve.redact import redact
from aisle.serve.security.files import private_folder
from aisle.serve.steady_clock import SteadyClock

LOG = logging.getLogger("aisle.serve")
WAITING = 10_000
AT_ONCE = 500
GATHER_S = 0.2
"""Lines of so long are written together: one at a time they take 4% of the time of what they tell of."""


T = TypeVar("T", bound=Record | PageLine | ShadowLine)


class DailyLog(Generic[T]):
    """Writes to ``FOLDER/YYYY-MM-DD.jsonl`` (UTC), readable by the owner alone.

    Args:
        folder: Of the files; made with the first line.
        line: What is kept, as a line with its end; called in the thread, when keys and tokens that somebody pasted as a
            query are gone. Personal data is masked with the line.
        what: Named in warnings, such as "the log of requests".
        keep_days: Older days are deleted when a new one begins.
        most_bytes: Of one day; what comes then is left out until the next day.
    """

    def __init__(
        self, folder: Path, line: Callable[[T], bytes], what: str, keep_days: int = 30, most_bytes: int = 1 << 30
    ) -> None:
        self.folder, self.what, self.keep_days, self.most_bytes = folder, what, keep_days, most_bytes
        self.dropped = 0
        self._line, self._day, self._told = line, "", ""
        self._waiting: queue.Queue[T | None] = queue.Queue(WAITING)
        self._ending = threading.Event()
        self._clock = SteadyClock()
        self._thread = threading.Thread(target=self._write, name=what, daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Take one; never waits."""
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, and end."""
        self._ending.set()
        try:
            self._waiting.put(None, timeout=10)
        except queue.Full:  # a disk that stands still must not keep the process from ending
            return
        self._thread.join(10)

    def _write(self) -> None:
        ending = False
        while not ending:
            items: list[T] = []
            taken = self._waiting.get()
            self._ending.wait(GATHER_S)
            while taken is not None:
                items.append(taken)
                if len(items) == AT_ONCE or self._waiting.empty():
                    break
                taken = self._waiting.get()
            ending = taken is None
            by_day: dict[str, list[bytes]] = {}
            for item in items:
                try:
                    line = self._line(replace(item, query=redact(item.query, personal=False)))
                except Exception as error:  # one line that cannot be written must not end the log
                    self.dropped += 1
                    self._tell(f"a line of {self.what} cannot be written: {type(error).__name__}: {error}")
                    continue
                by_day.setdefault(item.time.date().isoformat(), []).append(line)
            for day, lines in by_day.items():
                try:
                    self._append(day, lines)
                except OSError as error:  # a full disk must not end searching
                    self.dropped += len(lines)
                    self._tell(f"{self.what} cannot be written: {error.strerror or error}")

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
                self._tell(f"{self.what} of {day} is full ({self.most_bytes:,} bytes)")
                return
            if os.write(file, data) < len(data):  # one call, so that lines of several workers do not mix
                os.write(file, b"\n")
                raise OSError("written in part")
        finally:
            os.close(file)

    def _expire(self, today: dt.date) -> None:
        if self._clock.jumped:  # every day would look old
            return
        for path in log_files(self.folder, dt.date.min):
            if (today - dt.date.fromisoformat(path.stem)).days >= self.keep_days:
                path.unlink(missing_ok=True)

    def _tell(self, what: str) -> None:
        if what != self._told:
            LOG.warning("%s; requests are answered, but not logged", what)
            self._told = what
