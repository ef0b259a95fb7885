"""How many cores there are to compute on."""

from __future__ import annotations

import os


def cores() -> int:
    """The cores this process may use, where the system tells; otherwise all there are."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows
        return os.cpu_count() or 1
