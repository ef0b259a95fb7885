"""Why a product is not in a ranking: its filter, or scores that too many others pass. Knows an engine's index."""

from __future__ import annotations

from aisle.engine import SearchEngine
from aisle.explain.details import bm25_by_field
from aisle.explain.stages import is_bm25
from aisle.explain.values import Absence, Shortfall
from aisle.filters.fields import field_values
from aisle.filters.matching import matches
from aisle.filters.write import format_filter
from aisle.query.constraint import fields_of
from aisle.types import And, Filter, Product, Ranking, Scalar, SearchRequest

_DENSE = "dense:"


def absence(engine: SearchEngine, asked: SearchRequest, product: Product, ranking: Ranking) -> Absence:
    """Say what kept a product out.

    Args:
        engine: That the ranking came from.
        asked: The request, as the engine searched it.
        product: Not among the hits.
        ranking: From rank 1.
    """
    searched = len(ranking.hits)
    if ranking.refused is not None:
        return Absence(0, refused=ranking.refused)
    failed = failing(asked.filter, product)
    if failed or not asked.text:
        return Absence(searched, failed)
    lowest: dict[str, float] = {}
    for hit in ranking.hits:
        for stage, part in hit.parts.items():
            if is_bm25(stage) or stage.startswith(_DENSE):
                lowest[stage] = min(lowest.get(stage, part.score), part.score)
    return Absence(
        searched,
        shortfalls=tuple(Shortfall(stage, _score(engine, asked, product, stage), low) for stage, low in lowest.items()),
        cut=ranking.cut,
    )


def failing(filter: Filter | None, product: Product) -> tuple[tuple[str, tuple[tuple[str, Scalar], ...]], ...]:
    """The conditions of a filter that a product fails, each with the values it has for the fields of it."""
    if filter is None or matches(filter, product):
        return ()
    parts = filter.parts if isinstance(filter, And) else (filter,)
    return tuple(
        (format_filter(part), tuple((name, value) for name in fields_of(part) for value in field_values(product, name)))
        for part in parts
        if not matches(part, product)
    )


def _score(engine: SearchEngine, asked: SearchRequest, product: Product, stage: str) -> float:
    if is_bm25(stage):
        fields = bm25_by_field(engine.index, asked, [product.id], engine.recipe.index.field_weights)[product.id]
        return sum(fields.values())
    vector = engine.encoder.encode([asked.text], "query")[0]
    return float(engine.index.features([product.id], asked, {stage.removeprefix(_DENSE): vector})[stage][0].as_py())
