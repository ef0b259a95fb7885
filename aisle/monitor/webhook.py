"""Alerts to a webhook: one POST of JSON, tried again while that can help."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from aisle.errors import RecipeError
from aisle.monitor.watch import Notice

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which another try can help."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How it went: tries, the last status (0 without an answer), and what went wrong ("" for nothing)."""

    tries: int
    status: int
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return not self.error


@dataclass(frozen=True)
class Webhook:
    """Where alerts go.

    Attributes:
        url: http or https; redirects are not followed.
        timeout_s: Of one try.
        tries: At most.
        pause_s: Before the second try; doubles each time, at most 30 seconds.
        token: Sent as ``Authorization: Bearer``; empty: none.
    """

    url: str
    timeout_s: float = 5.0
    tries: int = 4
    pause_s: float = 1.0
    token: str = ""

    def __post_init__(self) -> None:
        """See that alerts can be sent there.

        Raises:
            RecipeError: They cannot.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RecipeError(f"the webhook {self.url!r} is no address", allowed="http://HOST/... or https://HOST/...")
        if parts.username is not None or parts.password is not None:
            raise RecipeError("the webhook's address holds a password", fix="give a token instead")
        if not (self.timeout_s > 0 and self.tries >= 1 and self.pause_s >= 0):
            raise RecipeError(
                f"webhook: timeout_s {self.timeout_s}, tries {self.tries}, pause_s {self.pause_s}",
                allowed="above 0, at least 1, at least 0",
            )

    def send(
        self, notices: Sequence[Notice], service: str = "aisle", wait: Callable[[float], object] = time.sleep
    ) -> Delivery:
        """Send alerts as ``{"service": ..., "alerts": [...]}``; never raises for what the other side does.

        Args:
            notices: To send; with none nothing is sent.
            service: Which one they are of.
            wait: How to pause between tries; an event's ``wait`` can end it early.
        """
        if not notices:
            return Delivery(0, 0)
        body = {"service": service, "alerts": [notice.to_dict() for notice in notices]}
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        status, error = 0, ""
        with httpx.Client(timeout=self.timeout_s, follow_redirects=False, headers=headers) as client:
            for number in range(1, self.tries + 1):
                try:
                    with client.stream("POST", self.url, json=body) as answer:  # its body is of no interest
                        status = answer.status_code
                    if 200 <= status < 300:
                        return Delivery(number, status)
                    error = f"answered {status}"
                    if status not in AGAIN:
                        return Delivery(number, status, error)
                except httpx.HTTPError as failure:
                    status, error = 0, f"{type(failure).__name__}: {failure}"
                if number < self.tries:
                    wait(min(30.0, self.pause_s * 2 ** (number - 1)))
        return Delivery(self.tries, status, error)
