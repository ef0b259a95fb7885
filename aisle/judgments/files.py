"""Text files in and out, plain or gzipped. Knows nothing of what they hold."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

from aisle.errors import JudgmentError

_GZIP = b"\x1f\x8b"


def read_text(path: Path, what: str) -> str:
    """The text of a UTF-8 file without its byte-order mark; gzip is known by its first bytes, not by its name.

    Args:
        path: The file.
        what: What it should hold, for messages: "judgments", "a run".

    Raises:
        JudgmentError: The file cannot be read, is not UTF-8 or holds nothing.
    """
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise JudgmentError(f"cannot read {what} from {str(path)!r}: {reason}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JudgmentError(
            f"{path}, line {line}: not UTF-8",
            allowed="text in UTF-8, plain or gzipped",
            fix="convert the file to UTF-8",
        ) from None
    if not text.strip():
        raise JudgmentError(f"{str(path)!r} is empty", allowed=f"a file that holds {what}")
    return text


def lines_of(text: str) -> list[str]:
    r"""The lines without their endings (``\n`` or ``\r\n``); nothing else is taken off, and no other mark splits."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines, each with its ending, through a temporary file; gzipped where the name ends in ``.gz``.

    A pipe or device, such as ``/dev/stdout``, is written to; a link stays, and the file that it names is written.

    Raises:
        JudgmentError: The file cannot be written.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as device:
                _write(device, lines, packed=False)
            return
        final = path.resolve()
        temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                _write(file, lines, packed=path.suffix == ".gz")
            temporary.replace(final)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise JudgmentError(f"cannot write {str(path)!r}: {error.strerror or error}") from None


def _write(file: IO[bytes], lines: Iterable[str], *, packed: bool) -> None:
    if packed:
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as inner:
            _write(cast(IO[bytes], inner), lines, packed=False)
        return
    for line in lines:
        file.write(line.encode("utf-8"))
