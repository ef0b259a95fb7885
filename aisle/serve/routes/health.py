"""`/health/live`, `/health/ready` and `/metrics`: for whoever runs the service."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from aisle.serve.access import needs
from aisle.serve.faults import MEDIA_TYPE
from aisle.serve.metrics import Metrics
from aisle.serve.parts import Parts, Shop
from aisle.serve.searching import to_json

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live(shop: Shop) -> Response:
    """The process runs and answers."""
    return Response(to_json({"status": "live", "seconds": round(time.time() - shop.started, 1)}), media_type=MEDIA_TYPE)


@router.get("/health/ready", responses={503: {"description": "Send requests elsewhere."}})
async def ready(shop: Shop) -> Response:
    """Whether requests can be answered: the index is read, the writer is there, the queue is not full."""
    said = await state_of(shop)
    return Response(to_json(said), 200 if said["ready"] else 503, media_type=MEDIA_TYPE)


async def state_of(shop: Parts) -> dict[str, Any]:
    """What can be said of the service: each part by name, and whether requests should come."""
    parts: dict[str, str] = {}
    products, version = 0, 0
    try:
        products, version = shop.index.count(), shop.index.version
        parts["index"] = "ok" if products else "empty"
    except Exception as error:  # damaged files raise what LanceDB raises
        parts["index"] = f"cannot be read: {type(error).__name__}"
    parts["writer"] = "ok" if await shop.writer.alive() else "gone: changes are not taken, searches are"
    parts["queue"] = "ok" if shop.pool.waiting < shop.pool.queue else "full"
    parts["suggestions"] = "ok" if shop.suggestions is not None else "being made"
    ready = parts["index"] == "ok" and not shop.ending
    return {
        "ready": ready,
        "ending": shop.ending,
        "parts": parts,
        "index": {"products": products, "version": version},
        "waiting": {"searches": shop.pool.waiting, "changes": shop.writer.waiting},
    }


@router.get("/metrics", dependencies=[needs("admin")])
async def metrics(request: Request) -> Response:
    """Metrics of all workers in Prometheus' text format."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
