"""Templates to answers: what every page has (language, navigation, form tokens), and errors as pages for people."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Depends, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse

from aisle.errors import AisleError
from aisle.explain.values import Language
from aisle.pages import page_environment
from aisle.serve.access import GuardedRoute, Scope
from aisle.serve.faults import Fault, invalid, noted_fault
from aisle.serve.pages.assets import Assets
from aisle.serve.pages.language import CODES, COOKIE, choose_language, read_texts, told
from aisle.serve.pages.settings import PageSettings
from aisle.serve.security import Principal, Security

FOLDER = Path(__file__).parent
PART = "x-aisle-part"
"""The header by which our script asks for the changing part of a page alone."""
_YEAR_S = 31_536_000
_PLACES: tuple[tuple[str, str, Scope], ...] = (
    ("search", "/", "search"),
    ("compare", "/compare", "judge"),
    ("judge", "/judge", "judge"),
    ("dashboard", "/dashboard", "admin"),
    ("rules", "/rules", "admin"),
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A page to be shown.

    Attributes:
        template: The file of the page; ``parts/`` of the same name is what our script asks for alone.
        values: Of the template.
        status: Of HTTP.
        forms: Whether there are forms on it that change something.
    """

    template: str
    values: Mapping[str, Any]
    status: int = 200
    forms: bool = False


class Renderer:
    """Renders pages for one app.

    Args:
        settings: Of the page.
    """

    def __init__(self, settings: PageSettings) -> None:
        self.settings = settings
        self.assets = Assets(FOLDER / "static")
        self._texts = read_texts(FOLDER)
        self._templates = page_environment(FOLDER / "templates")
        self._templates.filters["told"] = told

    def language(self, request: Request) -> Language:
        """The language of a request."""
        headers = request.headers
        asked = request.query_params.get("lang", "")
        return choose_language(asked, headers.get("cookie", ""), headers.get("accept-language", ""))

    def show(self, request: Request, shown: Shown) -> Response:
        """A page as the answer to a request."""
        language = self.language(request)
        texts = self._texts[language]
        security: Security | None = getattr(request.app.state, "security", None)
        session = security.session(request) if security is not None else None
        principal: Principal | None = getattr(request.state, "principal", None)
        cookies = []
        if security is not None and session is None and shown.forms:
            session = security.sessions.begin()
            cookies.append(security.sessions.cookie(session))
        if request.query_params.get("lang") == language:
            cookies.append(f"{COOKIE}={language}; Max-Age={_YEAR_S}; Path=/; SameSite=Lax")
        folder = "parts" if request.headers.get(PART) else "pages"
        body = self._templates.get_template(f"{folder}/{shown.template}").render(
            **shown.values,
            t=texts,
            language=language,
            code=CODES[language],
            other="en" if language == "zh" else "zh",
            other_address=_with_language(request, "en" if language == "zh" else "zh"),
            assets=self.assets.addresses,
            shop_name=self.settings.name,
            images=self.settings.images,
            places=[(name, path) for name, path, scope in _PLACES if principal is None or principal.may(scope)],
            here=request.url.path,
            principal=principal,
            token=security.sessions.form_token(session) if security is not None and session is not None else "",
        )
        answer = HTMLResponse(body, shown.status, {"Vary": f"Accept-Language, Cookie, {PART}"})
        for cookie in cookies:
            answer.headers.append("set-cookie", cookie)
        return answer


def renderer_of(request: Request) -> Renderer:
    """What renders the pages of the app that answers a request."""
    found: Renderer = request.app.state.pages.renderer
    return found


class PageRoute(GuardedRoute):
    """A route whose errors are pages; who is not known is asked to sign in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """That of a guarded route, with its errors caught."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except Fault as fault:
                return _fault_page(request, fault)
            except AisleError as error:
                return _fault_page(request, noted_fault(error, request))
            except RequestValidationError as error:
                return _fault_page(request, invalid(error.errors()))
            except HTTPException as error:
                return _fault_page(request, Fault(error.status_code, "http", str(error.detail)))

        return handle


def _fault_page(request: Request, fault: Fault) -> Response:
    if fault.status == 401 and request.method == "GET" and request.url.path != "/sign-in":
        return Response(status_code=303, headers={"Location": f"/sign-in?next={quote(_address(request), safe='')}"})
    after = quote(_address(request), safe="") if request.method == "GET" else ""
    values = {"fault": fault, "request_id": getattr(request.state, "request_id", ""), "after": after}
    answer = renderer_of(request).show(request, Shown("fault.html", values, fault.status))
    for name, value in (fault.headers or {}).items():
        answer.headers[name] = value
    return answer


def _address(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def from_our_form() -> Any:
    """A dependency of a page that changes something: it must be asked for by a form of ours, signed in or not."""

    async def check(request: Request) -> None:
        security: Security | None = getattr(request.app.state, "security", None)
        if security is None or "authorization" in request.headers or "x-api-key" in request.headers:
            return
        session = security.session(request)
        if session is None:
            raise Fault(403, "form_token", "the form's token is missing or old", fix="load the page again")
        await security.check_form(request, session)

    return Depends(check)


def _with_language(request: Request, language: str) -> str:
    """The same page in another language."""
    return str(request.url.include_query_params(lang=language).replace(scheme="", netloc=""))
