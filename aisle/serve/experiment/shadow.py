"""Searches on their way to the process that scores them silently: one datagram each, sent without waiting.

What does not fit into the socket's buffer, or finds nobody at the other end, is dropped and counted: no request waits
for a candidate.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SOCKET = "shadow.sock"
MOST_BYTES = 60_000


@dataclass(frozen=True, slots=True)
class Scored:
    """A search that was answered, to be scored by a candidate too.

    Attributes:
        request_id: As in the answer's header.
        at: When it was answered, in seconds since 1970.
        body: The search as JSON, as `/v1/search` takes it.
        ids: That were shown, best first.
        served_ms: What its stages took.
        index: That was served.
        degraded: Whether something was left out of the answer.
    """

    request_id: str
    at: float
    body: str
    ids: Sequence[str]
    served_ms: float
    index: str
    degraded: bool

    def message(self) -> bytes:
        """As a datagram."""
        return json.dumps(asdict(self), ensure_ascii=True).encode()

    @classmethod
    def of(cls, message: bytes) -> Scored:
        """What a datagram says.

        Raises:
            ValueError: It is none of ours.
        """
        try:
            return cls(**json.loads(message))
        except TypeError as error:
            raise ValueError(f"no search: {error}") from None


class ShadowSender:
    """Sends a share of the searches to the process that scores them.

    Args:
        path: Of its socket.
        share: Of searches.
    """

    def __init__(self, path: Path, share: float) -> None:
        self.path, self.share = str(path), share
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def wanted(self) -> bool:
        """Whether the next search is one of the share."""
        return random.random() < self.share

    def send(self, scored: Scored) -> bool:
        """Send a search; gives back whether it went."""
        message = scored.message()
        if len(message) > MOST_BYTES:
            return False
        try:
            self._socket.sendto(message, self.path)
        except OSError:  # the buffer is full, or nobody is there
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
