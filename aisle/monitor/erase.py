"""Lines of daily logs taken out again: when somebody asks that what is known of them be deleted."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Collection
from pathlib import Path

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


def _theirs(line: bytes, request_ids: Collection[str], user: str) -> bool:
    try:
        kept = json.loads(line)
    except ValueError:
        return False
    if not isinstance(kept, dict):
        return False
    return kept.get("request_id") in request_ids or bool(user and kept.get("user") == user)
