"""The log of requests: one JSON object a line, one file a day. What a line holds, and reading it again.

Queries are masked before they are a line; who asked is not in it. Knows nothing of the server that writes it.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from aisle.errors import ArtifactError
from aisle.privacy import mask

VERSION = 1
QUERY_CHARS = 500
INCOMPLETE = ("the deadline of ", "it failed: ")
"""What a ranking's notes say where a deadline or a failure left something out; others tell what it could not read."""
SCORES = 20
"""Scores of a page that are kept."""


def incomplete(degraded: Iterable[str]) -> bool:
    """Whether one of these notes tells of a deadline or of a failure."""
    return any(said in note for note in degraded for said in INCOMPLETE)


@dataclass(frozen=True, slots=True)
class Record:
    """One request as the log keeps it.

    Attributes:
        time: When the answer was sent, with its zone.
        request_id: As in the answer's header.
        method: Of HTTP.
        route: The path's pattern.
        status: Of HTTP; 499 where the client left first.
        total_ms: To the end of the answer.
        queue_ms: Of it, waiting for a thread.
        stages: Of it, the stages of a search, in ms.
        query: Masked.
        mode: Of a search.
        searched: Whether this was a search that was answered.
        total: Candidates ranked.
        shown: Products on the page.
        cut: Candidates cut off.
        degraded: What was left out.
        scores: Of the page, best first, at most `SCORES`.
        index_version: Of the products.
        variant: Of an experiment.
        trace_id: Of the trace that the request is part of, where it is traced.
    """

    time: dt.datetime
    request_id: str = ""
    method: str = ""
    route: str = ""
    status: int = 200
    total_ms: float = 0.0
    queue_ms: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    query: str = ""
    mode: str = ""
    searched: bool = False
    total: int = 0
    shown: int = 0
    cut: int = 0
    degraded: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    index_version: int = 0
    variant: str = ""
    trace_id: str = ""

    @property
    def incomplete(self) -> bool:
        """Whether a deadline or a failure left something out."""
        return incomplete(self.degraded)

    @property
    def zero(self) -> bool:
        """Whether a search found nothing."""
        return self.searched and self.total == 0


def kept_query(query: str) -> str:
    """A query as logs keep it: masked, then cut at 500 characters, so that no part of what was masked is left."""
    return mask(query)[:QUERY_CHARS]


def kept_id(name: str) -> str:
    """An identifier as logs keep it; of one that reads like personal data a hash, so that two never become one."""
    return name if mask(name) == name else "id-" + blake2b(name.encode("utf-8", "replace"), digest_size=8).hexdigest()


def line_of(record: Record) -> bytes:
    """A record as a line with its end: masked, cut, empty fields left out."""
    kept = {
        "request_id": kept_id(record.request_id),
        "method": record.method,
        "route": record.route,
        "total_ms": _short(record.total_ms),
        "queue_ms": _short(record.queue_ms),
        "stages": {name: _short(ms) for name, ms in record.stages.items()},
        "query": kept_query(record.query),
        "mode": record.mode,
        "searched": record.searched,
        "total": record.total,
        "shown": record.shown,
        "cut": record.cut,
        "degraded": [mask(what) for what in record.degraded],
        "scores": [float(f"{score:.5g}") for score in record.scores[:SCORES] if math.isfinite(score)],
        "index_version": record.index_version,
        "variant": mask(record.variant),
        "trace_id": record.trace_id,
    }
    short = {name: value for name, value in kept.items() if value not in ("", 0, False, [], {})}
    head = {"v": VERSION, "time": record.time.isoformat(timespec="milliseconds"), "status": record.status}
    return encoded(head | short)


def encoded(kept: Mapping[str, object]) -> bytes:
    """Plain data as a line of a log with its end."""
    text = json.dumps(kept, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def record_of(line: bytes) -> Record:
    """A line as a record.

    Raises:
        ValueError: It is none.
    """
    try:
        kept = json.loads(line)
        if kept["v"] != VERSION:
            raise ValueError(f"version {kept['v']!r}")
        time = dt.datetime.fromisoformat(kept["time"])
        return Record(
            time=time if time.tzinfo else time.replace(tzinfo=dt.UTC),
            request_id=str(kept.get("request_id", "")),
            method=str(kept.get("method", "")),
            route=str(kept.get("route", "")),
            status=int(kept["status"]),
            total_ms=float(kept.get("total_ms", 0.0)),
            queue_ms=float(kept.get("queue_ms", 0.0)),
            stages={str(name): float(ms) for name, ms in kept.get("stages", {}).items()},
            query=str(kept.get("query", "")),
            mode=str(kept.get("mode", "")),
            searched=bool(kept.get("searched", False)),
            total=int(kept.get("total", 0)),
            shown=int(kept.get("shown", 0)),
            cut=int(kept.get("cut", 0)),
            degraded=tuple(str(what) for what in kept.get("degraded", ())),
            scores=tuple(float(score) for score in kept.get("scores", ())),
            index_version=int(kept.get("index_version", 0)),
            variant=str(kept.get("variant", "")),
            trace_id=str(kept.get("trace_id", "")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no record: {error}") from None


@dataclass(frozen=True, slots=True)
class Log:
    """Records in the order of time, and how many lines were none."""

    records: tuple[Record, ...]
    torn: int = 0


def read_log(path: Path, since: dt.datetime | None = None, until: dt.datetime | None = None) -> Log:
    """The records of a log file, or of all days of a folder.

    Args:
        path: A file, or a folder of ``YYYY-MM-DD.jsonl`` files.
        since: Records from this moment on.
        until: Records before this moment.

    Raises:
        ArtifactError: There is no log, or no line of it is a record.
    """
    found: list[Record] = []
    torn = 0
    for file in log_files(path, since.astimezone(dt.UTC).date() if since else None):
        for line in whole_lines(file):
            try:
                record = record_of(line)
            except ValueError:
                torn += 1
                continue
            if (since is None or record.time >= since) and (until is None or record.time < until):
                found.append(record)
    if torn and not found:
        raise ArtifactError(
            f"{str(path)!r} holds {torn:,} lines, and no record of requests among them",
            allowed="the log that `aisle serve` writes: INDEX.state/requests, or a file of it",
        )
    found.sort(key=lambda record: record.time)  # several workers write to one file
    return Log(tuple(found), torn)


def log_files(path: Path, since: dt.date | None = None) -> list[Path]:
    """The files of a log, oldest first; a folder's only from a day on.

    Raises:
        ArtifactError: There is no such log.
    """
    if path.is_file():
        return [path]
    found = []
    for file in path.glob("*.jsonl") if path.is_dir() else ():
        try:
            day = dt.date.fromisoformat(file.stem)
        except ValueError:
            continue
        if since is None or day >= since:
            found.append((day, file))
    if not found and since is None:
        raise ArtifactError(
            f"no log of requests at {str(path)!r}",
            allowed="a folder with YYYY-MM-DD.jsonl files, or one such file",
            fix="name INDEX.state/requests of a service that keeps a log ([monitor] log = true)",
        )
    return [file for _, file in sorted(found)]


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a log that were written to their end; erased ones are left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and line.strip():
                yield line


def _short(number: float) -> float:
    return round(number, 3) if math.isfinite(number) else 0.0
