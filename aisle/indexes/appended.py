"""A file of lines that is only ever appended to: one process writes, any number follow it as it grows.

Knows lines, not what they say.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class AppendedLines:
    """The lines of a file, each given out once.

    Not safe among threads by itself: whoever keeps what the lines say holds a lock while following.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def append(self, lines: Iterable[str]) -> None:
        """Write lines at the end. Call after ``fresh``, with the writer's lock held."""
        with self.path.open("ab") as file:
            broken = file.tell() > self._read  # a kill left half a line
            file.write(("\n" * broken + "\n".join(lines) + "\n").encode())

    def fresh(self) -> list[str]:
        """The lines appended since the last time, whole ones only."""
        try:
            if self.path.stat().st_size == self._read:
                return []
            with self.path.open("rb") as file:
                file.seek(self._read)
                added = file.read()
        except FileNotFoundError:
            return []
        whole = added[: added.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace").split("\n")[:-1]
