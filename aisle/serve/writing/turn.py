"""Commits and switches of an index take turns: no change is made to an index that another one has taken the place of.

A lock file beside the name under which the index is served, shared by whoever commits, alone for whoever switches. The
operating system lets go of it when a process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aisle.build import index_identity


class Replaced(Exception):
    """Another index stands in the folder now."""


class Turn:
    """The right to commit to the index that is served under a name.

    Args:
        folder: The name; may be a link.
        made: Which index it is, `aisle.build.index_identity`.
    """

    def __init__(self, folder: Path, made: int | None) -> None:
        self.folder, self.made = folder, made

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While this lasts no other index takes the place.

        Raises:
            Replaced: One has.
        """
        with _locked(self.folder, fcntl.LOCK_SH):
            if index_identity(self.folder) != self.made:
                raise Replaced(f"another index stands in {str(self.folder)!r}")
            yield


@contextmanager
def switching(folder: Path) -> Iterator[None]:
    """The right to let another index take the place; waits for the commit that is being made."""
    with _locked(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    folder = folder.absolute()
    file = os.open(folder.with_name(f".{folder.name}.switch"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, how)
        yield
    finally:
        os.close(file)
