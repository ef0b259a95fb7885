"""`/sign-in` and `/sign-out`: a key for a session of the page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from aisle.serve.faults import Fault
from aisle.serve.pages.rendering import PageRoute, Shown, from_our_form, renderer_of
from aisle.serve.security import Security

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_Next = Annotated[str, Query(alias="next", max_length=4_000)]


@router.get("/sign-in")
async def form(request: Request, after: _Next = "/") -> Response:
    """The form."""
    return _form(request, after)


@router.post("/sign-in", dependencies=[from_our_form()])
async def sign_in(
    request: Request,
    key: Annotated[str, Form(max_length=500)] = "",
    after: Annotated[str, Form(alias="next", max_length=4_000)] = "/",
) -> Response:
    """Begin a session, and go where one wanted to go."""
    security = _security(request)
    if security is None:
        return Response(status_code=303, headers={"Location": local(after)})
    try:
        _, session = await security.sign_in(request, key)
    except Fault as fault:
        if fault.status != 401:
            raise
        return _form(request, after, wrong=True)
    headers = {"Location": local(after), "Set-Cookie": security.sessions.cookie(session)}
    return Response(status_code=303, headers=headers)


@router.post("/sign-out", dependencies=[from_our_form()])
async def sign_out(request: Request) -> Response:
    """End the session."""
    security = _security(request)
    session = security.session(request) if security is not None else None
    answer = Response(status_code=303, headers={"Location": "/sign-in"})
    if security is not None and session is not None:
        answer.headers["Set-Cookie"] = security.sessions.end(session)
    return answer


def local(address: str) -> str:
    """An address of this service, whatever was given: nobody is sent to another host."""
    fine = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if fine and address.isascii() else "/"


def _form(request: Request, after: str, wrong: bool = False) -> Response:
    values = {"after": local(after), "wrong": wrong}
    return renderer_of(request).show(request, Shown("sign_in.html", values, 401 if wrong else 200, forms=True))


def _security(request: Request) -> Security | None:
    found: Security | None = getattr(request.app.state, "security", None)
    return found
