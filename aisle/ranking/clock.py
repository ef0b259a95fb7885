"""Times the stages of one search against its deadline."""

from __future__ import annotations

import time


class Clock:
    """Begins when it is made.

    Args:
        deadline_ms: Milliseconds that the search may take; None for as many as it needs.
        waited_ms: Those of them that are over already.
    """

    def __init__(self, deadline_ms: float | None, waited_ms: float = 0.0) -> None:
        self._start = self._last = time.perf_counter()
        self.deadline_ms, self._waited_ms = deadline_ms, waited_ms
        self.laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """End a stage: what passed since the last one is its time, in milliseconds."""
        now = time.perf_counter()
        self.laps[stage] = self.laps.get(stage, 0.0) + (now - self._last) * 1000
        self._last = now

    @property
    def left_ms(self) -> float:
        """Milliseconds until the deadline; below 0 after it, infinite without one."""
        if self.deadline_ms is None:
            return float("inf")
        return self.deadline_ms - self._waited_ms - (time.perf_counter() - self._start) * 1000

    def keeping(self, ms: float) -> Clock:
        """The same deadline for a stage that must leave so many milliseconds to the one after it."""
        found = Clock(self.deadline_ms, self._waited_ms + ms)
        found._start = self._start
        return found

    @property
    def spent(self) -> bool:
        """Whether the deadline has passed."""
        return self.left_ms <= 0
