"""`/judge`: pairs of a query and a product, one after the other, each to be given a grade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response

from aisle.engine import SearchEngine
from aisle.errors import RequestError
from aisle.judgments.given import Judged, judged_by, key_of
from aisle.privacy import mask
from aisle.serve.access import needs
from aisle.serve.faults import missing_product
from aisle.serve.pages.grades import CUTOFF
from aisle.serve.pages.judging import GRADES, agreements, pool
from aisle.serve.pages.page import Pages, over_engine
from aisle.serve.pages.rendering import PageRoute, Shown, from_our_form
from aisle.serve.pages.setups import AS_SERVED, CHOICES, WORDS_ALONE, Setup
from aisle.serve.pages.tiles import tile_of
from aisle.serve.parts import Parts, Shop
from aisle.serve.routes.running import note, run
from aisle.serve.security import Principal
from aisle.types import Product, SearchRequest

router = APIRouter(dependencies=[needs("judge")], route_class=PageRoute, include_in_schema=False)
MOST_QUERIES = 200
MAX_QUERY = 500
MAX_NAME = 60
MOST_ATTRIBUTES = 12


@dataclass(frozen=True, slots=True)
class Task:
    """What somebody judges.

    Attributes:
        judge: Who; empty until it is known.
        queries: One a line; empty: those that are judged already.
        setups: Whose first products are judged.
    """

    judge: str
    queries: tuple[str, ...]
    setups: tuple[Setup, Setup]

    @classmethod
    def read(cls, request: Request, given: Sequence[tuple[str, str]]) -> Task:
        """The task of an address or a form, personal data masked; the rater's name is the key's where there is one."""
        first = dict(reversed(given))
        lines = [mask(line.strip())[:MAX_QUERY] for line in first.get("queries", "").splitlines()]
        queries = tuple({key_of(line): line for line in lines if line}.values())[:MOST_QUERIES]
        principal: Principal | None = getattr(request.state, "principal", None)
        signed = principal is not None and principal.kind in ("key", "session", "token")
        name = principal.name if signed and principal is not None else " ".join(first.get("judge", "").split())
        setups = (Setup.read(given, "a", AS_SERVED), Setup.read(given, "b", WORDS_ALONE))
        return cls(name[:MAX_NAME], queries, setups)

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """For an address or a form."""
        both = [*self.setups[0].parameters("a"), *self.setups[1].parameters("b")]
        return [("judge", self.judge), ("queries", "\n".join(self.queries)), *both]

    @property
    def address(self) -> str:
        """Where it goes on."""
        return f"/judge?{urlencode(self.parameters, errors='replace')}"


@dataclass(frozen=True, slots=True)
class Next:
    """The next pair.

    ``place`` of ``queries`` queries it is, from 1; ``done`` of ``products`` products of this query are judged.
    """

    query: str
    product: Product
    place: int
    queries: int
    done: int
    products: int


@router.get("/judge")
async def judge(request: Request, shop: Shop) -> Response:
    """The next pair to judge."""
    pages: Pages = request.app.state.pages
    task = Task.read(request, request.query_params.multi_items())
    judged = await run(request, shop, shop.judgments.read)
    grades = await run(request, shop, lambda: pages.grades(judged))
    queries = task.queries or tuple(grades.texts.values())[:MOST_QUERIES]
    following = await _next(request, shop, task, queries, judged) if task.judge else None
    mine = [one for one in judged if one.judge == task.judge]
    principal: Principal | None = getattr(request.state, "principal", None)
    values = {
        "task": task,
        "choices": CHOICES,
        "next": following,
        "tile": tile_of(following.product) if following else None,
        "description": following.product.description if following else "",
        "attributes": _attributes(following.product) if following else {},
        "queries": queries,
        "mine": len(mine),
        "last": mine[-1] if mine else None,
        "last_product": await run(request, shop, lambda: _title(shop, mine[-1].product_id)) if mine else "",
        "agreements": agreements(judged),
        "raters": sorted({one.judge for one in judged if one.judge}),
        "named": principal is not None and principal.kind != "open",
        "grades": GRADES,
        "known": len(grades.by_query),
    }
    return pages.renderer.show(request, Shown("judge.html", values, forms=True))


@router.post("/judge", dependencies=[from_our_form()])
async def add(
    request: Request,
    shop: Shop,
    query: Annotated[str, Form(min_length=1, max_length=2_000)],
    product_id: Annotated[str, Form(min_length=1, max_length=256)],
    grade: Annotated[int, Form(ge=0, le=3)],
) -> Response:
    """Keep a grade, and go on to the next pair."""
    task = await _task_of_form(request)
    if (await run(request, shop, lambda: shop.engine.index.get([product_id])[0])) is None:
        raise missing_product(product_id)
    given = Judged(mask(query), product_id, float(grade), task.judge)
    await run(request, shop, lambda: shop.judgments.add([given]))
    await note(request, shop, "judgments.add", "1 judgment", [asdict(given)])
    return Response(status_code=303, headers={"Location": task.address})


@router.post("/judge/undo", dependencies=[from_our_form()])
async def undo(request: Request, shop: Shop) -> Response:
    """Take back the last grade of this rater: the pair comes again."""
    task = await _task_of_form(request)
    judged = await run(request, shop, shop.judgments.read)
    mine = [one for one in judged if one.judge == task.judge]
    if mine:
        await run(request, shop, lambda: shop.judgments.withdraw(mine[-1]))
        await note(request, shop, "judgments.withdraw", "1 judgment", [asdict(mine[-1])])
    return Response(status_code=303, headers={"Location": task.address})


async def _task_of_form(request: Request) -> Task:
    form = await request.form()
    task = Task.read(request, [(name, value) for name, value in form.multi_items() if isinstance(value, str)])
    if not task.judge:
        raise RequestError("nobody's judgment", allowed="a name", fix="say who you are on the page")
    return task


async def _next(
    request: Request, shop: Parts, task: Task, queries: Sequence[str], judged: Sequence[Judged]
) -> Next | None:
    """The first pair that this rater has not judged; queries are searched one by one until there is one."""
    mine = judged_by(judged, task.judge)
    for place, query in enumerate(queries, start=1):
        done = mine.get(key_of(query), {})
        ids = await run(request, shop, lambda query=query: _pool(request, shop, task, query))  # type: ignore[misc]
        left = [one for one in ids if one not in done]
        for product_id in left:
            (product,) = shop.engine.index.get([product_id])
            if product is not None:
                return Next(query, product, place, len(queries), len(ids) - len(left), len(ids))
    return None


def _pool(request: Request, shop: Parts, task: Task, query: str) -> list[str]:
    """The first products of both set-ups."""
    pages: Pages = request.app.state.pages

    def work(served: SearchEngine) -> list[str]:
        rankings = []
        for setup in task.setups:
            engine = pages.engines.get(served, setup, shop.rules)
            found = engine.search(SearchRequest(query, k=CUTOFF, mode=setup.mode))
            rankings.append([hit.product_id for hit in found.hits])
        return pool(rankings, query)

    return over_engine(shop, work)


def _title(shop: Parts, product_id: str) -> str:
    (product,) = shop.engine.index.get([product_id])
    return product.title if product is not None else product_id


def _attributes(product: Product) -> Mapping[str, Any]:
    shown = list(product.attributes.items())[:MOST_ATTRIBUTES]
    return {name.replace("_", " "): ", ".join(value) if isinstance(value, tuple) else value for name, value in shown}
