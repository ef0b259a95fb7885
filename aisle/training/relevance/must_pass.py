"""The orders that a model must get right whatever its mean: a table of query, better text and worse text."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from aisle.errors import JudgmentError
from aisle.judgments.files import read_text

COLUMNS = ("query", "better", "worse")


def read_must_pass(path: Path) -> list[tuple[str, str, str]]:
    """Read a comma- or tab-separated table with the columns query, better, worse.

    Raises:
        JudgmentError: The file cannot be read, lacks a column or has an empty cell.
    """
    text = read_text(path, "must-pass queries")
    first = text.lstrip().split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in first else ",")
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise JudgmentError(
            f"{str(path)!r} has no column {', '.join(missing)}", allowed=f"a table with {', '.join(COLUMNS)}"
        )
    found: list[tuple[str, str, str]] = []
    for row in reader:
        query, better, worse = ((row[name] or "").strip() for name in COLUMNS)
        if not (query and better and worse):
            raise JudgmentError(f"{path}, line {reader.line_num}: a cell is empty", fix="complete or remove the line")
        found.append((query, better, worse))
    return found
