"""`POST /v1/embeddings` as OpenAI defines it: texts to unit vectors, as numbers or as base64."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aisle.serve.access import ApiRoute, needs
from aisle.serve.faults import MEDIA_TYPE, Fault
from aisle.serve.parts import Parts, Shop
from aisle.serve.routes.models import check_model
from aisle.serve.routes.running import run
from aisle.serve.searching import to_json
from aisle.types import Array

router = APIRouter(tags=["models"], dependencies=[needs("search")], route_class=ApiRoute)


class EmbeddingsBody(BaseModel):
    """What to encode. OpenAI's other fields are taken and not used."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={"examples": [{"model": "aisle", "input": ["usb hub", "无线耳机"]}]},
    )
    model: str
    input: str | list[str] = Field(description="A text or several; token numbers are not taken.")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1, description="The vectors' own length, or nothing.")
    user: str | None = None
    input_type: Literal["query", "document"] = Field("document", description="Beyond OpenAI: which of the two it is.")


@router.post("/embeddings")
async def embeddings(request: Request, shop: Shop, body: EmbeddingsBody) -> Response:
    """Encode texts with the encoder of the index."""
    check_model(shop, body.model)
    texts = [body.input] if isinstance(body.input, str) else body.input
    check_texts(shop, texts, "input")
    encoder = shop.engine.encoder
    if body.dimensions not in (None, encoder.dim):
        raise Fault(400, "invalid_request", f"dimensions is {body.dimensions}", allowed=str(encoder.dim))
    kind: Literal["query", "product"] = "query" if body.input_type == "query" else "product"

    def work() -> bytes:
        vectors = encoder.encode(texts, kind)
        tokens = sum(map(encoder.count_tokens, texts))
        data = [
            {"object": "embedding", "index": place, "embedding": _shown(vector, body.encoding_format)}
            for place, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return to_json({"object": "list", "data": data, "model": body.model, "usage": usage})

    return Response(await run(request, shop, work), media_type=MEDIA_TYPE)


def check_texts(shop: Parts, texts: Sequence[str], name: str) -> None:
    """Refuse more text than one request may have.

    Raises:
        Fault: There is none, there are too many, or one is empty or too long.
    """
    most, longest = shop.settings.max_texts, shop.settings.max_text_chars
    if not 1 <= len(texts) <= most:
        raise Fault(
            400, "invalid_request", f"{name} has {len(texts)} texts", allowed=f"1 to {most}", fix="ask in parts"
        )
    for place, text in enumerate(texts):
        if not text or len(text) > longest:
            message = f"{name}, text {place}, has {len(text)} characters"
            raise Fault(400, "invalid_request", message, allowed=f"1 to {longest}", fix="leave it out, or shorten it")


def _shown(vector: Array, form: str) -> str | list[float]:
    if form == "base64":
        return base64.b64encode(np.ascontiguousarray(vector, "<f4").tobytes()).decode()
    found: list[float] = vector.tolist()
    return found
