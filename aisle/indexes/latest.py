"""The number of a table's latest commit, without asking LanceDB each time, which takes a tenth of a millisecond.

Each commit is a new file in one folder, and changes when that folder was changed. Knows the folder, not the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

SETTLED_NS, FINE_NS = 2_500_000_000, 50_000_000
"""Two changes may have the same time where a file system counts in two seconds: a later time is sure to differ. A time
that is no whole number of hundredths of a second is of one that counts finely, by the ticks of its machine's clock."""


State = tuple[int, int]
"""Inode of the folder of versions, number of the latest commit: equal only where the rows are."""


class Latest:
    """Asks for the version again only where the folder of versions was changed, or was so just now.

    Args:
        folder: Where each commit leaves a file.
        ask: Gives the number of the latest commit, surely.
    """

    def __init__(self, folder: Path, ask: Callable[[], int]) -> None:
        self._folder, self._ask = folder, ask
        self._known: tuple[tuple[int, int], int] | None = None

    def __call__(self) -> int:
        """The number of the latest commit."""
        return self.state()[1]

    def state(self) -> State:
        """The same with which folder it is in: an index made anew in the place counts its commits from 1 again."""
        now = time.time_ns()
        try:
            found = self._folder.stat()
        except OSError:
            return 0, self._ask()
        changed, known = (found.st_ino, found.st_mtime_ns), self._known
        if known is not None and known[0] == changed:
            return found.st_ino, known[1]
        version = self._ask()
        settled = FINE_NS if found.st_mtime_ns % 10_000_000 else SETTLED_NS
        self._known = (changed, version) if now - found.st_mtime_ns > settled else None
        return found.st_ino, version
