"""`/rules`: the merchant's rules, to be looked at, checked and replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
EXAMPLE = """\
[[rule]]
name = "cases before laptops"
when = { query = ["laptop bag", "手机壳"] }
pin = ["12345"]
boost = { filter = "brand = Targus", by = 0.2 }
bury = { filter = "price < 5", by = 0.3 }

[safety]
products = ["666"]
"""


@dataclass(frozen=True, slots=True)
class Edit:
    """The form, and what came of it.

    Attributes:
        text: As it was typed, or as it stands.
        version: Of the rules that the text would replace.
        outcome: Names what is said: ``rules_`` of the texts.
        findings: What is wrong with single rules.
        problem: Why the text cannot be read.
        theirs: What somebody else has put in force meanwhile.
    """

    text: str
    version: str
    outcome: str
    findings: Sequence[Finding] = ()
    problem: str = ""
    theirs: str = ""


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
    outcome = "read" if stored.text.strip() else "none"
    return _shown(request, Edit(stored.text, stored.version, outcome, found, problem))


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
            return _shown(request, Edit(text, version, "checked", found))
        before = await run(request, shop, shop.rules.read)  # if it is not the version of the form, nothing is changed
        stored, found = await run(request, shop, lambda: shop.rules.replace(text, engine, version, force=force))
    except RecipeError as error:
        return _shown(request, Edit(text, version, "unreadable", problem=str(error)), 422)
    except Unfit as error:
        return _shown(request, Edit(text, version, "unfit", error.findings), 422)
    except Changed:
        now = await run(request, shop, shop.rules.read)
        return _shown(request, Edit(text, now.version, "changed", theirs=now.text), 412)
    await note(request, shop, "rules.replace", stored.version, stored.text, before=before.text or None)
    return _shown(request, Edit(stored.text, stored.version, "replaced", found))


def _check(text: str, index: object) -> Sequence[Finding]:
    rules = parse_rules(text)
    return check(rules, rules.today(datetime.now(UTC)), index)  # type: ignore[arg-type]


def _shown(request: Request, edit: Edit, status: int = 200) -> Response:
    return renderer_of(request).show(
        request, Shown("rules.html", {"edit": edit, "example": EXAMPLE}, status, forms=True)
    )
