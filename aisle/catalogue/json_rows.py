"""Rows of JSON Lines or of one JSON array, read piece by piece.

Knows nothing of columns' meanings. A line that is not a JSON object comes with the reason.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from aisle.catalogue.encoding import text_lines
from aisle.catalogue.rows import ReadNotes, Row

_CHUNK = 1 << 18
_MAX_RECORD = 64 << 20


def line_rows(open_bytes: Callable[[], BinaryIO], encoding: str, notes: ReadNotes) -> Iterator[Row]:
    """One row per line; blank lines are skipped."""
    number, whole = 0, True
    for number, line in enumerate(text_lines(open_bytes, encoding, notes, newline="\n"), start=1):
        whole = line.endswith("\n")
        text = line.strip().lstrip("\ufeff")
        if not text:
            continue
        value, problem = _decode(text)
        if problem and notes.truncated and not whole:
            yield Row(number, None, f"{notes.truncated}, inside this row", text)
            return
        yield _row(number, value, problem, text)
    if notes.truncated:
        yield Row(number + 1, None, f"{notes.truncated}; rows may be missing after this line")


def array_rows(open_bytes: Callable[[], BinaryIO], encoding: str, notes: ReadNotes) -> Iterator[Row]:
    """One row per element of a JSON array; ``line`` counts the elements.

    After a broken element the rest cannot be told apart and is one row with a problem.
    """
    decoder = json.JSONDecoder()
    errors = "replace"
    with io.TextIOWrapper(open_bytes(), encoding=encoding, errors=errors) as text:
        buffer = text.read(_CHUNK).lstrip("\ufeff \t\r\n")[1:]  # without the opening bracket
        number, ended = 0, False
        while True:
            buffer = buffer.lstrip(" \t\r\n,")
            if buffer.startswith("]"):
                rest = buffer[1:].strip() or text.read(_CHUNK).strip()
                if rest:
                    yield Row(number + 1, None, "text after the end of the JSON array", rest)
                return
            try:
                value, end = decoder.raw_decode(buffer) if buffer else (None, 0)
                # A number or word at the very end of the buffer may go on in the next chunk.
                if end and (end < len(buffer) or ended):
                    number += 1
                    yield _row(number, value, "", buffer[:end])
                    buffer = buffer[end:]
                    continue
                problem = "the JSON array ends early"
            except (ValueError, RecursionError) as error:
                problem = f"not valid JSON: {_short(error)}"
            # Read ahead in growing steps, so that a long element is not parsed once per small chunk.
            more = text.read(max(_CHUNK, len(buffer))) if len(buffer) < _MAX_RECORD else ""
            if more:
                buffer += more
                continue
            if ended or not buffer:
                reason = notes.truncated or problem
                yield Row(number + 1, None, f"{reason}; what follows cannot be read", buffer)
                return
            ended = True


def _decode(text: str) -> tuple[Any, str]:
    try:
        return json.loads(text), ""
    except (ValueError, RecursionError) as error:
        return None, f"not valid JSON: {_short(error)}"


def _row(number: int, value: Any, problem: str, raw: str) -> Row:
    if problem:
        return Row(number, None, problem, raw)
    if not isinstance(value, dict):
        return Row(number, None, f"a JSON {type(value).__name__} where an object is expected", raw)
    return Row(number, value)


def _short(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
