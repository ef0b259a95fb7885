"""Refuses what the pool has no place for before anything is read of it: a refusal must cost far less than an answer.

Stands behind the shield and the facts of a request, before the routes. While many are refused each refusal waits a
little: who asks again at once then takes no time from those who are being answered. Knows paths and the pool.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from aisle.serve.faults import MEDIA_TYPE, busy, error_body
from aisle.serve.pool import Pool

SEARCH = "/v1/search"
PATHS = frozenset({SEARCH, "/v1/rerank", "/v2/rerank", "/v1/embeddings"})
"""What only the pool answers."""
MOST_WAIT_S, HURRIED = 0.25, 1_000.0
"""A refusal waits so long at most, and a second for each so many refusals of the second before."""


class Shedding:
    """A middleware.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._asked: Counter[bytes] = Counter()
        self._second, self._refused, self._before = 0, 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self.app(scope, receive, send)
            return
        pool: Pool = scope["app"].state.parts.pool
        target = scope["query_string"] if scope["method"] == "GET" else b""
        if scope["method"] in ("GET", "POST") and not self._asked[target]:  # an equal one that waits may be joined
            seconds = pool.full(narrow=scope["path"] == SEARCH)
            if seconds:
                await self._refuse(scope, send, seconds)
                return
        if not target:
            await self.app(scope, receive, send)
            return
        self._asked[target] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._asked[target] -= 1
            if not self._asked[target]:
                del self._asked[target]

    async def _refuse(self, scope: Scope, send: Send, seconds: int) -> None:
        await asyncio.sleep(min(MOST_WAIT_S, self._hurry() / HURRIED))
        fault = busy(seconds)
        state: dict[str, Any] = scope.get("state", {})
        state["refused"] = scope["path"]
        body = error_body(fault.code, fault.message, fix=fault.fix, request_id=state.get("request_id", ""))
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _hurry(self) -> float:
        """How many were refused in the last whole second, or in this one if they are more."""
        now = int(time.monotonic())
        if now != self._second:
            self._before = self._refused if now == self._second + 1 else 0
            self._second, self._refused = now, 0
        self._refused += 1
        return max(self._before, self._refused)
