"""Whether the system's clock was set since this process began: then days that are not over look old."""

from __future__ import annotations

import time

SLACK_S = 3_600.0
"""Daylight saving changes no Unix time, and what a clock loses in a process's life is seconds."""


class SteadyClock:
    """Compares the system's clock with one that nobody can set, since this was made."""

    def __init__(self) -> None:
        self._wall, self._steady = time.time(), time.monotonic()

    @property
    def jumped(self) -> bool:
        """Whether the system's clock is an hour or more from where it should be."""
        return abs((time.time() - self._wall) - (time.monotonic() - self._steady)) > SLACK_S
