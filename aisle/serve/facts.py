"""What one request was and how it went, gathered in one place for metrics, logs and monitoring.

Routes fill in what they know; the middleware here fills in the rest, and tells the observers when the answer is sent.
It also answers a bug with the JSON of an error instead of a traceback.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aisle.serve.faults import CLIENT_LEFT, MEDIA_TYPE, Fault, error_body, unexpected
from aisle.types import Ranking

LOG = logging.getLogger("aisle.serve")


@dataclass(slots=True)
class Facts:
    """One request, as far as it is known.

    Attributes:
        method: Of HTTP.
        route: The path's pattern, so that ids are no names of metrics.
        request_id: As in the answer's header.
        headers: Of the request, as the server read them; keys may be in them.
        trace_id: Of the trace that the request is part of, where it is traced.
        status: Of HTTP; 499 where the client left first.
        total_ms: From the first byte of the request to the last of the answer.
        queue_ms: Of it, waiting for a thread.
        stages: Of it, the stages of a search.
        query: As it was typed; personal data may be in it.
        mode: Of a search.
        searched: Whether this was a search that was answered.
        total: Candidates ranked.
        shown: Products on the page.
        cut: Candidates cut off.
        degraded: What was left out and why.
        scores: Of the products shown.
        index_version: Of the products.
        variant: Of an experiment.
        shadow: Whether a candidate is to score it silently: "sent", "dropped", or "" where it is not one of those.
        principal: Who asked.
        shared: Whether the answer was that of an equal request at the same time.
    """

    method: str = ""
    route: str = ""
    request_id: str = ""
    headers: Sequence[tuple[bytes, bytes]] = ()
    trace_id: str = ""
    status: int = 0
    total_ms: float = 0.0
    queue_ms: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    query: str = ""
    mode: str = ""
    searched: bool = False
    total: int = 0
    shown: int = 0
    cut: int = 0
    degraded: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    index_version: int = 0
    variant: str = ""
    shadow: str = ""
    principal: str = ""
    shared: bool = False

    @property
    def zero(self) -> bool:
        """Whether a search found nothing."""
        return self.searched and self.total == 0

    def of_ranking(self, ranking: Ranking) -> None:
        """Take over what a ranking says of itself."""
        self.searched, self.mode, self.query = True, ranking.request.mode, ranking.request.text
        self.total, self.shown, self.cut = ranking.total, len(ranking.hits), ranking.cut
        self.degraded, self.stages = ranking.degraded, ranking.timings_ms
        self.scores = tuple(hit.score for hit in ranking.hits)


Observer = Callable[[Facts], None]
"""Told of each request once its answer is sent; must not block."""


def facts_of(request: Request) -> Facts:
    """The facts of this request."""
    facts: Facts = request.state.facts
    return facts


_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def new_request_id() -> str:
    """Sixteen letters: in a long run of digits masking would see a phone number."""
    return secrets.token_hex(8).translate(_LETTERS)


class FactsMiddleware:
    """Gives each request its `Facts`, and tells the observers of them.

    Args:
        app: What answers.
        observers: The list may grow later.
    """

    def __init__(self, app: ASGIApp, observers: list[Observer]) -> None:
        self.app, self.observers = app, observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        given = state.get("request_id")  # of the security's middleware
        facts = Facts(scope["method"], request_id=given or new_request_id(), headers=scope["headers"])
        state["facts"], state["request_id"] = facts, facts.request_id
        started = time.perf_counter()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts.status = message["status"]
                if not given:
                    name = (b"x-request-id", facts.request_id.encode())
                    message["headers"] = [*message.get("headers", ()), name]
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except ClientDisconnect:  # within its body: nobody is there to be answered
            facts.status = facts.status or CLIENT_LEFT
        except Exception as error:
            fault = unexpected(error)
            known = {"request_id": facts.request_id}
            LOG.exception("%s, request %s", fault.message, facts.request_id, extra=known)
            if not facts.status:
                await self._apologise(facts, fault, sending)
        finally:
            facts.total_ms = (time.perf_counter() - started) * 1_000
            facts.route = _route(scope)
            for observer in self.observers:
                observer(facts)

    async def _apologise(self, facts: Facts, fault: Fault, send: Send) -> None:
        body = error_body(fault.code, fault.message, fix=fault.fix, request_id=facts.request_id)
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _route(scope: Scope) -> str:
    """The pattern of the path that answered, with the version before it, which a router does not know."""
    pattern: str = getattr(scope.get("route"), "path", "") or scope.get("state", {}).get("refused", "")
    if not pattern:
        return "(none)"
    version = "/" + str(scope["path"]).split("/")[1]
    return pattern if pattern.startswith(version) else version + pattern
