"""`/rules`: the merchant's rules, to be looked at, checked and replaced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from aisle.errors import RecipeError
from aisle.rules import Finding, check, parse_rules
from aisle.serve.access import needs
from aisle.serve.pages.rendering import PageRoute, Shown, from_our_form, renderer_of
from aisle.serve.parts import Shop
from aisle.serve.routes.running import note, run
from aisle.serve.rules import MAX_BYTES, Changed, Unfit

router = APIRouter(dependencies=[needs("admin")], route_class=PageRoute, include_in_schema=False)


@router.get("/rules")
async def read(request: Request, shop: Shop) -> Response:
    """The rules as they stand, and what is wrong with them now."""
    stored = await run(request, shop, shop.rules.read)
    engine = shop.engine
    found: Sequence[Finding] = ()
    problem = ""
    try:
        found = await run(request, shop, lambda: _check(stored.text, engine.index))
    except RecipeError as error:
        problem = str(error)
    return _shown(request, stored.text, stored.version, found, "read", problem)


@router.post("/rules", dependencies=[from_our_form()])
async def change(
    request: Request,
    shop: Shop,
    text: Annotated[str, Form(max_length=MAX_BYTES)] = "",
    version: Annotated[str, Form(max_length=64)] = "",
    action: Annotated[str, Form(max_length=20)] = "check",
    force: Annotated[bool, Form()] = False,
) -> Response:
    """Check rules, or put them in force; what was typed stays on the page whatever comes of it."""
    engine = shop.engine
    text = text.replace("\r\n", "\n")
    try:
        if action != "replace":
            found: Sequence[Finding] = await run(request, shop, lambda: _check(text, engine.index))
            return _shown(request, text, version, found, "checked")
        before = await run(request, shop, shop.rules.read)  # if it is not the version of the form, nothing is changed
        stored, found = await run(request, shop, lambda: shop.rules.replace(text, engine, version, force=force))
    except RecipeError as error:
        return _shown(request, text, version, (), "unreadable", str(error), 422)
    except Unfit as error:
        return _shown(request, text, version, error.findings, "unfit", status=422)
    except Changed:
        return _shown(request, text, version, (), "changed", status=412)
    await note(request, shop, "rules.replace", stored.version, stored.text, before=before.text or None)
    return _shown(request, stored.text, stored.version, found, "replaced")


def _check(text: str, index: object) -> Sequence[Finding]:
    rules = parse_rules(text)
    return check(rules, rules.today(datetime.now(UTC)), index)  # type: ignore[arg-type]


def _shown(
    request: Request,
    text: str,
    version: str,
    found: Sequence[Finding],
    outcome: str,
    problem: str = "",
    status: int = 200,
) -> Response:
    values = {"text": text, "version": version, "findings": found, "outcome": outcome, "problem": problem}
    return renderer_of(request).show(request, Shown("rules.html", values, status, forms=True))
