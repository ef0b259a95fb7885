"""Open a catalogue file of any kind: what format, compression and encoding it has, found from its content.

Yields rows as plain values with their line numbers; knows nothing of products or columns' meanings.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from aisle.catalogue import delimited, json_rows, parquet_rows, shopify
from aisle.catalogue.encoding import find_encoding
from aisle.catalogue.rows import FORMATS, ReadNotes, Row
from aisle.errors import CatalogueError

Format = Literal["csv", "jsonl", "json", "parquet"]
SAMPLE_BYTES = 1 << 20


class GunzipStream(io.RawIOBase):
    """Decompress gzip as far as it goes: a broken end sets ``notes.truncated`` instead of raising."""

    def __init__(self, raw: BinaryIO, notes: ReadNotes) -> None:
        self._raw, self._notes = raw, notes
        self._inflate = zlib.decompressobj(31)
        self._buffer, self._ended = b"", False

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, target: Any) -> int:
        """Fill ``target`` with decompressed bytes; 0 at the end."""
        while not self._buffer and not self._ended:
            self._fill()
        count = min(len(target), len(self._buffer))
        target[:count] = self._buffer[:count]
        self._buffer = self._buffer[count:]
        return count

    def close(self) -> None:
        """Close the file below too."""
        self._raw.close()
        super().close()

    def _fill(self) -> None:
        if self._inflate.eof:  # another member may follow; zero padding may too
            chunk = self._inflate.unused_data.lstrip(b"\0") or self._raw.read(1 << 16).lstrip(b"\0")
            if not chunk:
                self._ended = True
                return
            self._inflate = zlib.decompressobj(31)
        else:
            chunk = self._inflate.unconsumed_tail or self._raw.read(1 << 16)
        if not chunk:
            self._ended = True
            self._notes.truncated = "the compressed data ends early"
            return
        try:
            self._buffer = self._inflate.decompress(chunk, 1 << 18)
        except zlib.error:
            self._ended = True
            self._notes.truncated = "the compressed data is damaged from here on"


@dataclass(slots=True)
class Source:
    """An opened catalogue file. Use as a context manager; ``rows`` may be called again and starts anew."""

    path: Path
    name: str
    gzipped: bool = False
    format: Format = "csv"
    encoding: str = "utf-8"
    delimiter: str = ""
    notes: ReadNotes = field(default_factory=ReadNotes)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open_bytes(self) -> BinaryIO:
        """The content, decompressed, from its start."""
        raw = self.path.open("rb")
        if not self.gzipped:
            return raw
        return io.BufferedReader(GunzipStream(raw, self.notes), 1 << 18)

    def rows(self) -> Iterator[Row]:
        """All rows in order, broken ones included."""
        self.notes.truncated, self.notes.redecoded_lines = "", 0
        if self.format == "parquet":
            return parquet_rows.rows(self.path)
        if self.format == "csv":
            return shopify.complete(delimited.rows(self.open_bytes, self.encoding, self.delimiter, self.notes))
        if self.format == "json":
            return json_rows.array_rows(self.open_bytes, self.encoding, self.notes)
        return json_rows.line_rows(self.open_bytes, self.encoding, self.notes)


def open_source(path: Path) -> Source:
    """Find out what a file is; ``-`` is standard input, kept in a temporary file.

    Raises:
        CatalogueError: The file is missing, empty, unreadable or of another kind.
    """
    stack = ExitStack()
    try:
        return _open(path, stack)
    except BaseException:
        stack.close()
        raise


def _open(path: Path, stack: ExitStack) -> Source:
    name = "standard input" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            path = _spool(sys.stdin.buffer, stack)
        elif path.is_dir():
            raise CatalogueError(f"{name!r} is a folder", allowed=f"one file: {FORMATS}")
        elif path.exists() and not path.is_file():  # a pipe cannot be read twice
            with path.open("rb") as pipe:
                path = _spool(pipe, stack)
        source = Source(path, name, _stack=stack)
        with path.open("rb") as start:
            source.gzipped = start.read(2) == b"\x1f\x8b"
        with source.open_bytes() as content:
            sample = content.read(SAMPLE_BYTES)
        if sample[:4] == b"PAR1":
            source.format = "parquet"
            source.encoding = ""
            if source.gzipped:
                with source.open_bytes() as content:
                    source.path = _spool(content, stack)
            return source
    except OSError as error:
        raise CatalogueError(
            f"cannot read the catalogue {name!r}: {error.strerror or error}", allowed=FORMATS, fix="check the path"
        ) from None
    if not sample.strip(b"\0 \t\r\n"):
        what = source.notes.truncated or "is empty"
        raise CatalogueError(f"the catalogue {name!r} {what}: nothing can be read", allowed=FORMATS)
    source.encoding = find_encoding(sample)
    text = sample.decode(source.encoding, errors="replace").lstrip("\ufeff")
    if _is_binary(text):
        raise CatalogueError(
            f"the catalogue {name!r} is neither text nor Parquet (it begins with {sample[:8]!r})",
            allowed=FORMATS,
            fix="export the catalogue as CSV or JSON Lines",
        )
    start_text = text.lstrip()
    if start_text.startswith("{"):
        source.format = "jsonl"
    elif start_text.startswith("[") and start_text[1:].lstrip()[:1] in {"{", "]", ""}:
        source.format = "json"
    else:
        source.delimiter = delimited.find_delimiter(text, complete=len(sample) < SAMPLE_BYTES)
    return source


def _spool(stream: BinaryIO, stack: ExitStack) -> Path:
    """Copy a stream that cannot be read twice into a temporary file."""
    spool = tempfile.NamedTemporaryFile(prefix="aisle-")  # noqa: SIM115  (the stack closes it)
    stack.callback(spool.close)
    shutil.copyfileobj(stream, spool, 1 << 20)
    spool.flush()
    return Path(spool.name)


def _is_binary(text: str) -> bool:
    """Whether decoded text is no text: over 1% control characters, or over 25% undecodable."""
    sample = text[:65536]
    control = sum(1 for c in sample if (c < " " and c not in "\t\r\n\f\v") or "\x7f" <= c <= "\x9f")
    undecodable = sample.count("\ufffd")
    known = sample.startswith(("PK\x03\x04", "%PDF-", "SQLite format"))
    return known or control * 100 > len(sample) or undecodable * 4 > len(sample)
