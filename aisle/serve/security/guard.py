"""Who is asking, what they may do and how much is left of it: one object for each worker process."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from aisle.errors import AccessError, ArtifactError, first_line
from aisle.serve.faults import Fault
from aisle.serve.security.audit import AuditLog
from aisle.serve.security.bind import is_loopback
from aisle.serve.security.events import EventStore
from aisle.serve.security.files import private_folder
from aisle.serve.security.keys import KEY, ApiKey, KeyStore
from aisle.serve.security.limits import Limit, RateTable, headers_of
from aisle.serve.security.oidc import TokenVerifier
from aisle.serve.security.sessions import Session, Sessions
from aisle.serve.security.settings import SecuritySettings

LOG = logging.getLogger("aisle.serve")
Scope = Literal["search", "write", "judge", "admin"]
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
LIMITED = "aisle_limit_headers"
"""Where a request's state holds the headers of its limits for the answer."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks: a key, a token's subject, a session on the page, or whoever is on this machine."""

    id: str
    name: str
    scopes: frozenset[str]
    kind: Literal["key", "token", "session", "open", "anonymous"]
    limit: Limit = field(default_factory=Limit)

    def may(self, scope: str) -> bool:
        """Whether this scope is among theirs; admin is all."""
        return scope in self.scopes or "admin" in self.scopes


class Security:
    """Keys, tokens, sessions, limits, the audit log and the events of one service.

    Args:
        state: Folder of all that is kept, ``INDEX.state`` beside the index.
        settings: ``[security]``.

    Raises:
        ArtifactError: A file of secrets can be read by others.
        RecipeError: The settings of the identity provider are incomplete.
        OptionalDependencyError: It needs PyJWT.
    """

    def __init__(self, state: Path, settings: SecuritySettings) -> None:
        self.state = private_folder(state)
        self.settings = settings
        self.keys = KeyStore(state / "keys.json")
        self.rates = RateTable(state / "limits.bin")
        self.sessions = Sessions(state, settings.session_hours, settings.secure_cookies)
        self.tokens = TokenVerifier(settings.oidc) if settings.oidc.issuer else None
        self.audit = AuditLog(private_folder(state / "audit"))
        self.events = EventStore(state, settings.events.keep_days, settings.events.queue)
        self._told = False

    @property
    def protected(self) -> bool:
        """Whether callers must show something. Once there was a key, also when the last is revoked."""
        try:
            return self.tokens is not None or bool(self.keys.all())
        except ArtifactError:  # nobody knows who may come in: nobody
            self.trouble()  # into the log
            return True

    def trouble(self) -> str:
        """Why the keys cannot be read, for strangers too; "" where they can. The log has it once, with the path."""
        try:
            self.keys.all()
        except ArtifactError as error:
            if not self._told:
                LOG.error("nobody gets in by a key: %s", first_line(error))
            self._told = True
            return "cannot be read: nobody gets in by one; to fix: see the service's log"
        if self._told:
            LOG.info("the keys can be read again")
        self._told = False
        return ""

    def close(self) -> None:
        """Finish what waits for the disk, and let go of the files."""
        self.events.close()
        self.rates.close()

    async def guard(self, request: Request, scope: Scope) -> Principal:
        """See that a request may have what it asks for; for ``app.state.guard``.

        Raises:
            Fault: 401 without a usable key, 403 without the scope or the form's token, 429 over a limit, 503 where
                keys cannot be read.
        """
        try:
            principal = await self.principal(request)
        except AccessError as error:
            self._count_failure(request)
            raise _unknown(error) from None
        except ArtifactError:
            raise self._unreadable() from None
        if self._told:
            self.trouble()  # over, perhaps
        request.state.principal = principal  # also of who may not: the page says who is signed in
        self._count(request, principal)
        if not principal.may(scope):
            raise Fault(
                403,
                "scope_missing",
                f"{principal.kind} {principal.id!r} has no scope {scope!r}",
                allowed=", ".join(sorted(principal.scopes)) or "nothing",
                fix=f"ask for a key with the scope {scope!r}",
            )
        return principal

    async def principal(self, request: Request) -> Principal:
        """Who is asking.

        Raises:
            AccessError: Nothing that is needed was shown, or what was shown is not valid.
            ArtifactError: The keys cannot be read.
        """
        shown = _shown(request)
        if shown is not None:
            if KEY.fullmatch(shown) or self.tokens is None:
                return self._of_key(self.keys.verify(shown), "key")
            subject, scopes = await run_in_threadpool(self.tokens.verify, shown)
            return Principal(subject, subject, frozenset(scopes), "token", self._limit())
        session = self.session(request)
        if session is not None and session.key_id:
            key = self.keys.get(session.key_id)
            if key is not None and key.state(dt.datetime.now(dt.UTC)) == "active":
                await self.check_form(request, session)
                return self._of_key(key, "session")
        if not self.protected:
            return self._local(request)
        if self.settings.anonymous:
            limit = Limit(per_minute=self.settings.limits.anonymous_per_minute)
            return Principal(_network(request), "anonymous", frozenset(self.settings.anonymous), "anonymous", limit)
        raise AccessError("no API key", allowed="Authorization: Bearer KEY, or X-API-Key: KEY", fix="send a key")

    def session(self, request: Request) -> Session | None:
        """The session of the page's cookie."""
        value = request.cookies.get(self.sessions.cookie_name)
        return self.sessions.read(value) if value else None

    async def check_form(self, request: Request, session: Session) -> None:
        """See that a change asked for by a cookie comes from a form of ours.

        Raises:
            Fault: 403 without the form's token.
        """
        if request.method in _SAFE_METHODS:
            return
        token = request.headers.get("x-csrf-token", "")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not token and kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
            given = (await request.form()).get("csrf_token")
            token = given if isinstance(given, str) else ""
        if not self.sessions.check_form_token(session, token):
            raise Fault(403, "form_token", "the form's token is missing or old", fix="load the page again")

    async def sign_in(self, request: Request, key_text: str) -> tuple[Principal, Session]:
        """Begin a session of a key; ``sessions.cookie`` makes its header.

        Raises:
            Fault: 401 where the key is not valid, 429 after too many wrong ones, 503 where keys cannot be read.
        """
        try:
            key = self.keys.verify(key_text.strip())
        except AccessError as error:
            self._count_failure(request)
            raise _unknown(error) from None
        except ArtifactError:
            raise self._unreadable() from None
        return self._of_key(key, "session"), self.sessions.begin(key.id)

    def _unreadable(self) -> Fault:
        self.trouble()  # into the log
        return Fault(503, "keys_unreadable", "the service cannot read its keys", fix="see its log")

    def _of_key(self, key: ApiKey, kind: Literal["key", "session"]) -> Principal:
        limit = self._limit()
        if key.per_minute or key.per_day:
            limit = dataclasses.replace(
                limit, per_minute=key.per_minute or limit.per_minute, per_day=key.per_day or limit.per_day
            )
        return Principal(key.id, key.name, frozenset(key.scopes), kind, limit)

    def _limit(self) -> Limit:
        limits = self.settings.limits
        return Limit(limits.per_minute, limits.burst, limits.per_day)

    def _local(self, request: Request) -> Principal:
        """Without any key, everything is allowed to whoever is on this machine, and nothing to others."""
        host = request.client.host if request.client else ""
        if not is_loopback(host) or any(name in request.headers for name in _FORWARDED):
            raise AccessError(
                "a request from another machine, and there are no keys", fix="aisle keys create DIR --name NAME"
            )
        return Principal("local", "this machine", frozenset({"admin"}), "open")

    def _count(self, request: Request, principal: Principal) -> None:
        if principal.kind == "open":
            return
        verdict = self.rates.hit(_counted_as(principal), principal.limit)
        headers = headers_of(principal.limit, verdict)
        setattr(request.state, LIMITED, headers)
        if not verdict.allowed:
            raise Fault(
                429,
                "rate_limited",
                f"{principal.kind} {principal.id!r} has used up its requests",
                fix=f"ask again in {verdict.retry_after_s} s",
                headers=headers,
            )

    def _count_failure(self, request: Request) -> None:
        limit = Limit(per_minute=self.settings.limits.failures_per_minute)
        verdict = self.rates.hit(f"f:{_network(request)}", limit)
        if not verdict.allowed:
            headers = {"Retry-After": str(verdict.retry_after_s)}
            raise Fault(
                429,
                "too_many_failures",
                "too many wrong keys from this address",
                fix="wait, then try again",
                headers=headers,
            )


def _counted_as(principal: Principal) -> str:
    """A key's sessions and its requests count together."""
    return f"{'key' if principal.kind == 'session' else principal.kind}:{principal.id}"


def require(scope: Scope) -> Any:
    """A dependency of a route that needs a scope; it gives the route the `Principal`."""

    async def check(request: Request) -> Principal:
        security: Security = request.app.state.security
        return await security.guard(request, scope)

    return Depends(check)


def _shown(request: Request) -> str | None:
    """The key or token in the headers."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return request.headers.get("x-api-key", "").strip() or None


def _unknown(error: AccessError) -> Fault:
    headers: Mapping[str, str] = {"WWW-Authenticate": 'Bearer realm="aisle"'}
    return Fault(401, "unauthorized", error.received, allowed=error.allowed, fix=error.fix, headers=headers)


def _network(request: Request) -> str:
    """The address of a client, for IPv6 its /64: one customer has all of that."""
    host = re.sub(r"%.*", "", request.client.host) if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
