"""Every error of the service in one JSON shape, whatever raised it; a client never sees a traceback.

``{"error": {"code": "filter_error", "message": "...", "allowed": "...", "fix": "...", "request_id": "..."}}``
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.exceptions import HTTPException

from aisle.errors import (
    AccessError,
    AisleError,
    ArtifactError,
    FingerprintError,
    IndexLockedError,
    InputError,
    LlmError,
    OptionalDependencyError,
    first_line,
)
from aisle.serve.named import body_names, nearest, query_names
from aisle.serve.redact import public

LOG = logging.getLogger("aisle.serve")
MEDIA_TYPE = "application/json"
CLIENT_LEFT = 499
"""What no client sees and logs show: it hung up before there was an answer."""
_STATUSES: tuple[tuple[type[AisleError], int], ...] = (
    (InputError, 400),
    (AccessError, 403),
    (FingerprintError, 503),
    (ArtifactError, 503),
    (IndexLockedError, 503),
    (LlmError, 503),
    (OptionalDependencyError, 501),
)
"""The first that fits counts."""
_DAMAGED = re.compile(r"lance error|Invalid input,|task \d+ panicked")
"""So LanceDB's errors begin."""
_SHOWN, _MOST = 300, 10
"""Characters of what was received that an error repeats, and how many faulty places."""
_SOURCES = ("body", "query", "path", "header", "cookie")
_EXPECTED = re.compile(r"should (?:be|have|match) (.*?)(?: after validation.*|, unable to .*)?$")
"""Of what pydantic says, what would have been accepted."""


class Fault(Exception):
    """An answer other than the one asked for.

    Args:
        status: Of HTTP.
        code: For programs, in snake case.
        message: What was received or found.
        allowed: What would have been accepted.
        fix: What to do next.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        allowed: str | None = None,
        fix: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status, self.code, self.message = status, code, message
        self.allowed, self.fix, self.headers = allowed, fix, dict(headers or {})
        super().__init__(message)


def busy(seconds: int) -> Fault:
    """Too much is waiting already."""
    return Fault(
        429,
        "busy",
        "more requests are waiting than can be answered soon",
        fix=f"ask again in {seconds} s, or ask less often",
        headers={"Retry-After": str(seconds)},
    )


def missing_product(product_id: str) -> Fault:
    """There is no product of this id."""
    fix = "search for it, its id is in the answer; PUT /v1/products/ID adds one"
    return Fault(404, "product_not_found", f"there is no product {product_id[:_SHOWN]!r}", fix=fix)


def fault_of(error: AisleError) -> Fault:
    """A deliberate error of Aisle as an answer."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    headers = {"Retry-After": "5"} if status == 503 else {}
    received, allowed, fix = error.received, error.allowed, error.fix
    if status >= 500:  # a client is not told where files are
        received, allowed, fix = public(received), allowed and public(allowed), fix and public(fix)
    return Fault(status, code, received, allowed=allowed, fix=fix, headers=headers)


def noted_fault(error: AisleError, request: Request) -> Fault:
    """As `fault_of`; where files are at fault the log says which, since no client is told where they are."""
    if isinstance(error, ArtifactError):
        known = {"request_id": getattr(request.state, "request_id", "")}
        LOG.error("%s, request %s", first_line(error), known["request_id"], extra=known)
    return fault_of(error)


def unexpected(error: Exception) -> Fault:
    """An error that nobody meant to raise: damaged files of the index, as LanceDB tells of them, or a bug."""
    if isinstance(error, RuntimeError | ValueError | OSError) and _DAMAGED.match(str(error)):
        return Fault(
            503,
            "index_unreadable",
            "the index cannot be read",
            fix="ask another server; whoever runs this one: see /health/ready and the log",
            headers={"Retry-After": "5"},
        )
    fix = "ask again; if it stays, report it with the request's id"
    return Fault(500, "internal_error", "a fault in Aisle", fix=fix)


def error_body(
    code: str, message: str, *, allowed: str | None = None, fix: str | None = None, request_id: str = ""
) -> bytes:
    """The JSON of an error."""
    error = {"code": code, "message": message, "allowed": allowed, "fix": fix, "request_id": request_id}
    text = json.dumps({"error": error}, ensure_ascii=False)
    return text.encode(errors="replace")  # half a surrogate pair of the request is no UTF-8


def answer(fault: Fault, request: Request) -> Response:
    """A fault as the answer to a request."""
    body = error_body(
        fault.code,
        fault.message,
        allowed=fault.allowed,
        fix=fault.fix,
        request_id=getattr(request.state, "request_id", ""),
    )
    return Response(body, fault.status, fault.headers, MEDIA_TYPE)


def install_faults(app: FastAPI) -> None:
    """Make an app answer every error in this shape; bugs are `aisle.serve.facts`' to catch."""

    def on_fault(request: Request, error: Exception) -> Response:
        assert isinstance(error, Fault)
        return answer(error, request)

    def on_aisle(request: Request, error: Exception) -> Response:
        assert isinstance(error, AisleError)
        return answer(noted_fault(error, request), request)

    def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(_of_http(error, request), request)

    def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        route = request.scope.get("route")
        if not isinstance(route, APIRoute):
            return answer(invalid(error.errors()), request)
        body = route.body_field.field_info.annotation if route.body_field is not None else None
        return answer(invalid(error.errors(), body, query_names(route.dependant)), request)

    app.add_exception_handler(Fault, on_fault)
    app.add_exception_handler(AisleError, on_aisle)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)


def _of_http(error: HTTPException, request: Request) -> Fault:
    try:
        phrase = HTTPStatus(error.status_code).phrase
    except ValueError:
        phrase = "error"
    code = re.sub(r"\W+", "_", phrase).lower()
    message, headers = str(error.detail or phrase), dict(error.headers or {})
    if error.status_code == 404:
        return Fault(404, code, message, fix="see /docs for what there is", headers=headers)
    if error.status_code == 405:
        allowed = ", ".join(_methods(request))
        return Fault(
            405,
            code,
            f"{request.method} {request.url.path[:_SHOWN]} cannot be asked",
            allowed=allowed,
            fix="see /docs for what there is",
            headers=headers | {"Allow": allowed},
        )
    return Fault(error.status_code, code, message, headers=headers)


def _methods(request: Request) -> list[str]:
    """What can be asked of a path: by all routes that have it, not by the first alone."""
    path = request.url.path
    found: set[str] = set()
    for one in iter_route_contexts(request.app.routes):
        if one.path_regex is not None and one.path_regex.match(path):
            found |= set(one.methods or ())
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def invalid(errors: Sequence[Any], body: Any = None, query: Sequence[str] = ()) -> Fault:
    """What pydantic found wrong with a request: every faulty place, what may stand there, the name that was meant.

    Args:
        errors: Pydantic's.
        body: The model of the body, where it is known.
        query: The query parameters of the route.
    """
    first = errors[0]
    if first["type"] == "json_invalid":
        reason, place = first.get("ctx", {}).get("error", "it cannot be read"), first["loc"][-1]
        fix = "send one JSON value, in UTF-8"
        message = f"the body is not JSON: {reason} at character {place}"
        return Fault(422, "invalid_request", message, allowed="JSON", fix=fix)
    shown = [_wrong(error, body, query) for error in errors[:_MOST]]
    said = [one.said(_SHOWN // len(shown)) for one in shown]
    more = [f"{len(errors) - _MOST} more"] if len(errors) > _MOST else []
    allowed = dict.fromkeys(
        one.allowed if len(errors) == 1 or one.names else f"{one.place}: {one.allowed}" for one in shown
    )
    meant = [f"say {one.meant!r} instead of {one.name!r}" for one in shown if one.meant]
    if first["loc"] == ("body",):
        meant.append(f"send a JSON object, with the header Content-Type: {MEDIA_TYPE}")
    return Fault(
        422,
        "invalid_request",
        "; ".join([*said, *more]),
        allowed="; ".join(allowed),
        fix="; ".join(meant) or "correct the request; /docs shows every field",
    )


@dataclass(frozen=True, slots=True)
class _Wrong:
    """One of pydantic's errors: where it is, what it says, what was given, what may stand there.

    ``allowed`` are values, or with ``names`` the fields that there are; ``meant`` is the field that ``name`` is like.
    """

    place: str
    message: str
    given: str | None
    allowed: str
    names: bool
    name: str = ""
    meant: str | None = None

    def said(self, most: int) -> str:
        """In words, with the first characters of what was given."""
        return f"{self.place[:_SHOWN]}: {self.message}" + (
            "" if self.given is None else f" (received {self.given[:most]!r})"
        )


def _wrong(error: Mapping[str, Any], body: Any, query: Sequence[str]) -> _Wrong:
    source, *path = error["loc"] if error["loc"] and error["loc"][0] in _SOURCES else ("body", *error["loc"])
    place, kind, message, given = ".".join(map(str, path)) or source, error["type"], error["msg"], error.get("input")
    text = given.decode(errors="replace") if isinstance(given, bytes) else str(given)
    if kind == "model_attributes_type":
        return _Wrong(place, "no JSON object", text, "a JSON object", False)
    if kind not in ("missing", "extra_forbidden"):
        expected = _EXPECTED.search(message)
        allowed = expected.group(1) if expected else message
        return _Wrong(place, message, text, allowed.replace("valid dictionary", "JSON object"), False)
    names = body_names(body, path[:-1]) if source == "body" else tuple(query) if source == "query" else ()
    around = ".".join(map(str, path[:-1]))
    allowed = (f"in {around}: " if around else "") + (", ".join(names) or place)
    if kind == "missing":
        return _Wrong(place, "a value is required", None, allowed, True)
    name = str(path[-1])
    return _Wrong(place, "there is no such field", text, allowed, True, name, nearest(name, names))
