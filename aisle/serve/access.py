"""Who may do what: the seam between the routes and `aisle.serve.security`, which an app may have or not."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import Depends, Request

Scope = Literal["search", "write", "judge", "admin"]


def needs(scope: Scope) -> Any:
    """A dependency of a route: the caller must have this scope. Without security, everybody has."""

    async def check(request: Request) -> None:
        guard = getattr(request.app.state, "guard", None)
        if guard is not None:
            await guard(request, scope)

    return Depends(check)
