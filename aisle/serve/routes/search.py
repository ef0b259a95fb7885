"""`/v1/search`: one search, as JSON or in the address."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from aisle.filters import parse_sort
from aisle.serve.access import ApiRoute, needs
from aisle.serve.experiment.shadow import Scored
from aisle.serve.experiment.trial import Tried, plain
from aisle.serve.facts import facts_of
from aisle.serve.faults import MEDIA_TYPE, Fault
from aisle.serve.json_filter import read_filter
from aisle.serve.parts import Parts, Shop
from aisle.serve.routes.running import run_group
from aisle.serve.searching import Ask, Found, Searches
from aisle.serve.writing.change import MAX_ID
from aisle.shopper import MOST_VIEWED, parse_band
from aisle.types import Mode, SearchRequest, Shopper

router = APIRouter(tags=["search"], dependencies=[needs("search")], route_class=ApiRoute)
MAX_QUERY = 10_000
MAX_FACETS = 20
Viewed = Annotated[str, Field(min_length=1, max_length=MAX_ID, pattern=r"\S")]
Price = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_EXAMPLE: dict[str, Any] = {
    "query": "wireless headphones",
    "filter": "price < 100 AND brand IN (Sony, JBL)",
    "facets": ["brand", "category"],
    "k": 10,
    "highlight": True,
}
_EXAMPLE_JSON: dict[str, Any] = {
    "query": "无线耳机",
    "filter": {"and": [{"field": "price", "op": "<", "value": 100}, {"field": "available", "op": "=", "value": True}]},
    "sort": "price:desc",
}
_ANSWER: dict[str, Any] = {
    "query": "wireless headphones",
    "mode": "hybrid",
    "total": 412,
    "offset": 0,
    "k": 1,
    "hits": [{"rank": 1, "score": 0.93, "product": {"id": "1023", "title": "Sony WH-CH520", "price": 49.9}}],
    "spelling": [],
    "rewrites": [],
    "unmet": None,
    "category": {"path": ["Electronics", "Headphones"], "share": 0.83},
    "cut": 0,
    "no_good_result": False,
    "redirect": None,
    "refused": None,
    "degraded": [],
    "timings_ms": {"bm25": 4.1, "dense": 3.2},
}


class SearchBody(BaseModel):
    """A search. A blank query lists everything that passes the filter."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE, _EXAMPLE_JSON]})

    query: str = Field("", max_length=MAX_QUERY, description="What the shopper typed.")
    filter: str | dict[str, Any] | None = Field(
        None, description="In the filter language (docs/filters.md), or as JSON: and, or, not, {field, op, value}."
    )
    sort: str = Field("", max_length=500, description="FIELD[:desc],... instead of relevance.")
    facets: list[str] = Field([], max_length=MAX_FACETS, description="Fields whose values are counted.")
    k: int = Field(10, ge=0, description="Products on the page.")
    offset: int = Field(0, ge=0, description="Products to pass over first.")
    mode: Mode = Field("hybrid", description="Words, meaning, or both.")
    fields: list[str] = Field([], max_length=50, description="Of each product; none: all.")
    highlight: bool = Field(False, description="Say where title and description have the query's words.")
    explain: bool = Field(False, description="Say beside every hit why it is there.")
    deadline_ms: float | None = Field(
        None, gt=0, le=600_000, description="Stages that can be left out are, once this is spent."
    )
    user: str = Field("", max_length=200, description="The shopper, for stages and experiments that ask for one.")
    viewed: list[Viewed] = Field(
        [],
        max_length=MOST_VIEWED,
        description="Ids of products that the shopper viewed lately, the latest first, for a learnt combination.",
    )
    price_band: list[Price] | None = Field(
        None, min_length=2, max_length=2, description="Lowest and highest price that the shopper usually looks at."
    )


Deadline = Annotated[float | None, Header(alias="X-Deadline-Ms", gt=0, le=600_000)]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The ranking.", "content": {MEDIA_TYPE: {"example": _ANSWER}}},
    429: {"description": "Too much is waiting; see Retry-After."},
}


@router.post("/search", responses=_RESPONSES)
async def search(request: Request, shop: Shop, body: SearchBody, x_deadline_ms: Deadline = None) -> Response:
    """Search the catalogue."""
    return await _search(request, shop, body, x_deadline_ms)


@router.get("/search", responses=_RESPONSES)
async def search_by_address(
    request: Request,
    shop: Shop,
    q: Annotated[str, Query(max_length=MAX_QUERY, description="What the shopper typed.")] = "",
    filter: Annotated[str, Query(max_length=MAX_QUERY, description="In the filter language.")] = "",
    sort: Annotated[str, Query(max_length=500)] = "",
    facets: Annotated[list[str], Query(max_length=MAX_FACETS)] = [],  # noqa: B006
    k: Annotated[int, Query(ge=0)] = 10,
    offset: Annotated[int, Query(ge=0)] = 0,
    mode: Mode = "hybrid",
    fields: Annotated[list[str], Query(max_length=50)] = [],  # noqa: B006
    highlight: bool = False,
    explain: bool = False,
    deadline_ms: Annotated[float | None, Query(gt=0, le=600_000)] = None,
    user: Annotated[str, Query(max_length=200)] = "",
    viewed: Annotated[list[Viewed], Query(max_length=MOST_VIEWED)] = [],  # noqa: B006
    price_band: Annotated[str, Query(max_length=60, description="LOW:HIGH.")] = "",
    x_deadline_ms: Deadline = None,
) -> Response:
    """The same in the address; facets, fields and viewed may be repeated.

    Proxies log addresses: what somebody viewed is better posted.
    """
    body = SearchBody(
        query=q, filter=filter or None, sort=sort, facets=facets, k=k, offset=offset, mode=mode, fields=fields,
        highlight=highlight, explain=explain, deadline_ms=deadline_ms, user=user,
        viewed=viewed, price_band=list(parse_band(price_band)) if price_band else None,
    )  # fmt: skip
    return await _search(request, shop, body, x_deadline_ms)


async def _search(request: Request, shop: Parts, body: SearchBody, header: float | None) -> Response:
    ask, facts, trial = ask_of(shop, body, header), facts_of(request), shop.trial
    part = trial.assign(ask.request, facts.request_id, explain=body.explain) if trial is not None else None
    ask = replace(ask, part=part)
    searches: Searches = request.app.state.searches
    found = await run_group(request, shop, searches.group(ask), ask, key=ask)
    facts.of_ranking(found.ranking)
    facts.index_version = found.index_version
    if trial is not None and part is not None:
        facts.variant = part.variant
        tried = found.tried or Tried(shop.engine, found.ranking, plain(found.ranking))
        trial.note(facts.request_id, shop.folder.resolve().name, ask.request, part, tried)
    if shop.shadow is not None and _fit_for_shadow(body) and shop.shadow.wanted():
        facts.shadow = "sent" if shop.shadow.send(_scored(facts.request_id, body, found)) else "dropped"
    return Response(found.body, media_type=MEDIA_TYPE)


def _fit_for_shadow(body: SearchBody) -> bool:
    """Whether a candidate's ranking can be compared with this page."""
    return bool(body.query.strip()) and not body.sort and not body.offset and body.k > 0


def _scored(request_id: str, body: SearchBody, found: Found) -> Scored:
    ranking = found.ranking
    return Scored(
        request_id=request_id,
        at=time.time(),
        body=body.model_dump_json(),
        ids=_unexplored(found),
        served_ms=sum(ranking.timings_ms.values()),
        index=found.index,
        degraded=bool(ranking.degraded),
    )


def _unexplored(found: Found) -> list[str]:
    """The products of the page as the ranking has them, without the one that exploration put in."""
    ids = [hit.product_id for hit in found.ranking.hits]
    tried = found.tried
    if tried is not None and tried.slot and tried.pool and tried.slot <= len(ids):
        ids[tried.slot - 1] = tried.pool[0]
    return ids


def ask_of(shop: Parts, body: SearchBody, header_deadline: float | None = None) -> Ask:
    """What a body asks for.

    Raises:
        Fault: The page is larger or deeper than the service allows.
        FilterError: The filter or the sort cannot be read.
    """
    check_page(shop, body.k, body.offset)
    deadlines = [one for one in (body.deadline_ms, header_deadline, shop.settings.deadline_ms or None) if one]
    return Ask(
        replace(request_of(body), deadline_ms=min(deadlines) if deadlines else None),
        tuple(dict.fromkeys(body.facets)),
        tuple(dict.fromkeys(body.fields)),
        body.highlight,
        body.explain,
        since=time.monotonic(),
    )


def request_of(body: SearchBody) -> SearchRequest:
    """The search of a body, without its deadline.

    Raises:
        FilterError: The filter or the sort cannot be read.
    """
    return SearchRequest(
        text=body.query,
        filter=read_filter(body.filter),
        sort=parse_sort(body.sort) if body.sort.strip() else (),
        offset=body.offset,
        k=body.k,
        mode=body.mode,
        shopper=Shopper(
            id=body.user or None,
            viewed=tuple(body.viewed),
            price_band=(body.price_band[0], body.price_band[1]) if body.price_band is not None else None,
        ),
    )


def check_page(shop: Parts, k: int, offset: int) -> None:
    """Refuse a page that costs too much.

    Raises:
        Fault: It is too large or too deep.
    """
    for name, value, most in (("k", k, shop.settings.max_k), ("offset", offset, shop.settings.max_offset)):
        if value > most:
            raise Fault(422, "invalid_request", f"{name} is {value}", allowed=f"0 to {most}", fix="narrow the search")
