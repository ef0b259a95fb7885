"""Security put around an app."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from aisle.errors import RecipeError
from aisle.serve.security.guard import Security
from aisle.serve.security.shield import Shield

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ASKED = (
    "Authorization", "Content-Type", "If-Match", "traceparent", "tracestate", "X-API-Key", "X-CSRF-Token",
    "X-Deadline-Ms", "X-Request-ID",
)  # fmt: skip
"""What the service reads of a request."""
_SHOWN = ("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID")
"""What a page's script may read of an answer."""


def install(app: FastAPI, security: Security) -> None:
    """Make an app ask who is there (``app.state.security``, ``app.state.guard``) and shield it.

    Call it after all other middleware was added: the last one added is the outermost.

    Raises:
        RecipeError: ``[security.cors]`` allows every origin, or one that is none.
    """
    cors = security.settings.cors
    for origin in cors.origins:
        scheme, found, host = origin.partition("://")
        if scheme not in ("http", "https") or not found or not host or "/" in host or "*" in host:
            raise RecipeError(
                f"[security.cors] origins has {origin!r}", allowed="scheme and host, such as https://shop.example"
            )
    app.state.security = security
    app.state.guard = security.guard
    if cors.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors.origins),
            allow_methods=list(_METHODS),
            allow_headers=list(_ASKED),
            expose_headers=list(_SHOWN),
            max_age=cors.max_age_s,
        )
    app.add_middleware(Shield, settings=security.settings, protected=lambda: security.protected)
