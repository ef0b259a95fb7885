"""A listening socket that several processes share evenly. Knows sockets only."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, MutableSequence
from typing import Any

STEP_S, PATIENCE = 0.000_5, 40
"""A connection is left to a process that has fewer for so long, and so many times: one that hangs holds up nobody."""


class Counts:
    """How many connections each process has.

    Args:
        shared: In memory that all of them see: for each its number as a process and its connections; zeros before.
        place: Of this process.
    """

    def __init__(self, shared: MutableSequence[int], place: int) -> None:
        self._shared, self._at = shared, 2 * place
        shared[self._at], shared[self._at + 1] = os.getpid(), 0

    @property
    def own(self) -> int:
        """Of this process."""
        return self._shared[self._at + 1]

    @property
    def others(self) -> tuple[int, ...]:
        """Of each other process that is there."""
        places = range(0, len(self._shared), 2)
        return tuple(self._shared[at + 1] for at in places if at != self._at and _there(self._shared[at]))

    def add(self, more: int) -> None:
        """Count connections of this process; call in one thread."""
        self._shared[self._at + 1] += more


class Connections(set[Any]):
    """Takes the place of a server's set of connections: those that end are counted."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self._counts = counts

    def discard(self, element: Any) -> None:
        """As of any set."""
        if element in self:
            self._counts.add(-1)
        super().discard(element)


class SharedSocket(socket.socket):
    """Takes the place of a listening socket in one process.

    The kernel wakes all processes for a connection, and whoever is quicker has it for as long as it lasts: of eight
    connections two processes would often have six and two, and shoppers behind the six wait.

    Args:
        listening: Is used up: it has no descriptor any more.
        counts: Connections taken are added.
        pause: Waits for so many seconds.
    """

    def __init__(self, listening: socket.socket, counts: Counts, pause: Callable[[float], object] = time.sleep) -> None:
        blocking, kind = listening.getblocking(), (listening.family, listening.type, listening.proto)
        super().__init__(*kind, fileno=listening.detach())
        self.setblocking(blocking)
        self._counts, self._pause = counts, pause
        self._seen: tuple[int, ...] = ()
        self._left = PATIENCE

    def accept(self) -> tuple[socket.socket, Any]:
        """As of any socket; BlockingIOError where another process has fewer connections, or was quicker."""
        others = self._counts.others
        if others != self._seen:
            self._seen, self._left = others, PATIENCE
        if others and self._counts.own > min(others) and self._left:
            self._left -= 1
            self._pause(STEP_S)
            raise BlockingIOError(errno.EAGAIN, "left to a process with fewer connections")
        found = super().accept()
        self._counts.add(1)
        return found


def _there(process: int) -> bool:
    if process <= 0:  # as a number this would be all of our own
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
