"""Token buckets and daily counts that all worker processes share: one small memory-mapped file of fixed size.

A question costs a few microseconds and no write to the disk: the file is memory that outlives a process, so a restart
of the service does not refill buckets; a crash of the machine may. Names (key ids, addresses) are kept as hashes. When
too many names fall on the same places of the table, the one unseen for longest makes room, so that made-up names
cannot make the file grow.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import mmap
import os
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from aisle.errors import ArtifactError
from aisle.serve.security.files import private_folder

_HEADER = struct.Struct("<8sII")
_MAGIC, _FORMAT = b"AISLERTE", 1
_SLOT = struct.Struct("<16sdddII")  # name, tokens, time of them, last seen, day, used that day
_PROBES = 16
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests a minute, at most ``burst`` of them at once, and so many a day (UTC); 0 for no limit."""

    per_minute: int = 0
    burst: int = 0
    per_day: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may go on, and what is left."""

    allowed: bool
    remaining: int
    """Requests that may follow at once."""
    reset_s: int
    """Until the bucket is full again, seconds."""
    retry_after_s: int
    """When to ask again, seconds; 0 where the request is allowed."""
    day_remaining: int
    day_reset_s: int


class RateTable:
    """The shared table; one object for each process, opened after any fork.

    Args:
        path: The file, made where it is missing.
        slots: How many names it holds; 64 bytes hold one.

    Raises:
        ArtifactError: The file is something else.
    """

    def __init__(self, path: Path, slots: int = 8_192) -> None:
        private_folder(path.parent)
        self.path = path
        self._thread = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if os.fstat(self._file).st_size == 0:
                os.ftruncate(self._file, _HEADER.size + slots * _SLOT.size)
                os.pwrite(self._file, _HEADER.pack(_MAGIC, _FORMAT, slots), 0)
            magic, form, held = _HEADER.unpack(os.pread(self._file, _HEADER.size, 0).ljust(_HEADER.size))
            self._slots = int(held)
            size = _HEADER.size + self._slots * _SLOT.size
            if (magic, form) != (_MAGIC, _FORMAT) or os.fstat(self._file).st_size != size:
                raise ArtifactError(f"{str(path)!r} is no table of rates", fix="remove it: counts begin anew")
            self._map = mmap.mmap(self._file, size)
        except BaseException:
            os.close(self._file)
            raise
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def hit(self, name: str, limit: Limit, cost: int = 1, now: float | None = None) -> Verdict:
        """Count a request of a name against its limit; what is refused costs nothing.

        The time is the wall clock. A clock that is set back or ahead refills no more than one bucket and begins no
        more than one new day.
        """
        time_now = time.time() if now is None else now
        digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
        with self._thread:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                place = self._place(digest)
                held = _SLOT.unpack_from(self._map, place)
                verdict, slot = _count(held if held[0] == digest else None, limit, cost, time_now)
                _SLOT.pack_into(self._map, place, digest, *slot)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        return verdict

    def last_seen(self, name: str) -> float | None:
        """When a request of a name last came, in seconds of Unix time."""
        digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
        with self._thread:
            held = _SLOT.unpack_from(self._map, self._place(digest))
        return float(held[3]) if held[0] == digest else None

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        os.close(self._file)

    def _place(self, digest: bytes) -> int:
        """The slot of a name, else a free one, else that of the name unseen for longest."""
        first = int.from_bytes(digest[:8], "little")
        oldest, when = 0, math.inf
        for probe in range(_PROBES):
            place: int = _HEADER.size + (first + probe) % self._slots * _SLOT.size
            held = self._map[place : place + 16]
            if held == digest or held == bytes(16):
                return place
            seen = _SLOT.unpack_from(self._map, place)[3]
            if seen < when:
                oldest, when = place, seen
        return oldest


def _count(
    held: tuple[bytes, float, float, float, int, int] | None, limit: Limit, cost: int, now: float
) -> tuple[Verdict, tuple[float, float, float, int, int]]:
    rate = limit.per_minute / 60
    full = float(limit.burst or limit.per_minute)
    today = int(now // _DAY)
    tokens, day, used = full, today, 0
    if held is not None:
        tokens = min(full, held[1] + max(0.0, now - held[2]) * rate)
        day, used = held[4], held[5]
        if today > day or day - today > 1:  # set back by less than a day: the later day goes on
            day, used = today, 0
    in_bucket = not limit.per_minute or tokens >= cost
    in_day = not limit.per_day or used + cost <= limit.per_day
    day_reset = math.ceil((day + 1) * _DAY - now)
    allowed = in_bucket and in_day
    if allowed:
        tokens, used = tokens - (cost if limit.per_minute else 0), used + cost
    wait = 0 if in_bucket else math.ceil((min(cost, full) - tokens) / rate)
    verdict = Verdict(
        allowed=allowed,
        remaining=math.floor(tokens) if limit.per_minute else 0,
        reset_s=math.ceil((full - tokens) / rate) if rate else 0,
        retry_after_s=0 if allowed else max(1, wait if in_day else day_reset),
        day_remaining=max(0, limit.per_day - used),
        day_reset_s=day_reset,
    )
    return verdict, (tokens, now, now, day, min(used, 2**32 - 1))


def headers_of(limit: Limit, verdict: Verdict) -> dict[str, str]:
    """``RateLimit-Policy``, ``RateLimit`` and, when refused, ``Retry-After`` (IETF draft, structured fields)."""
    policies, states = [], []
    if limit.per_minute:
        policies.append(f'"minute";q={limit.per_minute};w=60')
        states.append(f'"minute";r={verdict.remaining};t={verdict.reset_s}')
    if limit.per_day:
        policies.append(f'"day";q={limit.per_day};w={_DAY}')
        states.append(f'"day";r={verdict.day_remaining};t={verdict.day_reset_s}')
    headers = {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)} if policies else {}
    if not verdict.allowed:
        headers["Retry-After"] = str(verdict.retry_after_s)
    return headers
