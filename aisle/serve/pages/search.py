"""`/`: the search page; `/why`: why a product stands where it does; `/product/ID`: all that is known of one."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.explain import Explanation, explain
from aisle.explain.cut import words_of
from aisle.explain.page import HEADINGS, marked
from aisle.explain.sentences import (
    absence_sentence,
    counterfactual_sentence,
    details_phrase,
    number,
    value_text,
    verdict_sentence,
    words_sentences,
)
from aisle.explain.stages import field_label, stage_label
from aisle.explain.values import Language
from aisle.serve.access import needs
from aisle.serve.facts import facts_of
from aisle.serve.faults import missing_product
from aisle.serve.pages.language import told
from aisle.serve.pages.page import Pages, over_engine
from aisle.serve.pages.rendering import PageRoute, Shown, renderer_of
from aisle.serve.pages.sign_in import local
from aisle.serve.pages.tiles import is_web, tile_of, tile_of_hit
from aisle.serve.pages.wanted import SORTS, Wanted
from aisle.serve.parts import Parts, Shop
from aisle.serve.routes.running import run, run_group
from aisle.serve.searching import Ask, Found, Searches
from aisle.serve.similar import similar_to
from aisle.types import MODES, AttributeValue, Product, SearchRequest

router = APIRouter(dependencies=[needs("search")], route_class=PageRoute, include_in_schema=False)
VALUES_SHOWN, MOST_VALUES = 8, 60
PAGES_AROUND = 2
SIMILAR = 6
"""Products like the one of a page."""
_Id = Annotated[str, Path(max_length=256)]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a facet, as a box to tick."""

    value: str
    count: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet: its first values, and those behind "more"."""

    field: str
    label: str
    first: tuple[Value, ...]
    more: tuple[Value, ...]


@router.get("/")
async def search(request: Request, shop: Shop) -> Response:
    """The search page; without a query it shows the catalogue."""
    pages: Pages = request.app.state.pages
    renderer, settings = pages.renderer, pages.settings
    facets = pages.facets_known or await run(request, shop, pages.facets)
    wanted = Wanted.read(request.query_params.multi_items(), facets)
    language = renderer.language(request)
    ask = Ask(_asked(shop, wanted, settings.products), facets, highlight=True, since=time.monotonic())
    searches: Searches = request.app.state.searches
    found = await run_group(request, shop, searches.group(ask), ask, key=ask)
    facts = facts_of(request)
    facts.of_ranking(found.ranking)
    facts.index_version = found.index_version
    return renderer.show(request, Shown("search.html", _results(found, wanted, settings.products, language)))


def _asked(shop: Parts, wanted: Wanted, products: int) -> SearchRequest:
    most = shop.settings.max_offset // products + 1
    asked = replace(wanted, page=min(wanted.page, most)).request(products)
    return replace(asked, deadline_ms=shop.settings.deadline_ms or None)


def _results(found: Found, wanted: Wanted, products: int, language: Language) -> dict[str, Any]:
    said = json.loads(found.body)
    ranking = found.ranking
    marks = [hit.get("highlight") for hit in said["hits"]]
    pages = max(1, -(-ranking.total // products))
    redirect = ranking.redirect or ""
    return {
        "wanted": wanted,
        "ranking": ranking,
        "tiles": [tile_of_hit(hit, mark) for hit, mark in zip(ranking.hits, marks, strict=True)],
        "facets": [_facet(name, said.get("facets", {}).get(name, []), wanted, language) for name in _fields(said)],
        "spelling": said["spelling"],
        "rewrites": [told(note, language) for note in ranking.rewrites],
        "degraded": [told(note, language) for note in ranking.degraded],
        "milliseconds": round(sum(ranking.timings_ms.values())),
        "pages": pages,
        "near_pages": range(max(1, wanted.page - PAGES_AROUND), min(pages, wanted.page + PAGES_AROUND) + 1),
        "redirect": redirect if is_web(redirect) or local(redirect) == redirect else "",
        "sorts": SORTS,
        "modes": MODES,
        "label": lambda name: field_label(name, language),
    }


def _fields(said: dict[str, Any]) -> list[str]:
    return list(said.get("facets", {}))


def _facet(name: str, counted: list[dict[str, Any]], wanted: Wanted, language: Language) -> Facet:
    """Chosen values first, also those that no product has any more, so that they can be given up."""
    chosen = wanted.chosen.get(name, ())
    counts = {one["value"]: one["count"] for one in counted[:MOST_VALUES]}
    gone = [Value(value, 0, True) for value in chosen if value not in counts]
    values = [Value(value, count, value in chosen) for value, count in counts.items()]
    ordered = [*gone, *(one for one in values if one.chosen), *(one for one in values if not one.chosen)]
    shown = max(VALUES_SHOWN, sum(one.chosen for one in ordered))
    label = field_label(name, language).replace("_", " ")
    return Facet(name, label, tuple(ordered[:shown]), tuple(ordered[shown:]))


@router.get("/why")
async def why(request: Request, shop: Shop, id: Annotated[str, Query(min_length=1, max_length=256)]) -> Response:
    """Why a product stands where it does in a search, or why it is not there."""
    pages: Pages = request.app.state.pages
    renderer = pages.renderer
    language = renderer.language(request)
    wanted = Wanted.read(request.query_params.multi_items(), pages.settings.facets)
    asked = wanted.request(renderer.settings.products)

    def work(engine: SearchEngine) -> Explanation | None:
        try:
            return explain(engine, asked, id)
        except InputError:
            if engine.index.get([id])[0] is None:
                return None
            raise

    found = await run(request, shop, lambda: over_engine(shop, work))
    if found is None:
        raise missing_product(id)
    return renderer.show(request, Shown("why.html", {"wanted": wanted, **_why(found, language)}))


def _why(found: Explanation, language: Language) -> dict[str, Any]:
    largest = max((abs(item.contribution) for item in found.contributions), default=0.0) or 1.0
    effects = {words_of(item.name)[0].key: item.effect for item in (found.words.product if found.words else ())}
    return {
        "explanation": found,
        "says": HEADINGS[language],
        "number": number,
        "contributions": [
            (
                item,
                stage_label(item.stage, language),
                details_phrase(item, language),
                round(100 * abs(item.contribution) / largest),
            )
            for item in found.contributions
        ],
        "verdicts": [verdict_sentence(item, language) for item in found.verdicts],
        "title": marked(found.product.title, effects),
        "words": words_sentences(found.words, language) if found.words else [],
        "against": counterfactual_sentence(found.counterfactual, language) if found.counterfactual else "",
        "absence": absence_sentence(found.absence, language) if found.absence else "",
        "notes": [told(note, language) for note in found.notes],
    }


@router.get("/product/{product_id:path}")
async def product(request: Request, shop: Shop, product_id: _Id) -> Response:
    """All that is known of one product."""
    renderer = renderer_of(request)
    language = renderer.language(request)
    engine = shop.engine
    index = shop.index
    found = await run(request, shop, lambda: engine.index.get([product_id])[0])
    if found is None:
        raise missing_product(product_id)
    near = await run(request, shop, lambda: similar_to(index, product_id, SIMILAR)) or []
    values = {
        "product": found,
        "tile": tile_of(found),
        "facts": _facts(found, language),
        "similar": [tile_of(one) for one, _ in near],
        "pictures": [image for image in found.images if is_web(image)],
    }
    return renderer.show(request, Shown("product.html", values))


def _facts(product: Product, language: Language) -> list[tuple[str, str]]:
    found = [("id", product.id), ("brand", product.brand), ("category", " > ".join(product.category))]
    found.append(("identifiers", ", ".join(product.identifiers)))
    found.append(("stock", "" if product.stock is None else str(product.stock)))
    found += [(name.replace("_", " "), _text(value, language)) for name, value in sorted(product.attributes.items())]
    return [(field_label(name, language), text) for name, text in found if text]


def _text(value: AttributeValue, language: Language) -> str:
    if isinstance(value, tuple):
        return ", ".join(value)
    return value if isinstance(value, str) else value_text(value, language)
