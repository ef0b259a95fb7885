"""The files of events, one a day: read by monitoring, shortened when a user asks, deleted when they are old."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aisle.monitor.erase import erase, requests_of
from aisle.serve.security.appending import whole_lines
from aisle.serve.security.event import Hasher, StoredEvent, event_of
from aisle.serve.security.files import locked, replace_private, sync_folder

LOG = logging.getLogger("aisle.serve")


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion took away: events, from how many days, and lines of the logs of requests and experiments."""

    events: int
    days: int
    requests: int = 0


def day_file(folder: Path, day: str) -> Path:
    """The file of a day, YYYY-MM-DD in UTC."""
    return folder / f"{day}.jsonl"


def days(folder: Path) -> list[tuple[dt.date, Path]]:
    """The days there are, oldest first."""
    found = []
    for path in folder.glob("*.jsonl") if folder.is_dir() else ():
        try:
            found.append((dt.date.fromisoformat(path.stem), path))
        except ValueError:
            continue
    return sorted(found)


def read_events(folder: Path, since: dt.date | None = None, until: dt.date | None = None) -> Iterator[StoredEvent]:
    """The events of some days (both ends included, UTC), in the order they came; may run while others are added.

    A line that a crash tore apart is passed over, and the log says how many there were.
    """
    for day, path in days(folder):
        if (since and day < since) or (until and day > until):
            continue
        torn = 0
        for line in whole_lines(path):
            try:
                yield event_of(line)
            except ValueError:
                torn += 1
        if torn:
            LOG.warning("%s has %d lines that are no events", path.name, torn)


def last_events(folder: Path, since: dt.datetime, until: dt.datetime, most: int) -> list[StoredEvent]:
    """The latest events of a window, at most so many, in the order they came; older lines are not even parsed."""
    found: list[StoredEvent] = []
    for day, path in reversed(days(folder)):
        if day > until.astimezone(dt.UTC).date():
            continue
        if day < since.astimezone(dt.UTC).date() or len(found) >= most:
            break
        kept = []
        for line in deque(whole_lines(path), maxlen=most - len(found)):
            try:
                kept.append(event_of(line))
            except ValueError:
                continue
        found = [*(one for one in kept if since <= one.time < until), *found]
    return found


def expire(folder: Path, keep_days: int, today: dt.date) -> int:
    """Delete the days before the last ``keep_days``; returns how many."""
    with locked(folder / "events"):
        old = [path for day, path in days(folder) if (today - day).days >= keep_days]
        for path in old:
            path.unlink()
        if old:
            sync_folder(folder)
    return len(old)


def delete_user(folder: Path, hasher: Hasher, user: str) -> Deleted:
    """Take away a user's events, and those of the same visits that name no user (before signing in).

    The searches that these events name by request id, and those that the log of experiments says are the user's, are
    taken out of the logs of requests and experiments, too. Events that come while this runs may be missed where they
    are of another visit: call it when the user is gone.
    """
    wanted = hasher("user", user)
    visits: set[str] = set()
    for _, path in days(folder):
        visits |= {kept["session"] for _, kept in _kept(path) if kept.get("user") == wanted and kept.get("session")}
    events = touched = 0
    requests: set[str] = set()
    for _, path in days(folder):
        with locked(folder / "events"):
            if not path.exists():
                continue
            stay, gone = [], 0
            for line, kept in _kept(path):
                theirs = kept.get("user") == wanted or (not kept.get("user") and kept.get("session") in visits)
                gone += theirs
                if theirs:
                    requests.add(kept.get("request_id", ""))
                if not theirs:
                    stay.append(line + b"\n")
            if gone:
                replace_private(path, b"".join(stay))
        events, touched = events + gone, touched + bool(gone)
    asked, tried = (folder.with_name(name) for name in ("requests", "experiments"))
    requests |= requests_of(tried, wanted)
    return Deleted(events, touched, sum(erase(log, requests, wanted) for log in (asked, tried)))


def _kept(path: Path) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Each line with what it says; a torn line says nothing."""
    for line in whole_lines(path):
        try:
            kept = json.loads(line)
        except ValueError:
            kept = {}
        yield line, kept if isinstance(kept, dict) else {}
