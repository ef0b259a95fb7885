"""`/v1/products:bulk`: any number of changes as JSON lines, acknowledged a batch at a time once they are durable.

The answer is JSON lines too, and begins while the request is still being sent: each tells of the lines that are
durable now. Who loses the connection goes on after the last line acknowledged. Memory does not grow with the import.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from aisle.errors import InputError
from aisle.serve.access import ApiRoute, needs
from aisle.serve.faults import Fault, fault_of, invalid
from aisle.serve.parts import Parts, Shop
from aisle.serve.routes.products import ProductBody
from aisle.serve.routes.running import note, write
from aisle.serve.searching import to_json
from aisle.serve.writing.change import MAX_ID, Change, Delete, Outcome, Patch, Put, checked_id, finite

router = APIRouter(tags=["products"], dependencies=[needs("write")], route_class=ApiRoute)
NDJSON = "application/x-ndjson"
SHOWN_ERRORS = 20
"""Lines of a batch whose faults are told one by one."""
_LINES = (
    '{"id": "1", "title": "Sony WH-CH520", "price": 49.9}\n'
    '{"op": "patch", "id": "2", "price": 39.9}\n'
    '{"op": "delete", "id": "3"}\n'
)
_BODY = {"required": True, "content": {NDJSON: {"schema": {"type": "string"}, "example": _LINES}}}
_ANSWER = '{"lines": [1, 3], "created": 1, "updated": 1, "missing": 1, "errors": []}\n{"done": true, "lines": 3}\n'


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    change: Change | None
    fault: Fault | None = None
    id: str | None = None


@router.post(
    "/products:bulk",
    openapi_extra={"requestBody": _BODY},
    responses={200: {"content": {NDJSON: {"example": _ANSWER}}}},
)
async def bulk(request: Request, shop: Shop) -> Response:
    """Put, patch and delete many products: a JSON object a line, with `op` put (the default), patch or delete.

    Each line of the answer has the first and the last line of a batch that is durable now, how many were created,
    replaced, updated, unchanged, deleted, missing or refused, and the faults of the first refused ones. The last
    line has `done`, or `error` with the line after which to go on.
    """
    return _Stream(_answer(request, shop))


class _Stream(Response):
    """Sends what comes as it comes. Starlette's own watches for a disconnect and may swallow the request's body."""

    media_type = NDJSON

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        super().__init__()
        self.parts = parts
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for part in self.parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _answer(request: Request, shop: Parts) -> AsyncIterator[bytes]:
    done = 0
    batch: list[_Line] = []
    try:
        async for line in _lines(request, shop.settings.max_line_bytes):
            batch.append(line)
            if len(batch) >= shop.settings.bulk_batch:
                yield await _write(request, shop, batch)
                done, batch = batch[-1].number, []
        if batch:
            yield await _write(request, shop, batch)
            done = batch[-1].number
    except Fault as fault:
        error = {"code": fault.code, "message": fault.message, "allowed": fault.allowed, "fix": fault.fix}
        yield to_json({"done": False, "durable_to_line": done, "error": error}) + b"\n"
    except HTTPException as refusal:  # too slow, or too large
        if batch:
            yield await _write(request, shop, batch)
            done = batch[-1].number
        error = {"code": "interrupted", "message": str(refusal.detail)}
        yield to_json({"done": False, "durable_to_line": done, "error": error}) + b"\n"
    except ClientDisconnect:
        if batch:  # it had been sent, and may as well be kept
            await _write(request, shop, batch)
    else:
        yield to_json({"done": True, "lines": done}) + b"\n"


async def _lines(request: Request, most: int) -> AsyncIterator[_Line]:
    """The lines of the body as they come, blank ones passed over.

    Raises:
        Fault: A line is longer than ``most`` bytes.
    """
    rest = bytearray()
    number = 0
    async for chunk in request.stream():
        rest += chunk
        *whole, last = rest.split(b"\n")
        rest = bytearray(last)
        for line in whole:
            number += 1
            _check_length(line, number, most)
            if line.strip():
                yield _read(line, number)
        _check_length(rest, number + 1, most)
    if rest.strip():
        yield _read(bytes(rest), number + 1)


def _check_length(line: bytes | bytearray, number: int, most: int) -> None:
    if len(line) > most:
        raise Fault(413, "line_too_long", f"line {number} is longer than {most:,} bytes", fix="write a product a line")


def _read(line: bytes | bytearray, number: int) -> _Line:
    product_id: str | None = None
    try:
        data = json.loads(line)
        product_id = _id(data)
        return _Line(number, _change(data, product_id))
    except ValidationError as error:
        fault = invalid(error.errors(), ProductBody)
    except InputError as error:
        fault = fault_of(error)
    except (ValueError, RecursionError) as error:
        fault = Fault(422, "invalid_json", f"not JSON: {error}")
    return _Line(number, None, fault, product_id)


def _id(data: Any) -> str | None:
    """The id that a line names, whether or not a product may have it."""
    found = data.get("id") if isinstance(data, dict) else None
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    return found if isinstance(found, str) else None


def _change(data: Any, product_id: str | None) -> Change:
    if not isinstance(data, dict):
        raise _wrong("no object", "a JSON object a line")
    if product_id is None:
        raise _wrong("no id", 'an "id" that is a text')
    checked_id(product_id)
    op, _ = data.pop("op", "put"), data.pop("id")
    if op == "put":
        return Put(ProductBody.model_validate(data).product(product_id))
    if op == "patch" and data:
        finite(data, product_id)
        return Patch(product_id, data)
    if op == "delete" and not data:
        return Delete(product_id)
    raise _wrong(f"op {op!r} with {len(data)} more members", "put with a product, patch with fields, delete alone")


def _wrong(what: str, allowed: str) -> InputError:
    return InputError(what, allowed=allowed)


async def _write(request: Request, shop: Parts, batch: list[_Line]) -> bytes:
    outcomes = await write(shop, [line.change for line in batch if line.change is not None])
    where = f"lines {batch[0].number} to {batch[-1].number}"
    before, after = ([[one.id, getattr(one, when)] for one in outcomes] for when in ("before", "after"))
    await note(request, shop, "products.bulk", where, after, before=before)
    by_line = dict(zip([line.number for line in batch if line.change is not None], outcomes, strict=True))
    counts: dict[str, int] = {}
    errors: list[dict[str, Any]] = []
    for line in batch:
        outcome = by_line.get(line.number) or Outcome((line.id or "")[:MAX_ID], "refused")
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
        if outcome.status in ("refused", "missing") and len(errors) < SHOWN_ERRORS:
            message = line.fault.message if line.fault else outcome.reason or "there is no such product"
            errors.append({"line": line.number, "id": outcome.id or None, "message": message})
    return to_json({"lines": [batch[0].number, batch[-1].number], **counts, "errors": errors}) + b"\n"
