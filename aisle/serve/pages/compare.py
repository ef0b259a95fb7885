"""`/compare`: two set-ups side by side for a query, and for all judged ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from fastapi import APIRouter, Request, Response

from aisle.engine import SearchEngine
from aisle.evaluate import paired_difference
from aisle.serve.access import needs
from aisle.serve.pages.grades import CUTOFF, Grades
from aisle.serve.pages.page import Pages, over_engine
from aisle.serve.pages.rendering import PageRoute, Shown
from aisle.serve.pages.setups import AS_SERVED, CHOICES, WORDS_ALONE, Setup
from aisle.serve.pages.tiles import Tile, tile_of_hit
from aisle.serve.pages.wanted import MAX_QUERY
from aisle.serve.parts import Parts, Shop
from aisle.serve.routes.running import run
from aisle.types import Ranking, SearchRequest

router = APIRouter(dependencies=[needs("judge")], route_class=PageRoute, include_in_schema=False)
DEPTH = 50
"""So deep a product is looked for in the other ranking."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A product of one side.

    Attributes:
        tile: What it looks like.
        rank: On this side.
        other: On the other one; None where it is not among its first 50.
        grade: As judged; None where it is not.
    """

    tile: Tile
    rank: int
    other: int | None
    grade: float | None

    @property
    def up(self) -> int | None:
        """Places that it is higher here than there."""
        return None if self.other is None else self.other - self.rank


@dataclass(frozen=True, slots=True)
class Side:
    """One set-up's answer; ``ndcg`` is None where nothing relevant is known."""

    name: str
    setup: Setup
    hits: tuple[Moved, ...]
    total: int
    ndcg: float | None
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """nDCG@10 of a judged query on both sides."""

    query: str
    first: float
    second: float

    @property
    def gain(self) -> float:
        """What the second set-up gains."""
        return self.second - self.first


@router.get("/compare")
async def compare(request: Request, shop: Shop) -> Response:
    """Two set-ups side by side."""
    pages: Pages = request.app.state.pages
    given = request.query_params.multi_items()
    query = request.query_params.get("q", "")[:MAX_QUERY]
    setups = (Setup.read(given, "a", AS_SERVED), Setup.read(given, "b", WORDS_ALONE))
    judged = await run(request, shop, shop.judgments.read)
    grades = await run(request, shop, lambda: pages.grades(judged))
    sides: list[Side] = []
    if query.strip():
        rankings = await _rankings(request, shop, pages, query, setups)
        sides = [_side(name, setups, rankings, grades, query) for name in ("a", "b")]
    measured: list[Measured] = []
    if request.query_params.get("all"):
        measured = await _measure(request, shop, pages, grades, setups)
    difference = None
    if measured:
        difference = await run(request, shop, lambda: paired_difference([one.gain for one in measured]))
    ids = [{one.tile.id for one in side.hits} for side in sides]
    values = {
        "query": query,
        "setups": dict(zip("ab", setups, strict=True)),
        "choices": CHOICES,
        "sides": sides,
        "shared": len(ids[0] & ids[1]) if ids else 0,
        "measured": sorted(measured, key=lambda one: (-abs(one.gain), one.query)),
        "means": (fmean(one.first for one in measured), fmean(one.second for one in measured)) if measured else None,
        "difference": difference,
        "judged_queries": min(len(grades.by_query), pages.settings.judged_queries),
        "asked_all": bool(request.query_params.get("all")),
        "cutoff": CUTOFF,
    }
    return pages.renderer.show(request, Shown("compare.html", values))


async def _rankings(
    request: Request, shop: Parts, pages: Pages, query: str, setups: Sequence[Setup], k: int = DEPTH
) -> list[Ranking]:
    def work(served: SearchEngine) -> list[Ranking]:
        return [
            pages.engines.get(served, one, shop.rules).search(SearchRequest(query, k=k, mode=one.mode))
            for one in setups
        ]

    return await run(request, shop, lambda: over_engine(shop, work))


def _side(name: str, setups: Sequence[Setup], rankings: Sequence[Ranking], grades: Grades, query: str) -> Side:
    here = "ab".index(name)
    own, other = rankings[here], rankings[1 - here]
    there = {hit.product_id: hit.rank for hit in other.hits}
    known = grades.of_query(query)
    return Side(
        name=name,
        setup=setups[here],
        hits=tuple(
            Moved(tile_of_hit(hit), hit.rank, there.get(hit.product_id), known.get(hit.product_id))
            for hit in own.hits[:CUTOFF]
        ),
        total=own.total,
        ndcg=grades.ndcg(query, [hit.product_id for hit in own.hits]),
        milliseconds=sum(own.timings_ms.values()),
    )


async def _measure(
    request: Request, shop: Parts, pages: Pages, grades: Grades, setups: Sequence[Setup]
) -> list[Measured]:
    """Query by query, so that shoppers' searches come between."""
    found = []
    for text in grades.measurable(pages.settings.judged_queries):
        rankings = await _rankings(request, shop, pages, text, setups, CUTOFF)
        values = [grades.ndcg(text, [hit.product_id for hit in one.hits]) or 0.0 for one in rankings]
        found.append(Measured(text, *values))
    return found
