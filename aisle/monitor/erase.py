"""Lines of daily logs taken out again: when somebody asks that what is known of them be deleted."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from aisle.monitor.records import log_files


def erase(folder: Path, request_ids: Collection[str], user: str = "") -> int:
    """Overwrite lines of some requests or of a user with blanks, in place: others are added, and readers' places hold.

    Args:
        folder: Of daily files; none is nothing to erase.
        request_ids: As the lines have them.
        user: The hash that lines may have.

    Returns:
        How many lines.
    """
    wanted = {name for name in request_ids if name}
    erased = 0
    for path in log_files(folder, dt.date.min) if wanted or user else ():
        with path.open("rb") as lines, path.open("r+b", buffering=0) as writing:
            at = 0
            for line in lines:
                if line.endswith(b"\n") and _theirs(line, wanted, user):
                    os.pwrite(writing.fileno(), b" " * (len(line) - 1), at)
                    erased += 1
                at += len(line)
            if erased:
                os.fsync(writing.fileno())
    return erased


def requests_of(folder: Path, user: str) -> set[str]:
    """The ids of the requests that lines of daily logs say a user made.

    Args:
        folder: Of daily files.
        user: The hash that lines may have.
    """
    found = set()
    for path in log_files(folder, dt.date.min):
        with path.open("rb") as lines:
            for line in lines:
                kept = _read(line)
                if kept.get("user") == user and kept.get("request_id"):
                    found.add(str(kept["request_id"]))
    return found


def _theirs(line: bytes, request_ids: Collection[str], user: str) -> bool:
    kept = _read(line)
    return kept.get("request_id") in request_ids or bool(user and kept.get("user") == user)


def _read(line: bytes) -> dict[str, Any]:
    """What a line says; a torn or blank one says nothing."""
    try:
        kept = json.loads(line)
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}
