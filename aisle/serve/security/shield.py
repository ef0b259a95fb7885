"""What stands before every request: sizes, times, names and origins; and the headers of every answer.

Plain ASGI: bodies stream through, nothing is held. Knows no keys; `guard.py` does.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aisle.serve.facts import new_request_id
from aisle.serve.faults import MEDIA_TYPE, error_body
from aisle.serve.security.bind import is_loopback
from aisle.serve.security.guard import LIMITED
from aisle.serve.security.settings import Limits, SecuritySettings

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class _Refusal(Exception):
    def __init__(self, status: int, code: str, message: str, allowed: str = "") -> None:
        self.status, self.code, self.message, self.allowed = status, code, message, allowed


class Shield:
    """The outermost middleware.

    Args:
        app: What answers.
        settings: ``[security]``.
        protected: Whether keys are asked for; without, only names of this machine are answered, so that a page
            elsewhere cannot reach us by a name of its own (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, settings: SecuritySettings, protected: Callable[[], bool]) -> None:
        self.app, self.settings, self.protected = app, settings, protected
        self._page = (
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; "
            f"img-src {' '.join(settings.images)}; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; "
            "base-uri 'none'"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state: dict[str, Any] = scope.setdefault("state", {})
        given = headers.get("x-request-id", "")
        state["request_id"] = given if _REQUEST_ID.fullmatch(given) else new_request_id()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add_headers(scope, MutableHeaders(raw=message.setdefault("headers", [])), state)
            await send(message)

        try:
            self._check(scope, headers)
        except _Refusal as refusal:
            await _answer(sending, refusal, state["request_id"])
            return
        await self.app(scope, _Body(receive, self.settings.limits, scope["path"]), sending)

    def _check(self, scope: Scope, headers: Headers) -> None:
        limits = self.settings.limits
        size = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if size > limits.header_bytes:
            raise _Refusal(431, "headers_too_large", f"headers of {size:,} bytes", f"at most {limits.header_bytes:,}")
        length = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
        if length > limits.url_bytes:
            raise _Refusal(414, "url_too_long", f"an address of {length:,} bytes", f"at most {limits.url_bytes:,}")
        self._check_host(headers)
        if scope["method"] not in _SAFE_METHODS:
            self._check_origin(scope, headers)
        told = headers.get("content-length", "0")
        most = body_limit(limits, scope["path"])
        if told.isdecimal() and int(told[:20]) > most:
            raise _Refusal(413, "body_too_large", f"a body of {told[:20]} bytes", f"at most {most:,} here")

    def _check_host(self, headers: Headers) -> None:
        host = _host(headers.get("host", ""))
        hosts = self.settings.hosts
        if hosts and host not in {name.lower() for name in hosts}:
            raise _Refusal(400, "unknown_host", f"the host {host[:60]!r}", ", ".join(hosts))
        if not hosts and not self.protected() and host not in _LOCAL_NAMES and not _is_local_address(host):
            raise _Refusal(400, "unknown_host", f"the host {host[:60]!r}", "localhost, as long as there are no keys")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """A browser says whose page asks; another site's may change nothing, whatever cookies it has."""
        origin = headers.get("origin", "")
        if origin:
            ours = origin != "null" and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
            if not ours and origin not in self.settings.cors.origins:
                raise _Refusal(403, "foreign_origin", f"a change asked for by {origin[:60]!r}", "pages of this service")
        elif headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise _Refusal(403, "foreign_origin", "a change asked for by another site", "pages of this service")

    def _add_headers(self, scope: Scope, headers: MutableHeaders, state: Mapping[str, Any]) -> None:
        for name, value in _ALWAYS.items():
            headers.setdefault(name, value)
        html = headers.get("content-type", "").startswith("text/html")
        headers.setdefault("content-security-policy", self._page if html else _NOTHING)
        if scope.get("scheme") == "https":
            headers.setdefault("strict-transport-security", "max-age=31536000")
        if "cache-control" not in headers:
            headers["cache-control"] = "no-store"
        headers["x-request-id"] = state["request_id"]
        for name, value in state.get(LIMITED, {}).items():
            headers[name] = value
        for name in ("server", "x-powered-by"):
            if name in headers:
                del headers[name]


class _Body:
    """Hands on the pieces of a body as they come, as long as they are not too many and do not take too long."""

    def __init__(self, receive: Receive, limits: Limits, path: str) -> None:
        self._receive = receive
        self._most, self._idle_s = body_limit(limits, path), limits.idle_s
        self._until = None if path in limits.bulk_paths else time.monotonic() + limits.body_s
        self._taken = 0
        self._ended = False

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()
        left = self._idle_s if self._until is None else min(self._idle_s, self._until - time.monotonic())
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "the body did not come in time", {"Connection": "close"}) from None
        if message["type"] != "http.request":
            self._ended = True
            return message
        self._taken += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._taken > self._most:
            raise HTTPException(413, f"the body has more than {self._most:,} bytes", {"Connection": "close"})
        return message


def body_limit(limits: Limits, path: str) -> int:
    """How many bytes the body of a request to a path may have."""
    return limits.bulk_bytes if path in limits.bulk_paths else limits.body_bytes


def _host(value: str) -> str:
    """The name in a Host header, without port and brackets."""
    if value.startswith("["):
        return value[1:].partition("]")[0].lower()
    return value.partition(":")[0].lower()


def _is_local_address(host: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-f.:]+", host)) and is_loopback(host)


async def _answer(send: Send, refusal: _Refusal, request_id: str) -> None:
    body = error_body(refusal.code, refusal.message, allowed=refusal.allowed or None, request_id=request_id)
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
