"""What is wrong with the processes of a service: a file that the supervisor keeps, and workers tell of.

A worker knows of itself alone; the supervisor knows all of them, and answers nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

STATE = "processes.json"


def keep_troubles(folder: Path, troubles: Mapping[str, str]) -> None:
    """Leave what is wrong, by the name of the process; of one that is well nothing.

    Args:
        folder: Of the processes' sockets.
        troubles: Such as ``{"worker 2": "cannot start: ..."}``.

    Raises:
        OSError: The disk is full.
    """
    begun = folder / f".{STATE}"  # readers see the old or the new
    begun.write_text(json.dumps(troubles, ensure_ascii=False), encoding="utf-8", errors="replace")
    begun.replace(folder / STATE)


def troubles_in(folder: Path | None) -> dict[str, str]:
    """What is wrong now; nothing where no supervisor says so."""
    if folder is None:
        return {}
    try:
        found: dict[str, str] = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found
