"""The names under which clients of other services may ask for this one's models."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aisle.serve.access import ApiRoute, needs
from aisle.serve.faults import MEDIA_TYPE, Fault
from aisle.serve.parts import Parts, Shop
from aisle.serve.searching import to_json

router = APIRouter(tags=["models"], dependencies=[needs("search")], route_class=ApiRoute)
OWN = "aisle"


def names(shop: Parts) -> list[str]:
    """Every name that is answered to."""
    return list(dict.fromkeys((OWN, *shop.settings.models)))


def check_model(shop: Parts, name: str) -> None:
    """Refuse another model than those there are, rather than answer with one that was not asked for.

    Raises:
        Fault: There is no model of this name.
    """
    if name not in names(shop):
        fix = "ask for one of these, or add the name to `models` in [serve]"
        raise Fault(404, "model_not_found", f"no model {name[:200]!r}", allowed=", ".join(names(shop)), fix=fix)


@router.get("/models")
async def models(shop: Shop) -> Response:
    """The models, as OpenAI lists them."""
    created = int(shop.started)
    data = [{"id": name, "object": "model", "created": created, "owned_by": "aisle"} for name in names(shop)]
    return Response(to_json({"object": "list", "data": data}), media_type=MEDIA_TYPE)
