"""Who may do what: the seam between the routes and `aisle.serve.security`, which an app may have or not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from copy import copy
from typing import Any, Literal

from fastapi import Request, Response
from fastapi import Security as Declared
from fastapi.dependencies.models import Dependant
from fastapi.params import Depends
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer

from aisle.serve.faults import Fault
from aisle.serve.named import nearest, query_names

Scope = Literal["search", "write", "judge", "admin"]
_SHOWN, _MOST = 100, 10
"""Characters of a name that an error repeats, and how many names."""
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

    refuses_unknown = False
    """Whether a query parameter that the route does not have is refused."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, behind the guard."""
        whole, self.dependant = self.dependant, _without_needs(self.dependant)
        inner = super().get_route_handler()
        self.dependant = whole
        needed = [one.dependency for one in self.dependencies if isinstance(one.dependency, _Needed)]
        known = query_names(self.dependant) if self.refuses_unknown else None

        async def handle(request: Request) -> Response:
            for one in needed:
                await one.ask(request)
            if known is not None:
                _check_query(request, known)
            return await inner(request)

        return handle


class ApiRoute(GuardedRoute):
    """A route of the API: what it does not know is refused, so that no misspelt filter is left out in silence."""

    refuses_unknown = True


def _without_needs(dependant: Dependant) -> Dependant:
    """What is to be found out for each request: the guard is asked before, and the schemes are for the description."""
    found = copy(dependant)
    found.dependencies = [one for one in dependant.dependencies if not isinstance(one.call, _Needed)]
    return found


def _check_query(request: Request, known: Sequence[str]) -> None:
    unknown = [name for name in dict.fromkeys(request.query_params.keys()) if name not in known]
    if not unknown:
        return
    said = ", ".join(repr(name[:_SHOWN]) for name in unknown[:_MOST])
    meant = [(name, nearest(name, known)) for name in unknown[:_MOST]]
    hints = [f"say {name!r} instead of {wrong!r}" for wrong, name in meant if name is not None]
    raise Fault(
        422,
        "invalid_request",
        f"unknown query parameter{'s' if len(unknown) > 1 else ''} {said}",
        allowed=", ".join(known) or "none here",
        fix="; ".join(hints) or "leave it out; /docs shows every parameter",
    )
