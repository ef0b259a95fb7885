"""What the cut-off looks at: for each candidate of one query, how well it fits, and what kind of query this is.

A cosine of .5 is much for one query and little for another. So beside each candidate's own signals stand how far it is
behind the best, how well it goes with the first ten, and how good and how even these ten are. Knows a query's
candidates in their order, not how they were found; whoever wants to cut gives what measures wording.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aisle.errors import InputError
from aisle.ranking.listed import Scored
from aisle.types import Array, Index, Product

Doubles = NDArray[np.float64]
Overlap = Callable[[str, Sequence[str]], Array]
"""How much of a query's wording each text has, ``(n,)``: ``aisle.rerankers.head.wording``."""

FEATURES: Mapping[str, int] = {
    "cosine": 1,
    "gap": -1,
    "bm25": 1,
    "title": 1,
    "text": 1,
    "company": 1,
    "rerank": 1,
    "best": 0,
    "spread": 0,
    "agreement": 0,
    "centre": 0,
    "words": 0,
}
"""Names of the columns in their order, and which way each may count: 1 only for a candidate, -1 only against it.

Of the candidate: its cosine with the query; how far that is below the best cosine; its BM25 as a share of the best one;
how much of the query's wording its title has, and its title and description; its mean cosine with the first ten other
candidates; the re-ranker's score (the lowest one where it was not re-ranked, 0 where nothing was).

Of the query, the same for all its candidates: the best cosine; the standard deviation of the ten best cosines; the mean
cosine among the first ten candidates; the query's mean cosine with them; the number of its words.
"""

FIRST = 10
"""How many candidates say what a query finds."""


def candidate_features(
    query: str,
    query_vector: Array,
    scored: Sequence[Scored],
    products: Sequence[Product],
    vectors: Array,
    overlap: Overlap,
) -> Doubles:
    """The features of one query's candidates, ``(n, len(FEATURES))``.

    Args:
        query: As it was searched.
        query_vector: ``(dim,)``, length 1.
        scored: The candidates, best first; of their parts "bm25" and "rerank" are read.
        products: Those of the candidates, in the same order.
        vectors: ``(n, dim)`` unit rows, in the same order.
        overlap: What measures wording.

    Raises:
        InputError: The lengths do not fit.
    """
    n = len(scored)
    if len(products) != n or vectors.shape[:1] != (n,):
        raise InputError(
            f"{n} candidates, {len(products)} products, vectors of shape {vectors.shape}",
            allowed="one product and one vector for each candidate",
        )
    if not n:
        return np.empty((0, len(FEATURES)))
    rows = np.asarray(vectors, np.float64)
    cosine = rows @ np.asarray(query_vector, np.float64)
    bm25 = np.array([parts["bm25"].score if "bm25" in parts else 0.0 for _, _, parts in scored])
    titles = [product.title for product in products]
    texts = [f"{product.title} {product.description}" for product in products]
    first = rows[:FIRST]
    middle = first.mean(axis=0)
    columns: dict[str, Doubles | float] = {
        "cosine": cosine,
        "gap": cosine.max() - cosine,
        "bm25": bm25 / bm25.max() if bm25.max() > 0 else 0.0,
        "title": np.asarray(overlap(query, titles), np.float64),
        "text": np.asarray(overlap(query, texts), np.float64),
        "company": _company(rows, len(first)),
        "rerank": _reranked(scored),
        "best": float(cosine.max()),
        "spread": float(np.sort(cosine)[-FIRST:].std()),
        "agreement": float(middle @ middle),
        "centre": float(cosine[:FIRST].mean()),
        "words": float(len(query.split())),
    }
    return np.column_stack([np.broadcast_to(columns[name], (n,)) for name in FEATURES])


def look_up(
    index: Index, scored: Sequence[Scored], depth: int | None = None
) -> tuple[list[Scored], list[Product], Array]:
    """The first ``depth`` candidates (None: all) with their products and their vectors of the text, ``(n, dim)``.

    What another process has deleted since it was found is left out.
    """
    part = scored[:depth]
    stored = index.stored([item[0] for item in part])
    there = [item for item in part if item[0] in stored]
    records = [stored[item[0]] for item in there]
    vectors = [record.vectors["text"] for record in records]
    stacked = np.array(vectors, np.float32) if vectors else np.empty((0, 0), np.float32)
    return there, [record.product for record in records], stacked


def _company(rows: Doubles, first: int) -> Doubles:
    """Mean cosine of each row with the first ones, itself left out; 1 for a row that has no company."""
    total = rows @ rows[:first].sum(axis=0)
    own = np.zeros(len(rows))
    own[:first] = np.einsum("ij,ij->i", rows[:first], rows[:first])
    others = first - (np.arange(len(rows)) < first)
    return np.where(others > 0, (total - own) / np.maximum(others, 1), 1.0)


def _reranked(scored: Sequence[Scored]) -> Doubles:
    scores = [parts["rerank"].score if "rerank" in parts else None for _, _, parts in scored]
    lowest = min((score for score in scores if score is not None), default=0.0)
    return np.array([lowest if score is None else score for score in scores], np.float64)
