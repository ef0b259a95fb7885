"""What this process has answered lately, minute by minute, and its last searches with personal data masked.

An observer of `aisle.serve.facts`; kept in memory alone. Other processes have their own.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from threading import Lock

from aisle.monitor.records import incomplete
from aisle.serve.facts import Facts
from aisle.serve.redact import redact

MINUTES = 60
SEARCHES = 30
_MOST_TIMES = 2_000
"""Times of a minute that are kept for its percentiles."""
_MOST_QUERY = 200


@dataclass(slots=True)
class Minute:
    """What was answered within a minute; ``start`` is in minutes since 1970."""

    start: int
    searches: int = 0
    zero: int = 0
    degraded: int = 0
    refused: int = 0
    times_ms: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """The time within which this share of the searches was answered; 0 where there was none."""
        times = sorted(self.times_ms)
        return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0


@dataclass(frozen=True, slots=True)
class Searched:
    """One search."""

    at: float
    query: str
    mode: str
    total: int
    ms: float
    degraded: tuple[str, ...]


class Recent:
    """The last hour and the last searches of this process."""

    def __init__(self) -> None:
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self._searches: deque[Searched] = deque(maxlen=SEARCHES)
        self._lock = Lock()

    def __call__(self, facts: Facts) -> None:
        """Take note of one request."""
        now = time.time()
        with self._lock:
            minute = self._minute(int(now // 60))
            minute.refused += facts.status == 429
            if not facts.searched:
                return
            minute.searches += 1
            minute.zero += facts.zero
            minute.degraded += incomplete(facts.degraded)
            if len(minute.times_ms) < _MOST_TIMES:
                minute.times_ms.append(facts.total_ms)
            self._searches.append(Searched(now, facts.query, facts.mode, facts.total, facts.total_ms, facts.degraded))

    def minutes(self) -> list[Minute]:
        """The last hour, the oldest minute first; minutes without requests are there too."""
        last = int(time.time() // 60)
        with self._lock:
            known = {one.start: one for one in self._minutes}
        return [known.get(start) or Minute(start) for start in range(last - MINUTES + 1, last + 1)]

    def searches(self) -> list[Searched]:
        """The last searches, the latest first, without secrets and with personal data masked: few are ever shown."""
        with self._lock:
            found = list(self._searches)
        return [
            replace(one, query=redact(one.query)[:_MOST_QUERY], degraded=tuple(map(redact, one.degraded)))
            for one in found[::-1]
        ]

    def _minute(self, start: int) -> Minute:
        if not self._minutes or self._minutes[-1].start < start:
            self._minutes.append(Minute(start))
        return self._minutes[-1]
