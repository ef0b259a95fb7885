"""`/v1/judgments`: what people say of products for queries."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aisle.judgments.given import Judged, agreed
from aisle.serve.access import GuardedRoute, needs
from aisle.serve.faults import MEDIA_TYPE
from aisle.serve.parts import Shop
from aisle.serve.routes.running import note, run
from aisle.serve.searching import to_json

router = APIRouter(tags=["judgments"], dependencies=[needs("judge")], route_class=GuardedRoute)
MOST = 1_000


class JudgmentBody(BaseModel):
    """A grade of a product for a query: 0 not relevant, 3 exactly what was asked."""

    model_config = ConfigDict(extra="forbid")
    query: str = Field(min_length=1, max_length=2_000)
    product_id: str = Field(min_length=1, max_length=256)
    grade: float = Field(ge=0, le=3, allow_inf_nan=False)
    judge: str = Field("", max_length=200, description="Who says so; the last word of each judge counts.")


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
    """Keep judgments; the answer means that they are on the disk."""
    judged = [Judged(one.query, one.product_id, one.grade, one.judge) for one in body.judgments]
    await run(request, shop, lambda: shop.judgments.add(judged))
    await note(request, shop, "judgments.add", f"{len(judged)} judgments", [asdict(one) for one in judged])
    return Response(to_json({"kept": len(judged)}), 201, media_type=MEDIA_TYPE)


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
    found = [one for one in reversed(found) if not query or one.query == query]
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
