"""Lines added to a file that several processes write: whole or not at all, on the disk before anybody is told.

A line that a crash tore apart stays where it is, without an end, and the next line begins on its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from aisle.serve.security.files import sync_folder

_TAIL = 65_536


def append(path: Path, lines: bytes) -> None:
    """Add whole lines and wait until they are on the disk; the caller holds the lock of the folder.

    Raises:
        OSError: They could not be written; then none of them is in the file.
    """
    new = not path.exists()
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        data = memoryview((b"\n" if torn else b"") + lines)
        try:
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
    finally:
        os.close(file)
    if new:
        sync_folder(path.parent)


def last_line(path: Path) -> bytes:
    """The last whole line of a file without its end, b"" where there is none."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        length = min(size, _TAIL)
        while True:
            file.seek(size - length)
            whole, _, _ = file.read(length).rpartition(b"\n")
            _, found, line = whole.rpartition(b"\n")
            if found or length == size:
                return line
            length = min(size, length * 4)


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that have an end, without it."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n") and len(line) > 1:
                yield line[:-1]
