"""The features of a candidate for learnt ranking: what each is called, what it means, and their values as one table.

Gathers values from an index, from the parts of a fused ranking and from products; knows nothing of what is learnt from
them. What is unknown is NaN, never 0: a product without a rating is not one rated 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.query.constraint import Constraint
from aisle.ranking import feature_values as values
from aisle.ranking.feature_values import RatingPrior, ShopperContext
from aisle.ranking.listed import Scored
from aisle.ranking.pool_bm25 import Segmenter
from aisle.types import Array, Index, Part, Product, Record, SearchRequest, Shopper, Stage

Sign = Literal[-1, 0, 1]
Doubles = NDArray[np.float64]
TEXT_FIELDS = ("title", "brand", "category", "description", "attributes", "identifiers")
TEXT, IMAGE = "text", "image"
IDENTIFIER = "identifier"
NEIGHBOURS = 5
"""Candidates whose mean vector says what the first page is about."""
MAX_DESCRIPTION = 1_000
"""Characters of a description whose wording is compared."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column.

    ``sign`` is what sense demands of any model: with 1 more of it never lowers a score, with -1 never raises it, with 0
    the judgments decide.
    """

    name: str
    group: str
    sign: Sign
    meaning: str


FEATURES: tuple[Feature, ...] = (
    Feature(
        "fused",
        "fusion",
        1,
        "score before learning: the fusion with what demands, devices and categories added; no identifiers",
    ),
    Feature("rank:bm25", "fusion", 0, "minus the logarithm of the place that BM25 gives it"),
    Feature("rank:dense", "fusion", 0, "minus the logarithm of the place that the cosine gives it"),
    Feature("bm25", "words", 0, "BM25 over all fields, as a share of the best candidate's"),
    *(Feature(f"bm25:{field}", "words", 0, f"BM25 of the {field}, as a share of the best") for field in TEXT_FIELDS),
    Feature("wording", "words", 1, "share of the query's wording, as it stands, in title, category and description"),
    Feature("wording:title", "words", 0, "the same in the title alone"),
    Feature("coverage", "words", 0, "share of the query's words that are in the title"),
    Feature("position", "words", 0, "minus the logarithm of the place of the first of them there"),
    Feature("length", "words", 0, "minus the logarithm of the title's length in words"),
    Feature("cosine", "meaning", 1, "cosine of query and product text"),
    Feature("cosine:share", "meaning", 1, "that cosine as a share of the best candidate's"),
    Feature("neighbours", "meaning", 1, f"cosine to the mean of the first {NEIGHBOURS} products of the fusion"),
    Feature("rerank", "meaning", 1, "score of a trained re-ranker"),
    Feature("image", "meaning", 1, "cosine of query and product picture"),
    Feature("identifier", "agreement", 1, "1 where the query names the product's exact identifier"),
    Feature("satisfied", "agreement", 1, "share of the query's demands, by certainty, that the product meets"),
    Feature("contradicted", "agreement", -1, "share of them, by certainty, that its values contradict"),
    Feature("brand", "agreement", 1, "1 where the query asks for its brand, -1 where for another one"),
    Feature("category", "agreement", 1, "how far the query's demand or words name its category, -1 for another one"),
    Feature("price:fit", "agreement", 1, "1 where the price is one that the query asks for, -1 where it is not"),
    Feature("rating", "quality", 1, "mean rating, drawn towards the catalogue's by few ratings"),
    Feature("popularity", "quality", 1, "logarithm of 1 + the number of ratings"),
    Feature("available", "quality", 1, "1 where it can be had, 0 where not"),
    Feature("freshness", "quality", 0, "when it came out, in years"),
    Feature("price", "quality", 0, "logarithm of 1 + the price"),
    Feature("views", "shopper", 1, "highest cosine to a product that the shopper viewed lately"),
    Feature("views:brand", "shopper", 1, "share of the products viewed lately that are of its brand"),
    Feature("price:band", "shopper", 1, "0 inside the shopper's price band, below by how far outside, in e-folds"),
    Feature("query:words", "query", 0, "how many words the query has"),
)
INDEXED = ("bm25:", "cosine", "image")
"""Beginnings of the names of features that the index computes."""
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
READ: tuple[str, ...] = tuple(name for name in NAMES if name != IDENTIFIER)
"""What a model may read: an exact identifier lifts its product after the combination, whatever the model says of it."""
SHOPPER: tuple[str, ...] = tuple(feature.name for feature in FEATURES if feature.group == "shopper")
"""Those that need to know who asks."""
OF_VIEWED = ("views", "views:brand")
Fetch = Callable[[Sequence[str]], Mapping[str, Record]]
"""From product ids to what is stored of them; unknown ids are absent."""


class Wording(Protocol):
    """Compares wording; ``aisle.rerankers.head.wording`` does."""

    def __call__(self, query: str, texts: Sequence[str]) -> Array:
        """The share of the query's wording in each text, ``(n,)`` from 0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """What cuts text into words and what compares wording: the same for training and for serving."""

    segment: Segmenter
    wording: Wording


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as the engine understood it.

    Attributes:
        request: Its text normalised, with the filter and the expansions of the search.
        vector: ``(dim,)`` of the text; None where it was not encoded.
        constraints: Demands found in it; empty where none was looked for or found.
        shopper: What is known of who asks.
        rerank: A trained re-ranker's score by product id, as far as known.
    """

    request: SearchRequest
    vector: Array | None = None
    constraints: Sequence[Constraint] = ()
    shopper: ShopperContext | None = None
    rerank: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Candidates with their features.

    Attributes:
        products: In the order of the ranking that they come from.
        values: ``(n, k)`` float32, a column for each of ``FEATURES``; NaN where unknown.
    """

    products: tuple[Product, ...]
    values: Array

    @property
    def ids(self) -> tuple[str, ...]:
        """Product ids, a row each."""
        return tuple(product.id for product in self.products)


def shopper_context(shopper: Shopper, reads: Collection[str], fetch: Fetch) -> ShopperContext | None:
    """What the features need to know of a shopper, with one look at the products viewed at most.

    Args:
        shopper: Who asks; viewed products that are not there are passed over, one viewed twice counts once.
        reads: The features that are read.
        fetch: Finds the products; not called where no feature that is read asks for them.

    Returns:
        None where nothing is known, or nothing of it is read.
    """
    wanted = dict.fromkeys(shopper.viewed) if not set(OF_VIEWED).isdisjoint(reads) else {}
    found = fetch(list(wanted)) if wanted else {}
    there = [found[product_id] for product_id in wanted if product_id in found]
    band = shopper.price_band if "price:band" in reads else None
    if not there and band is None:
        return None
    vectors = [record.vectors[TEXT] for record in there if TEXT in record.vectors]
    viewed = np.array(vectors, np.float32).reshape(len(vectors), len(vectors[0]) if vectors else 0)
    return ShopperContext(viewed, tuple(record.product.brand for record in there), band)


def rank_features(
    index: Index,
    asked: Asked,
    scored: Sequence[Scored],
    words: Words,
    rating: RatingPrior | None = None,
    reads: Collection[str] = NAMES,
    records: Mapping[str, Record] | None = None,
) -> FeatureTable:
    """The features of the first products of a fused ranking.

    Args:
        index: Where they are; asked for their products, vectors and per-field scores.
        asked: The query.
        scored: Best first, with the parts of the stages before learning; of later ones the identifier's alone may be
            there.
        words: How text is read.
        rating: What a product with few ratings is taken to be; None takes ratings as they are.
        reads: The features that are read; others may be left unknown, which saves their cost.
        records: What was fetched of the products already, by id; None fetches them.

    Returns:
        A row for each of them that is still in the index.
    """
    records = index.stored([item[0] for item in scored]) if records is None else records
    there = [item for item in scored if item[0] in records]  # not one that another process has deleted since
    products = tuple(records[item[0]].product for item in there)
    columns: dict[str, Doubles] = {}
    if any(name.startswith(INDEXED) for name in reads):
        named = {} if asked.vector is None else {TEXT: asked.vector}
        table = index.features([item[0] for item in there], asked.request, named)
        columns = {name: _numbers(table[name]) for name in table.column_names if name != "product_id"}
    vectors, fused = _vectors([records[item[0]].vectors.get(TEXT) for item in there]), _fused(there)
    found = {
        "fused": fused,
        **_fusion(there, reads),
        **_words(asked.request.text, products, columns, words, reads),
        **_meaning(asked, there, columns),
    }
    if "neighbours" in reads:
        found["neighbours"] = values.to_mean_of_first(fused, vectors, NEIGHBOURS)
    if _of_group(reads, "agreement"):
        found |= values.agreement(asked.request.text, asked.constraints, products, words.segment)
    if _of_group(reads, "quality"):
        found |= values.quality(products, rating)
    if _of_group(reads, "shopper"):
        found |= values.shopper(asked.shopper, products, vectors)
    unknown = np.full(len(there), np.nan)
    rows = np.stack([np.asarray(found.get(name, unknown), np.float32) for name in NAMES], axis=1)
    return FeatureTable(products, rows.reshape(len(there), len(NAMES)))


# --- groups --------------------------------------------------------------------------------------------------


def _fusion(scored: Sequence[Scored], reads: Collection[str]) -> dict[str, Any]:
    """What single stages before say."""
    every: dict[str, Callable[[], Any]] = {
        "rank:bm25": lambda: [_place(item, "bm25") for item in scored],
        "rank:dense": lambda: [_place(item, f"dense:{TEXT}") for item in scored],
        "bm25": lambda: _share(np.array([_score(item, "bm25") for item in scored])),
        "identifier": lambda: [float(IDENTIFIER in parts) for _, _, parts in scored],
    }
    return {name: of() for name, of in every.items() if name in reads}


def _words(
    text: str, products: Sequence[Product], columns: Mapping[str, Doubles], words: Words, reads: Collection[str]
) -> dict[str, Any]:
    titles = [product.title for product in products]
    found: dict[str, Any] = {
        f"bm25:{field}": _share(columns[f"bm25:{field}"]) for field in TEXT_FIELDS if f"bm25:{field}" in columns
    }
    if "query:words" in reads:
        found["query:words"] = [float(len(words.segment.query_tokens(text)))] * len(products)
    if "wording" in reads:
        whole = [" ".join((one.title, *one.category, one.description[:MAX_DESCRIPTION])) for one in products]
        found["wording"] = words.wording(text, whole)
    if "wording:title" in reads:
        found["wording:title"] = words.wording(text, titles)
    if not {"coverage", "position", "length"}.isdisjoint(reads):
        asked = words.segment.query_tokens(text)
        read = [words.segment.product_tokens(title) for title in titles]
        found["coverage"] = [values.coverage(asked, tokens) for tokens in read]
        found["position"] = [values.position(asked, tokens) for tokens in read]
        found["length"] = [-math.log1p(len(tokens)) for tokens in read]
    return found


def _meaning(asked: Asked, scored: Sequence[Scored], columns: Mapping[str, Doubles]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if f"dense:{TEXT}" in columns:
        found["cosine"] = columns[f"dense:{TEXT}"]
        found["cosine:share"] = _share(columns[f"dense:{TEXT}"])
    if f"dense:{IMAGE}" in columns:
        found["image"] = columns[f"dense:{IMAGE}"]
    if asked.rerank is not None:
        found["rerank"] = [asked.rerank.get(item[0], math.nan) for item in scored]
    return found


def _of_group(reads: Collection[str], group: str) -> bool:
    return any(feature.group == group and feature.name in reads for feature in FEATURES)


# --- parts ---------------------------------------------------------------------------------------------------


def before_identifiers(parts: Mapping[Stage, Part]) -> float:
    """A score without the lift of an exact identifier, which comes after and is its own feature."""
    return sum(part.contribution for stage, part in parts.items() if stage != IDENTIFIER)


def _fused(scored: Sequence[Scored]) -> Doubles:
    return np.array([before_identifiers(parts) for _, _, parts in scored])


def _score(item: Scored, stage: str) -> float:
    part = item[2].get(stage)
    return part.score if part is not None else 0.0


def _place(item: Scored, stage: str) -> float:
    """NaN where the stage did not find it."""
    part = item[2].get(stage)
    return -math.log(part.rank) if part is not None and part.rank is not None else math.nan


def _share(numbers: Doubles) -> Doubles:
    """As a share of the best, nothing below 0; all 0 where none is above."""
    best = np.nanmax(numbers) if len(numbers) and not np.isnan(numbers).all() else 0.0
    above = np.where(numbers < 0, 0.0, numbers)
    return above / best if best > 0 else above * 0.0


def _numbers(column: Any) -> Doubles:
    return np.array([math.nan if value is None else value for value in column.to_pylist()], np.float64)


def _vectors(found: Sequence[Array | None]) -> Array:
    """``(n, dim)``; NaN rows where a product has none."""
    dim = next((len(vector) for vector in found if vector is not None), 0)
    empty = np.full(dim, np.nan, np.float32)
    return np.array([empty if vector is None else vector for vector in found], np.float32).reshape(len(found), dim)
