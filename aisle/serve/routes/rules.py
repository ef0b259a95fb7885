"""`/v1/rules`: the merchant's rules, read and replaced whole."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from aisle.rules import Finding
from aisle.serve.access import ApiRoute, needs
from aisle.serve.faults import MEDIA_TYPE, Fault
from aisle.serve.parts import Shop
from aisle.serve.routes.running import note, run
from aisle.serve.rules import MAX_BYTES, Changed, Stored, Unfit

router = APIRouter(tags=["rules"], dependencies=[needs("admin")], route_class=ApiRoute)
TOML = "application/toml"
_EXAMPLE: dict[str, Any] = {
    "rule": [{"name": "tv week", "when": {"query": ["tv"]}, "boost": {"filter": "brand = Sony", "by": 0.2}}]
}
_EXAMPLE_TOML = '[[rule]]\nname = "tv week"\nwhen = {query = ["tv"]}\npin = ["1"]\n'
_BODY = {
    "required": True,
    "content": {
        MEDIA_TYPE: {"schema": {"type": "object"}, "example": _EXAMPLE},
        TOML: {
            "schema": {"type": "string"},
            "example": '[[rule]]\nname = "tv week"\nwhen = {query = ["tv"]}\npin = ["1"]\n',
        },
    },
}


@router.get("/rules")
async def read(request: Request, shop: Shop) -> Response:
    """The rules as they stand, as data and as the text of the file; the ETag is theirs."""
    stored = await run(request, shop, shop.rules.read)
    return _answer(stored, ())


@router.put("/rules", openapi_extra={"requestBody": _BODY})
async def replace(
    request: Request,
    shop: Shop,
    force: Annotated[bool, Query(description="Take rules with errors too.")] = False,
    if_match: Annotated[str | None, Header(description="The ETag of the rules to be replaced.")] = None,
) -> Response:
    """Replace the rules, after a look at whether they can work for this catalogue.

    JSON, or TOML as in docs/rules.md. They act in every process within two seconds.
    """
    given = _given(await _body(request), request.headers.get("content-type", ""))
    known = None if if_match is None or if_match.strip() == "*" else if_match.strip().strip('"')
    engine = shop.engine

    def work() -> tuple[Stored, Stored, tuple[Finding, ...]]:
        while True:
            before = shop.rules.read()
            try:
                return before, *shop.rules.replace(
                    given, engine, before.version if known is None else known, force=force
                )
            except Changed:
                if known is not None:
                    raise

    try:
        before, stored, found = await run(request, shop, work)
    except Changed:
        fix = "read them again, and put your change into what stands there now"
        raise Fault(412, "rules_changed", "somebody else has replaced the rules since", fix=fix) from None
    except Unfit as error:
        said = "; ".join(f"{one.rule}: {one.problem}" for one in error.findings if one.severity == "error")
        raise Fault(422, "rules_unfit", said, fix="correct them, or say force=true") from None
    await note(request, shop, "rules.replace", stored.version, stored.text, before=before.text or None)
    return _answer(stored, found)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Fault(413, "too_large", f"rules of more than {MAX_BYTES:,} bytes")
    return bytes(body)


def _given(body: bytes, content_type: str) -> str | dict[str, Any]:
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode("utf-8-sig")
        if kind in (TOML, "text/plain"):
            return text
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Fault(
            422, "invalid_request", f"the body cannot be read: {error}", allowed=f"{MEDIA_TYPE}, {TOML}"
        ) from None
    if not isinstance(data, dict):
        raise Fault(422, "invalid_request", "the body is no object", allowed='{"rule": [...], "safety": {...}}')
    return data


def _answer(stored: Stored, found: Sequence[Finding]) -> Response:
    said = {
        "rules": _plain(stored.data),
        "toml": stored.text,
        "version": stored.version,
        "findings": [asdict(one) for one in found],
    }
    body = json.dumps(said, ensure_ascii=False).encode(errors="replace")
    return Response(body, headers={"ETag": f'"{stored.version}"'}, media_type=MEDIA_TYPE)


def _plain(value: Any) -> Any:
    """Dates as text."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, dt.date) else value
