"""Judgments and an open index to what a learnt ranking is fitted to: each judged query searched, its features gathered.

The features are those of serving, from the same function. Knows engines; fitting is ``aisle.training.ranking``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.indexes import segment
from aisle.provenance import made_with
from aisle.ranking.feature_values import RatingPrior, prior_of
from aisle.ranking.features import NAMES, SHOPPER, Asked, Words, rank_features, shopper_context
from aisle.ranking.learnt import EMBEDDED
from aisle.ranking.listed import Scored
from aisle.rerankers.head import wording
from aisle.training.ranking.build import Note, TrainedRanking, train_ranking
from aisle.training.ranking.data import QueryTable
from aisle.training.ranking.recipe import LINEAR, RankingRecipe
from aisle.types import Judgment, Reranker, SearchRequest, Shopper

WORDS = Words(segment, wording)
RerankerOf = Callable[[str], Reranker | None]
"""From a query's id to a re-ranker that learnt nothing from that query's judgments."""
Shoppers = Mapping[str, Shopper]
"""From a query's id to what was known of who asked it."""
MANY = 10_000
"""Products looked at for the mean rating."""


def learn_ranking(
    engine: SearchEngine,
    judgments: Iterable[Judgment],
    recipe: RankingRecipe,
    out: Path,
    *,
    reranker_of: RerankerOf | None = None,
    shoppers: Shoppers | None = None,
    force: bool = False,
    note: Note | None = None,
) -> TrainedRanking:
    """Gather features for the judged queries and train a ranking on them; see ``train_ranking``.

    With shoppers the linear part that a recipe has by default gets their features too; one of the recipe's own stays.

    Args:
        engine: Without a re-ranker and what else comes after learnt ranking.
        judgments: Graded from 0, of the engine's catalogue, with query texts.
        recipe: How.
        out: The model's folder.
        reranker_of: Gives the feature "rerank".
        shoppers: Who asked; gives the features of the group "shopper", which are unknown for queries that it lacks.
        force: Promote whatever the gate says; recorded.
        note: Told, in words, of what is happening.

    Raises:
        InputError: As ``gather``.
    """
    rating = shop_rating(engine)
    if shoppers:
        recipe = with_shopper(recipe)
        if note is not None:
            note(_told_of(engine, shoppers))
    tables = gather(engine, judgments, recipe.depth, reranker_of=reranker_of, shoppers=shoppers, rating=rating)
    return train_ranking(
        tables,
        recipe,
        out,
        rating=rating,
        made_with=made_with(engine.encoder, engine.recipe),
        force=force,
        note=note,
    )


def gather(
    engine: SearchEngine,
    judgments: Iterable[Judgment],
    depth: int,
    *,
    reranker_of: RerankerOf | None = None,
    shoppers: Shoppers | None = None,
    rating: RatingPrior | None = None,
) -> Iterator[QueryTable]:
    """Search each judged query and give its first ``depth`` candidates with features and grades.

    Args:
        engine: Without a re-ranker and what else comes after learnt ranking.
        judgments: With query texts; a judged product that is not among the candidates teaches nothing but counts in
            the measure.
        depth: How many candidates.
        reranker_of: Gives the feature "rerank"; None leaves it unknown.
        shoppers: Who asked; queries that it lacks were asked by somebody of whom nothing is known.
        rating: What few ratings are drawn towards.

    Raises:
        InputError: The engine has a stage that comes after learnt ranking, a query has no text, or a shopper asked none
            of the queries.
    """
    _refuse_later_stages(engine)
    engine = _as_fused(engine)
    graded: dict[str, dict[str, float]] = {}
    texts: dict[str, str] = {}
    for judgment in judgments:
        texts.setdefault(judgment.query_id, judgment.query)
        graded.setdefault(judgment.query_id, {})[judgment.product_id] = judgment.grade
    shoppers = shoppers or {}
    _refuse_unjudged(shoppers, texts)
    for query_id, text in texts.items():
        if not text.strip():
            raise InputError(f"query {query_id[:80]!r} has no text", fix="give judgments with a query column")
        reranker = reranker_of(query_id) if reranker_of is not None else None
        request = SearchRequest(text, k=depth, shopper=shoppers.get(query_id, Shopper()))
        asked, scored = _searched(engine, request, reranker)
        table = rank_features(engine.index, asked, scored, WORDS, rating)
        known = graded[query_id]
        grades = np.array([known.get(product_id, math.nan) for product_id in table.ids])
        yield QueryTable(query_id, text, table.ids, table.values, grades, known)


def with_shopper(recipe: RankingRecipe) -> RankingRecipe:
    """The recipe with a shopper's features in its linear part, if that is the default one."""
    return replace(recipe, linear=(*LINEAR, *SHOPPER)) if recipe.linear == LINEAR else recipe


def _searched(engine: SearchEngine, request: SearchRequest, reranker: Reranker | None) -> tuple[Asked, list[Scored]]:
    ranking = engine.search(request)
    understood, reading = engine.read(request)
    _, vector = engine.asked(request)
    products = [hit.product for hit in ranking.hits]
    rerank: Mapping[str, float] | None = None
    if reranker is not None:
        scores = reranker.score(reading.text, products)
        rerank = {product.id: float(score) for product, score in zip(products, scores, strict=True)}
    clean = replace(
        request,
        text=reading.text,
        expansions=(*understood.expansions, *reading.expansions),
        filter=engine.stages.filter(request, reading, reading.steps[0]),
    )
    constraints = reading.demands.constraints if reading.demands is not None else ()
    scored: list[Scored] = [(hit.product_id, hit.score, dict(hit.parts)) for hit in ranking.hits]
    shopper = shopper_context(request.shopper, NAMES, engine.index.stored)
    return Asked(clean, vector, constraints, shopper, rerank), scored


def _refuse_unjudged(shoppers: Shoppers, judged: Collection[str]) -> None:
    unknown = [query_id for query_id in shoppers if query_id not in judged]
    if unknown:
        raise InputError(
            f"a shopper asked query {unknown[0][:80]!r}, which has no judgment"
            + (f" (so did {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""),
            allowed="the query ids of the judgments; without a column query_id these are the texts with _ for blanks",
        )


def _told_of(engine: SearchEngine, shoppers: Shoppers) -> str:
    """How much is known of the shoppers; products that the index lacks are counted, not refused."""
    viewed = list(dict.fromkeys(one for shopper in shoppers.values() for one in shopper.viewed))
    there = sum(product is not None for product in engine.index.get(viewed))
    bands = sum(shopper.price_band is not None for shopper in shoppers.values())
    return (
        f"shoppers of {len(shoppers):,} queries: {bands:,} with a band of prices; "
        f"{there:,} of {len(viewed):,} products viewed are in the index"
    )


def _as_fused(engine: SearchEngine) -> SearchEngine:
    """The engine without the packaged combination, which stands in only until there are judgments."""
    return engine.with_recipe(replace(engine.recipe, ranking=replace(engine.recipe.ranking, learnt="")))


def _refuse_later_stages(engine: SearchEngine) -> None:
    """What comes after learnt ranking would move the candidates and their scores."""
    settings = engine.recipe.ranking
    later = {
        "a re-ranker": engine.reranker is not None,
        "learnt": settings.learnt not in ("", EMBEDDED),
        "calibration": bool(settings.calibration),
        "rules": bool(settings.rules),
        "diversity": settings.diversity.active,
    }
    found = [name for name, there in later.items() if there]
    if found:
        raise InputError(
            f"the engine has {' and '.join(found)}, which come after learnt ranking",
            fix="open the index with these left out of [ranking]; a re-ranker is given as reranker_of",
        )


def shop_rating(engine: SearchEngine) -> RatingPrior | None:
    """The mean rating of the shop, from its first ``MANY`` products by id; None where nothing is rated."""
    ids = sorted(engine.index.ids())[:MANY]
    found = [product for product in engine.index.get(ids) if product is not None]
    return prior_of(found)
