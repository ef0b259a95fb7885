"""What shoppers saw and did: impressions, clicks, carts and purchases, one JSON line each, one file a day.

Personal data is masked and users are hashed with a secret before a line is made, so that no file ever holds them. Every
worker process adds to the same files; what waits is written together, with one wait for the disk.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from aisle.serve.faults import Fault, busy
from aisle.serve.security.appending import append
from aisle.serve.security.event import Event, Hasher, line_of
from aisle.serve.security.event_files import Deleted, day_file, delete_user, expire
from aisle.serve.security.files import locked, private_folder
from aisle.serve.steady_clock import SteadyClock

LOG = logging.getLogger("aisle.serve")


class EventStore:
    """The events of one service, as one worker process adds to them.

    Args:
        state: Folder that has the folder ``events`` and the secret ``events.salt``.
        keep_days: Older days are deleted.
        queue: Events that may wait for the disk.
    """

    def __init__(self, state: Path, keep_days: int, queue: int) -> None:
        self.folder = state / "events"
        self.hasher = Hasher(state)
        self._keep_days, self._room = keep_days, queue
        self._waiting: list[tuple[str, bytes, Future[None]]] = []
        self._count = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._clock = SteadyClock()
        self._expired_on: dt.date | None = None

    async def add(self, events: Sequence[Event]) -> None:
        """Keep events; returns when they are on the disk.

        Raises:
            RequestError: An event is not one.
            Fault: 429 where too many wait, 503 where they cannot be written; then none of them is kept.
        """
        if events:
            try:
                await asyncio.shield(asyncio.wrap_future(self._put(events)))
            except OSError as error:
                raise Fault(
                    503,
                    "events_not_kept",
                    f"the events could not be written: {error.strerror}",
                    headers={"Retry-After": "5"},
                ) from error

    def add_now(self, events: Sequence[Event]) -> None:
        """The same from a thread that may wait.

        Raises:
            RequestError: An event is not one.
            Fault: Too many wait.
            OSError: They could not be written.
        """
        if events:
            self._put(events).result()

    def delete_user(self, user: str) -> tuple[str, Deleted]:
        """Delete a user's events, see `aisle.serve.security.event_files.delete_user`; and the hash of the user."""
        return self.hasher("user", user), delete_user(self.folder, self.hasher, user)

    def close(self) -> None:
        """Write what waits and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _put(self, events: Sequence[Event]) -> Future[None]:
        now = dt.datetime.now(dt.UTC)
        lines = b"".join(line_of(event, now, self.hasher) for event in events)
        done: Future[None] = Future()
        with self._changed:
            if self._closing or self._count + len(events) > self._room:
                raise busy(1)
            self._waiting.append((now.date().isoformat(), lines, done))
            self._count += len(events)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="aisle-events", daemon=True)
                self._thread.start()
            self._changed.notify()
        return done

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                batch, self._waiting, self._count = self._waiting, [], 0
                if not batch:
                    return
            days: dict[str, list[tuple[bytes, Future[None]]]] = {}
            for day, lines, done in batch:
                days.setdefault(day, []).append((lines, done))
            for day, parts in days.items():
                self._write(day, parts)
            try:
                self._expire()
            except OSError as error:  # tomorrow again; events go on being written
                LOG.warning("events that are too old could not be removed: %s", error)

    def _write(self, day: str, parts: list[tuple[bytes, Future[None]]]) -> None:
        try:
            private_folder(self.folder)
            with locked(self.folder / "events"):
                append(day_file(self.folder, day), b"".join(lines for lines, _ in parts))
        except Exception as error:
            for _, done in parts:
                done.set_exception(error)
            return
        for _, done in parts:
            if not done.cancelled():
                done.set_result(None)

    def _expire(self) -> None:
        """Once a day, unless the clock has jumped since this process began: then every day looks old."""
        today = dt.datetime.now(dt.UTC).date()
        if today != self._expired_on and not self._clock.jumped:
            self._expired_on = today
            expire(self.folder, self._keep_days, today)
