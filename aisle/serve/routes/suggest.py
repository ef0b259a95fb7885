"""`/v1/autocomplete`: what may be meant by what was typed so far."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from aisle.serve.access import ApiRoute, needs
from aisle.serve.faults import MEDIA_TYPE
from aisle.serve.parts import Shop
from aisle.serve.searching import to_json

router = APIRouter(tags=["search"], dependencies=[needs("search")], route_class=ApiRoute)
_EXAMPLE: dict[str, Any] = {
    "query": "hp las",
    "complete": True,
    "suggestions": [{"text": "HP LaserJet", "kind": "words", "count": 269}],
}


@router.get("/autocomplete", responses={200: {"content": {MEDIA_TYPE: {"example": _EXAMPLE}}}})
async def autocomplete(
    shop: Shop,
    q: Annotated[str, Query(max_length=1_000, description="What was typed so far, in any script; pinyin too.")],
    k: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Response:
    """Categories, brands, phrases and titles that go on from what was typed.

    `complete` is false while the service is still reading the catalogue.
    """
    suggestions = shop.suggestions
    found = suggestions.find(q, k) if suggestions is not None else []
    shown = [
        {"text": one.text, "kind": one.kind, "count": one.count} | ({"id": one.id} if one.id else {}) for one in found
    ]
    said = {"query": q, "complete": suggestions is not None, "suggestions": shown}
    return Response(to_json(said), media_type=MEDIA_TYPE)
