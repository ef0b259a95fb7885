"""Rows kept in a temporary file instead of in memory. Knows JSON objects only."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

_CHUNK = 1 << 20


class Spool:
    """Append objects, read them again from the start, as often as wanted and by several readers at once."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="aisle-")  # noqa: SIM115  (closed by close)

    def append(self, data: Mapping[str, Any]) -> None:
        """Add one object at the end."""
        self._file.write(json.dumps(data).encode("ascii") + b"\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        position = 0
        while True:
            self._file.seek(position)
            lines = self._file.readlines(_CHUNK)
            if not lines:
                break
            position = self._file.tell()
            for line in lines:
                yield json.loads(line)
        self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
