"""Every error of the service in one JSON shape, whatever raised it; a client never sees a traceback.

``{"error": {"code": "filter_error", "message": "...", "allowed": "...", "fix": "...", "request_id": "..."}}``
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
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
)

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
_DAMAGED = ("lance error", "Invalid input,")
"""So LanceDB's errors begin."""
_SHOWN = 300
"""Characters of what was received that an error repeats."""


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
    return Fault(404, "product_not_found", f"there is no product {product_id[:_SHOWN]!r}", fix="see the id")


def fault_of(error: AisleError) -> Fault:
    """A deliberate error of Aisle as an answer."""
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    headers = {"Retry-After": "5"} if status == 503 else {}
    return Fault(status, code, error.received, allowed=error.allowed, fix=error.fix, headers=headers)


def unexpected(error: Exception) -> Fault:
    """An error that nobody meant to raise: damaged files of the index, as LanceDB tells of them, or a bug."""
    if isinstance(error, RuntimeError | ValueError | OSError) and str(error).startswith(_DAMAGED):
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
        return answer(fault_of(error), request)

    def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(_of_http(error), request)

    def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(invalid(error.errors()), request)

    app.add_exception_handler(Fault, on_fault)
    app.add_exception_handler(AisleError, on_aisle)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)


def _of_http(error: HTTPException) -> Fault:
    try:
        phrase = HTTPStatus(error.status_code).phrase
    except ValueError:
        phrase = "error"
    code = re.sub(r"\W+", "_", phrase).lower()
    fix = "see /docs for what there is" if error.status_code in (404, 405) else None
    return Fault(error.status_code, code, str(error.detail or phrase), fix=fix, headers=error.headers)


def invalid(errors: Any) -> Fault:
    """What pydantic found wrong with a request: the first fault in full, and how many more there are."""
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    given = "" if first.get("type") == "missing" else f" (received {str(first.get('input'))[:_SHOWN]!r})"
    more = f"; {len(errors) - 1} more" if len(errors) > 1 else ""
    return Fault(
        422,
        "invalid_request",
        f"{where or 'body'}: {first['msg']}{given}{more}",
        fix="correct the request; /docs shows every field",
    )
