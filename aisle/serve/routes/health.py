"""`/health/live`, `/health/ready` and `/metrics`: for whoever runs the service."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from fastapi import APIRouter, Request, Response

from aisle.errors import FingerprintError, first_line
from aisle.serve.access import GuardedRoute, needs
from aisle.serve.faults import MEDIA_TYPE
from aisle.serve.metrics import Metrics
from aisle.serve.parts import Parts, Shop
from aisle.serve.processes.state import troubles_in
from aisle.serve.redact import public
from aisle.serve.searching import to_json
from aisle.types import SearchRequest

LOG = logging.getLogger("aisle.serve")
router = APIRouter(tags=["health"], route_class=GuardedRoute)


@router.get("/health/live")
async def live(shop: Shop) -> Response:
    """The process runs and answers."""
    return Response(to_json({"status": "live", "seconds": round(shop.seconds, 1)}), media_type=MEDIA_TYPE)


@router.get("/health/ready", responses={503: {"description": "Send requests elsewhere."}})
async def ready(shop: Shop) -> Response:
    """Whether requests can be answered: the index is read and the keys are; and what else is wrong."""
    said = await state_of(shop)
    return Response(to_json(said), 200 if said["ready"] else 503, media_type=MEDIA_TYPE)


async def state_of(shop: Parts) -> dict[str, Any]:
    """What can be said of the service: each part by name, and whether requests should come."""
    parts: dict[str, str] = {}
    products, version = 0, 0
    try:
        products, version = await asyncio.to_thread(_probe, shop)
        parts["index"] = "ok" if products else "empty"
    except Exception as error:  # damaged files raise what LanceDB raises
        LOG.error("the index cannot be read: %s", first_line(error))
        parts["index"] = f"cannot be read: {type(error).__name__}; to fix: index again, or promote another index"
    if shop.trouble:
        parts["promoted"] = public(shop.trouble)
    parts["writer"] = await shop.writer.trouble() or "ok"
    lets_in = True
    if shop.security is not None:
        parts["keys"] = await asyncio.to_thread(shop.security.trouble) or "ok"
        lets_in = parts["keys"] == "ok" or "search" in shop.security.settings.anonymous
    for name, trouble in (await asyncio.to_thread(troubles_in, shop.processes)).items():
        before = f"{parts[name]}; " if parts.get(name, "ok") != "ok" else ""
        parts[name] = before + public(trouble)
    parts["queue"] = "ok" if shop.pool.waiting < shop.pool.queue else "full"
    parts["suggestions"] = "ok" if shop.suggestions is not None else "being made"
    ready = parts["index"] == "ok" and lets_in and not shop.ending
    return {
        "ready": ready,
        "ending": shop.ending,
        "parts": parts,
        "index": {"products": products, "version": version},
        "waiting": {"searches": shop.pool.waiting, "changes": shop.writer.waiting},
    }


def _probe(shop: Parts) -> tuple[int, int]:
    """Products and version of an index that has just answered a search, with every kind of file read."""
    try:
        shop.engine.search(SearchRequest("a", k=1))
    except FingerprintError:  # another index stands in the folder
        if shop.reopened() is None:
            raise
    return shop.index.count(), shop.index.version


@router.get("/metrics", dependencies=[needs("admin")])
async def metrics(request: Request, shop: Shop) -> Response:
    """Metrics of all workers in Prometheus' text format."""
    found: Metrics = request.app.state.metrics
    return Response(found.text(await shop.writer.trouble()), media_type="text/plain; version=0.0.4; charset=utf-8")
