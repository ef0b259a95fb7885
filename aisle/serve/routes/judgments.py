"""`/v1/judgments`: what people say of products for queries."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aisle.judgments.given import Judged, agreed
from aisle.privacy import mask
from aisle.serve.access import ApiRoute, needs
from aisle.serve.faults import MEDIA_TYPE, Fault
from aisle.serve.parts import Shop
from aisle.serve.routes.running import note, run
from aisle.serve.searching import to_json
from aisle.serve.security import Principal

router = APIRouter(tags=["judgments"], dependencies=[needs("judge")], route_class=ApiRoute)
MOST = 1_000
MAX_NAME = 60
"""Characters of a key's name that a judgment is kept under, as on the page."""


class JudgmentBody(BaseModel):
    """A grade of a product for a query: 0 not relevant, 3 exactly what was asked."""

    model_config = ConfigDict(extra="forbid")
    query: str = Field(min_length=1, max_length=2_000)
    product_id: str = Field(min_length=1, max_length=256)
    grade: float = Field(ge=0, le=3, allow_inf_nan=False)
    judge: str = Field(
        "",
        max_length=200,
        description="Who says so; the last word of each judge counts. With keys: the key's name, unless it may all.",
    )


class JudgmentsBody(BaseModel):
    """Judgments to keep."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"judgments": [{"query": "usb hub", "product_id": "1023", "grade": 3, "judge": "anna"}]}]
        },
    )
    judgments: list[JudgmentBody] = Field(min_length=1, max_length=MOST)


@router.post("/judgments", status_code=201)
async def add(request: Request, shop: Shop, body: JudgmentsBody) -> Response:
    """Keep judgments; the answer means that they are on the disk. Personal data in queries is masked before.

    Who shows a key judges under its name; only one with the scope admin may name somebody else.
    """
    names = [_judge(request, one.judge) for one in body.judgments]
    judged = [
        Judged(mask(one.query), one.product_id, one.grade, name)
        for one, name in zip(body.judgments, names, strict=True)
    ]
    await run(request, shop, lambda: shop.judgments.add(judged))
    await note(request, shop, "judgments.add", f"{len(judged)} judgments", [asdict(one) for one in judged])
    return Response(to_json({"kept": len(judged)}), 201, media_type=MEDIA_TYPE)


def _judge(request: Request, named: str) -> str:
    """Under whose name a judgment is kept.

    Raises:
        Fault: It is somebody else's than the key's, and the key is not for everything.
    """
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None or principal.kind == "open":
        return named
    own = principal.name[:MAX_NAME]
    if named in ("", own, principal.name):
        return own
    if not principal.may("admin"):
        raise Fault(
            403,
            "another_judge",
            f"judge is {named!r}, and this key is {own!r}'s",
            allowed=own,
            fix="leave judge out, or ask for a key with the scope 'admin'",
        )
    return named


@router.get("/judgments")
async def read(
    request: Request,
    shop: Shop,
    query: Annotated[str, Query(max_length=2_000, description="Of this query alone.")] = "",
    together: Annotated[bool, Query(description="The mean of the judges instead of each.")] = False,
    offset: Annotated[int, Query(ge=0)] = 0,
    k: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
) -> Response:
    """The last word of each judge, the latest first, or the mean of the judges."""
    found = await run(request, shop, shop.judgments.read)
    kept = mask(query)
    found = [one for one in reversed(found) if not query or one.query in (query, kept)]
    if together:
        shown = [
            {"query": one.query, "product_id": one.product_id, "grade": round(one.grade, 4)} for one in agreed(found)
        ]
    else:
        shown = [
            {"query": one.query, "product_id": one.product_id, "grade": one.grade, "judge": one.judge, "at": one.at}
            for one in found
        ]
    return Response(to_json({"total": len(shown), "judgments": shown[offset : offset + k]}), media_type=MEDIA_TYPE)
