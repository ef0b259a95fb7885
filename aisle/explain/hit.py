"""The parts of an explanation that every hit can have: contributions and verdicts, without another search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aisle.explain.explanation import Explanation
from aisle.explain.values import Contribution
from aisle.filters.fields import resolve
from aisle.filters.write import format_filter
from aisle.query.constraint import Constraint, Kind, fields_of, verdict
from aisle.types import And, Filter, Hit, Stage

Details = Mapping[Stage, Mapping[str, float]]
"""Named parts of stages' raw scores for one product."""


def explain_hit(
    query: str, hit: Hit, constraints: Sequence[Constraint] = (), details: Details | None = None
) -> Explanation:
    """Explain a hit from what it carries: microseconds, no model and no index.

    Args:
        query: As the shopper wrote it.
        hit: From a ranking.
        constraints: The query's demands.
        details: What the raw scores of stages are made of, as `bm25_details` gives them for BM25 and a learnt ranking
            for its own.
    """
    split = details or {}
    return Explanation(
        query=query,
        product=hit.product,
        rank=hit.rank,
        score=hit.score,
        contributions=tuple(
            Contribution(stage, part.score, part.rank, part.contribution, _largest_first(split.get(stage, {})))
            for stage, part in hit.parts.items()
        ),
        verdicts=tuple(verdict(constraint, hit.product) for constraint in constraints),
    )


def filter_constraints(filter: Filter | None) -> tuple[Constraint, ...]:
    """The conditions of a request's filter as demands that are certain."""
    if filter is None:
        return ()
    parts = filter.parts if isinstance(filter, And) else (filter,)
    return tuple(Constraint(_kind(part), format_filter(part), part, 1.0) for part in parts)


def _kind(filter: Filter) -> Kind:
    fields = [name for attribute, name in map(resolve, fields_of(filter)) if not attribute]
    if fields == ["brand"]:
        return "brand"
    if fields == ["category"]:
        return "category"
    return "price" if fields == ["price"] else "attribute"


def _largest_first(parts: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    return tuple(
        sorted(((name, value) for name, value in parts.items() if value), key=lambda item: (-abs(item[1]), item[0]))
    )
