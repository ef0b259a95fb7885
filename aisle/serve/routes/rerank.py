"""`POST /v1/rerank` as Cohere and Jina define it, and Cohere's `/v2/rerank`: texts ordered by relevance to a query."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aisle.serve.access import ApiRoute, needs
from aisle.serve.documents import score_documents
from aisle.serve.facts import facts_of
from aisle.serve.faults import MEDIA_TYPE
from aisle.serve.parts import Shop
from aisle.serve.routes.embeddings import check_texts
from aisle.serve.routes.models import check_model
from aisle.serve.routes.running import run
from aisle.serve.searching import to_json

router = APIRouter(tags=["models"], dependencies=[needs("search")], route_class=ApiRoute)


class RerankBody(BaseModel):
    """What to order. A document is a text, or an object whose `text` (or `rank_fields`) is read."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"model": "aisle", "query": "usb hub", "documents": ["USB hub", "Mouse"], "top_n": 1}]
        },
    )
    model: str
    query: str = Field(min_length=1, max_length=10_000)
    documents: list[str | dict[str, Any]]
    top_n: int | None = Field(None, ge=1)
    rank_fields: list[str] | None = Field(None, description="Cohere's: which members of an object are read.")
    return_documents: bool = False


@router.post("/rerank")
async def rerank(request: Request, shop: Shop, body: RerankBody) -> Response:
    """Order texts by relevance, the best first.

    `relevance_score` is the model's score through the logistic function: from 0 to 1, in the model's order, no
    probability. Answers have the members of both Cohere's (id, results, meta) and Jina's (model, object, usage).
    """
    check_model(shop, body.model)
    texts = [_text(document, body.rank_fields) for document in body.documents]
    check_texts(shop, texts, "documents")
    reranker, count = shop.reranker, shop.engine.encoder.count_tokens
    request_id = facts_of(request).request_id

    def work() -> bytes:
        scores = score_documents(reranker, body.query, texts)
        order = sorted(range(len(texts)), key=lambda place: (-scores[place], place))[: body.top_n]
        results: list[dict[str, Any]] = [{"index": place, "relevance_score": scores[place]} for place in order]
        if body.return_documents:
            results = [one | {"document": {"text": texts[one["index"]]}} for one in results]
        tokens = sum(map(count, (body.query, *texts)))
        said: dict[str, Any] = {"id": request_id, "object": "list", "model": body.model, "results": results}
        said["usage"] = {"total_tokens": tokens, "prompt_tokens": tokens}
        said["meta"] = {"api_version": {"version": "1"}, "billed_units": {"search_units": 1}}
        return to_json(said)

    return Response(await run(request, shop, work), media_type=MEDIA_TYPE)


def _text(document: str | dict[str, Any], rank_fields: list[str] | None) -> str:
    if isinstance(document, str):
        return document
    names = rank_fields or ["text"]
    return "\n".join(str(document[name]) for name in names if document.get(name) is not None)
