"""Commits and switches of an index take turns: no change is made to an index that another one has taken the place of.

A lock file beside the name under which the index is served, shared by whoever commits, alone for whoever switches. The
operating system lets go of it when a process ends, however it ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from aisle.artifacts import turn_of
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
        self._home = folder.resolve()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While this lasts no other index takes the place.

        Raises:
            Replaced: One has.
        """
        with ExitStack() as held:
            for name in dict.fromkeys((self.folder.absolute(), self._home)):  # `aisle index` asks for the home's alone
                held.enter_context(turn_of(name, fcntl.LOCK_SH))
            if index_identity(self.folder) != self.made:
                raise Replaced(f"another index stands in {str(self.folder)!r}")
            yield


@contextmanager
def switching(folder: Path) -> Iterator[None]:
    """The right to let another index take the place; waits for the commit that is being made."""
    with turn_of(folder, fcntl.LOCK_EX):
        yield
