"""Who may do what: the seam between the routes and `aisle.serve.security`, which an app may have or not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Literal

from fastapi import Request, Response
from fastapi import Security as Declared
from fastapi.params import Depends
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer

Scope = Literal["search", "write", "judge", "admin"]
_BEARER = Declared(HTTPBearer(scheme_name="bearer", description="A key, or a token.", auto_error=False))
_HEADER = Declared(APIKeyHeader(name="X-API-Key", scheme_name="key", description="A key.", auto_error=False))


class _Needed:
    """A dependency that asks the guard for a scope, unless this request was asked already."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request, _bearer: Any = _BEARER, _header: Any = _HEADER) -> None:
        await self.ask(request)

    async def ask(self, request: Request) -> None:
        guard = getattr(request.app.state, "guard", None)
        asked: set[Scope] = request.scope.setdefault("aisle_asked", set())
        if guard is not None and self.scope not in asked:
            await guard(request, self.scope)
            asked.add(self.scope)


def needs(scope: Scope) -> Any:
    """A dependency of a route: the caller must have this scope. Without security, everybody has."""
    return Depends(_Needed(scope))


class GuardedRoute(APIRoute):
    """A route that asks who is there before it reads the body: a caller without a key learns nothing of its faults."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, behind the guard."""
        inner = super().get_route_handler()
        needed = [one.dependency for one in self.dependencies if isinstance(one.dependency, _Needed)]

        async def handle(request: Request) -> Response:
            for one in needed:
                await one.ask(request)
            return await inner(request)

        return handle
