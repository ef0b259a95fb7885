"""What every reader of catalogue files yields. Knows no format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FORMATS = "CSV, TSV, JSON Lines, a JSON array or Parquet, each also gzipped"


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read: its values, or the reason why there are none.

    ``line`` counts physical lines from 1; in Parquet and JSON arrays it counts records.
    """

    line: int
    values: dict[str, Any] | None
    problem: str = ""
    raw: str = ""


@dataclass(slots=True)
class ReadNotes:
    """What reading found out on the way."""

    truncated: str = ""
    redecoded_lines: int = 0
