"""What BM25 of products is made of, by field and by query word, from an index. Knows no models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aisle.explain.cut import without, words_of
from aisle.types import Index, SearchRequest

MOST_WORDS = 8
"""Words of a query that are taken out in turn: each costs one look at the index."""
_COLUMN = "bm25:"


def bm25_by_field(
    index: Index, request: SearchRequest, ids: Sequence[str], weights: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Each field's share of the raw BM25 score: product id to field to weighted score; the shares add up to it.

    One look at the index, which takes as long for a page of products as for one.

    Args:
        index: Where the products are.
        request: As the engine searched it: text and expansions.
        ids: The products.
        weights: The recipe's field weights.
    """
    table = index.features(ids, request, {})
    fields = [name.removeprefix(_COLUMN) for name in table.column_names if name.startswith(_COLUMN)]
    columns = {field: table[f"{_COLUMN}{field}"].to_pylist() for field in fields if weights.get(field, 0.0) > 0}
    return {
        product_id: {field: weights[field] * values[row] for field, values in columns.items() if values[row]}
        for row, product_id in enumerate(ids)
    }


def bm25_by_word(
    index: Index, request: SearchRequest, product_id: str, weights: Mapping[str, float]
) -> dict[str, float]:
    """How much lower a product's raw BM25 score is without each word of the query, by the word's key.

    A word takes its other names with it. Later words than the first `MOST_WORDS` are left out.
    """

    def score(asked: SearchRequest) -> float:
        return sum(bm25_by_field(index, asked, [product_id], weights)[product_id].values())

    keys = list(dict.fromkeys(word.key for word in words_of(request.text)))[:MOST_WORDS]
    whole = score(request)
    found = {}
    for key in keys:
        others = tuple(one for one in request.expansions if all(word.key != key for word in words_of(one.because)))
        found[key] = whole - score(replace(request, text=without(request.text, [key]), expansions=others))
    return found
