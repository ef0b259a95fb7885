"""Rows of a delimited text file: the delimiter, quoted line breaks, ragged rows, quotes that never close.

Knows nothing of columns' meanings. A damaged row never takes its neighbours with it.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from typing import BinaryIO

from aisle.catalogue.encoding import text_lines
from aisle.catalogue.rows import ReadNotes, Row

_DELIMITERS = ",\t;|"
_MAX_ROW_LINES = 10_000  # a quoted field with more line breaks than this is a quote that was never closed
_FIELD_LIMIT = 1 << 30


def find_delimiter(sample: str, *, complete: bool) -> str:
    """The delimiter that splits the first rows most evenly into more than one column; a comma if none does."""
    if not complete:
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, best_score = ",", 0.0
    csv.field_size_limit(_FIELD_LIMIT)
    for delimiter in _DELIMITERS:
        if delimiter not in sample:
            continue
        widths = []
        for cells in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if cells:
                widths.append(len(cells))
            if len(widths) >= 50:
                break
        if not widths or widths[0] < 2:
            continue
        even = sum(width == widths[0] for width in widths) / len(widths)
        score = even * (1 + min(widths[0], 20) / 100)  # equally even: more columns win
        if score > best_score:
            best, best_score = delimiter, score
    return best


def rows(open_bytes: Callable[[], BinaryIO], encoding: str, delimiter: str, notes: ReadNotes) -> Iterator[Row]:
    """Rows as header-to-cell mappings; empty lines are skipped, ragged rows come with a problem."""
    csv.field_size_limit(_FIELD_LIMIT)
    lines = _Lines(text_lines(open_bytes, encoding, notes, newline=""))
    header: list[str] | None = None
    held: Row | None = None
    for cells, row_lines, line_number, closed in _parse(lines, delimiter):
        if held is not None:
            yield held
            held = None
        raw = "".join(row_lines).rstrip("\r\n")
        if not any(cell.strip() for cell in cells) and closed:
            continue
        if header is None:
            header = _header(cells)
            continue
        if not closed:
            held = Row(line_number, None, "a quote opened in this row is never closed", raw)
        elif len(cells) == len(header):
            held = Row(line_number, dict(zip(header, cells, strict=True)))
        elif len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
            if len(row_lines) > 1:  # an unclosed quote may have swallowed the lines below: read those again
                lines.push_back(row_lines[1:])
                raw = row_lines[0].rstrip("\r\n")
            held = Row(line_number, None, f"{len(cells)} cells, but the header has {len(header)}", raw)
        else:
            held = Row(line_number, dict(zip(header, cells, strict=False)))
    if notes.truncated:
        if held is not None and not lines.ended_with_break:
            raw = held.raw or delimiter.join(str(cell) for cell in (held.values or {}).values())
            held = Row(held.line, None, f"{notes.truncated}, inside this row", raw)
        else:
            if held is not None:
                yield held
            held = Row(lines.number + 1, None, f"{notes.truncated}; rows may be missing after this line")
    if held is not None:
        yield held


class _Lines:
    """Physical lines with push-back; counts them and remembers those of the row being read."""

    def __init__(self, source: Iterator[str]) -> None:
        self._source, self._again = source, deque[str]()
        self.number, self.row, self.ran_out, self.ended_with_break = 0, list[str](), False, True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.row) >= _MAX_ROW_LINES:
            self.ran_out = True
            raise StopIteration
        line = self._again.popleft() if self._again else next(self._source, "")
        if not line:
            self.ran_out = bool(self.row)
            raise StopIteration
        self.number += 1
        self.row.append(line)
        self.ended_with_break = line.endswith(("\n", "\r"))
        return line

    def push_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)


def _parse(lines: _Lines, delimiter: str) -> Iterator[tuple[list[str], list[str], int, bool]]:
    """(cells, physical lines, first line's number, whether all quotes closed) for each row."""
    while True:
        lines.row, lines.ran_out = [], False
        first = lines.number + 1
        try:
            cells = next(csv.reader(lines, delimiter=delimiter))
        except StopIteration:
            return
        except csv.Error as error:  # a line break inside an unquoted field, a field beyond the limit
            cells, lines.ran_out = [f"{error}"], True
        row_lines = lines.row
        if lines.ran_out:
            lines.push_back(row_lines[1:])
            row_lines = row_lines[:1]
        yield cells, row_lines, first, not lines.ran_out


def _header(cells: list[str]) -> list[str]:
    """Column names: trimmed, unnamed ones numbered, repeated ones told apart."""
    names: list[str] = []
    for position, cell in enumerate(cells, start=1):
        name = base = cell.strip().lstrip("\ufeff") or f"column_{position}"
        copy = 2
        while name in names:
            name, copy = f"{base}_{copy}", copy + 1
        names.append(name)
    while len(names) > 1 and names[-1] == f"column_{len(names)}" and not cells[len(names) - 1].strip():
        names.pop()  # a delimiter at the end of every line is no column
    return names
