"""The category a query is after: where the best hits lie, with more say for those under a category that it names.

    "evening dress" -> Clothing > Dresses (0.83)

Goes down the tree as long as most of the votes lie under one child. Knows products and demands, no index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from aisle.filters.fields import path_key
from aisle.query.constraint import Constraint
from aisle.types import And, Filter, Or, Product, Ranking, Under

DEPTH = 20
"""So many of the best hits vote."""
NAMED = 2.0
"""A hit under a category that the query surely names counts so many times more."""
MIN_SHARE = 0.5
"""Of all votes so many must lie under a category for it to be the one."""


def wanted_category(
    hits: Sequence[tuple[Product, float]], constraints: Sequence[Constraint] = ()
) -> tuple[tuple[str, ...], float] | None:
    """The deepest category that most of the votes agree on, and their share.

    Each of the first ``DEPTH`` hits votes with its score as a share of the best one; those without a category do not.

    Args:
        hits: Products with their scores, best first.
        constraints: What the query asks for; those of kind "category" name categories.

    Returns:
        The path as the catalogue writes it and its share of the votes, 0 to 1; None where no category has most.
    """
    named = [
        (path_key(path), constraint.certainty)
        for constraint in constraints
        if constraint.kind == "category"
        for path in _paths(constraint.filter)
    ]
    best = max((score for _, score in hits), default=0.0)
    votes: defaultdict[tuple[str, ...], float] = defaultdict(float)
    written: dict[tuple[str, ...], tuple[str, ...]] = {}
    total = 0.0
    for product, score in hits[:DEPTH]:
        path = path_key(product.category)
        if not path or score <= 0:
            continue
        naming = max((certainty for under, certainty in named if path[: len(under)] == under), default=0.0)
        vote = score / best * (1 + NAMED * naming)
        total += vote
        for depth in range(1, len(path) + 1):
            votes[path[:depth]] += vote
            written.setdefault(path[:depth], product.category[:depth])
    agreed = [path for path, vote in votes.items() if vote >= MIN_SHARE * total]
    if not agreed:
        return None
    deepest = max(agreed, key=lambda path: (len(path), votes[path], path))
    return written[deepest], votes[deepest] / total


def category_asked(ranking: Ranking) -> dict[str, Any] | None:
    """The category that a query is after by the hits shown, for JSON: ``{"path": [...], "share": 0.83}``, or None.

    Of a blank query, and where no category has most of the votes, there is none.
    """
    if not ranking.request.text.strip():
        return None
    found = wanted_category([(hit.product, hit.score) for hit in ranking.hits])
    return {"path": list(found[0]), "share": round(found[1], 3)} if found is not None else None


def _paths(filter: Filter) -> Iterator[tuple[str, ...]]:
    match filter:
        case Under(path):
            yield path
        case And(parts) | Or(parts):
            for part in parts:
                yield from _paths(part)
        case _:
            return
