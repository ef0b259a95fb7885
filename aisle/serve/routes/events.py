"""`/v1/events`: what shoppers saw, clicked, put in the cart and bought."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aisle.serve.access import ApiRoute, needs
from aisle.serve.faults import MEDIA_TYPE, Fault
from aisle.serve.parts import Shop
from aisle.serve.routes.running import note, run
from aisle.serve.searching import to_json
from aisle.serve.security.event import Event, Item

router = APIRouter(tags=["events"], dependencies=[needs("search")], route_class=ApiRoute)
erasing = APIRouter(tags=["events"], dependencies=[needs("admin")], route_class=ApiRoute)
MOST = 1_000
_Text = Field("", max_length=500)


class ItemBody(BaseModel):
    """A product of an event, with what is known of how it was shown."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(min_length=1, max_length=256)
    position: int | None = Field(None, ge=1, description="On the page, from 1.")
    score: float | None = Field(None, allow_inf_nan=False)
    propensity: float | None = Field(None, gt=0, le=1, description="How probable it was to be shown there.")
    team: str | None = Field(None, max_length=100, description="Of an interleaved page.")
    price: float | None = Field(None, ge=0, allow_inf_nan=False)
    quantity: int | None = Field(None, ge=1)


class EventBody(BaseModel):
    """One event. Personal data is masked, user and session are hashed, before anything is written."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["impression", "click", "cart", "purchase"]
    query: str = Field("", max_length=2_000)
    user: str = _Text
    session: str = _Text
    request_id: str = Field("", max_length=64, description="X-Request-ID of the search that it followed.")
    ranking: str = _Text
    variant: str = _Text
    items: list[ItemBody] = Field(min_length=1, max_length=500)


class EventsBody(BaseModel):
    """Events to keep."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"events": [{"type": "click", "query": "usb hub", "items": [{"id": "1023", "position": 2}]}]}]
        },
    )
    events: list[EventBody] = Field(min_length=1, max_length=MOST)


@router.post("/events", status_code=202)
async def add(request: Request, shop: Shop, body: EventsBody) -> Response:
    """Keep events; the answer means that they are on the disk."""
    if shop.events is None:
        raise Fault(501, "events_not_kept", "this service keeps no events", fix="start it with `aisle serve`")
    await shop.events.add([_event(event) for event in body.events])
    return Response(to_json({"kept": len(body.events)}), 202, media_type=MEDIA_TYPE)


class ErasureBody(BaseModel):
    """Whose events are to be deleted."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"user": "customer-4711"}]})
    user: str = Field(min_length=1, max_length=500, description="The shop's id of the user, as it was sent.")


@erasing.post("/events:delete")
async def delete(request: Request, shop: Shop, body: ErasureBody) -> Response:
    """Delete a user's events, those of the same visits before signing in, and the searches that they name in the logs.

    The deletion is noted in the audit log without the user's name. Backups are not reached.
    """
    events = shop.events
    if events is None:
        raise Fault(501, "events_not_kept", "this service keeps no events", fix="start it with `aisle serve`")
    who, deleted = await run(request, shop, lambda: events.delete_user(body.user))
    await note(request, shop, "events.delete_user", who, {"events": deleted.events})
    said = {"events": deleted.events, "days": deleted.days, "requests": deleted.requests}
    return Response(to_json(said), media_type=MEDIA_TYPE)


def _event(body: EventBody) -> Event:
    items = tuple(Item(**item.model_dump(exclude_none=True)) for item in body.items)
    return Event(items=items, **body.model_dump(exclude={"items"}))
