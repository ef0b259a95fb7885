"""A listening socket that several processes share evenly. Knows sockets only."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

STEP_S, MOST_S = 0.000_25, 0.002
"""A process leaves the next connection to the others for so long for each that it has; at most."""


class SharedSocket(socket.socket):
    """Takes the place of a listening socket in one process.

    The kernel wakes all processes for a connection, and whoever is quicker has it for as long as it lasts: of eight
    connections two processes would often have six and two, and shoppers behind the six wait.

    Args:
        listening: Is used up: it has no descriptor any more.
        connections: Says how many this process has.
        pause: Waits for so many seconds.
    """

    def __init__(
        self,
        listening: socket.socket,
        connections: Callable[[], int],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        blocking, kind = listening.getblocking(), (listening.family, listening.type, listening.proto)
        super().__init__(*kind, fileno=listening.detach())
        self.setblocking(blocking)
        self._connections, self._pause = connections, pause

    def accept(self) -> tuple[socket.socket, Any]:
        """As of any socket; BlockingIOError where another process was quicker."""
        self._pause(min(MOST_S, STEP_S * self._connections()))
        return super().accept()
