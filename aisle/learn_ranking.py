"""Judgments and an open index to what a learnt ranking is fitted to: each judged query searched, its features gathered.

The features are those of serving, from the same function. Knows engines; fitting is ``aisle.training.ranking``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.indexes import segment
from aisle.judged import refuse_other_products
from aisle.judgments import refuse_unasked
from aisle.provenance import made_with
from aisle.ranking.feature_values import RatingPrior, prior_of
from aisle.ranking.features import (
    IDENTIFIER,
    NAMES,
    SHOPPER,
    Asked,
    Words,
    before_identifiers,
    rank_features,
    shopper_context,
)
from aisle.ranking.learnt import EMBEDDED, RERANK
from aisle.ranking.listed import Scored
from aisle.rerankers.head import wording
from aisle.training.ranking.build import Note, TrainedRanking, train_ranking
from aisle.training.ranking.data import QueryTable
from aisle.training.ranking.recipe import LINEAR, RankingRecipe
from aisle.types import Hit, Judgment, Reranker, SearchRequest, Shopper

WORDS = Words(segment, wording)
RerankerOf = Callable[[str], Reranker | None]
"""From a query's id to a re-ranker that learnt nothing from that query's judgments."""
Shoppers = Mapping[str, Shopper]
"""From a query's id to what was known of who asked it."""
MANY = 10_000
"""Products looked at for the mean rating."""
SAID_EVERY = 50
"""Queries between two words of how far a re-ranker has come."""


def learn_ranking(
    engine: SearchEngine,
    judgments: Iterable[Judgment],
    recipe: RankingRecipe,
    out: Path,
    *,
    shoppers: Shoppers | None = None,
    force: bool = False,
    note: Note | None = None,
) -> TrainedRanking:
    """Gather features for the judged queries and train a ranking on them; see ``train_ranking``.

    With shoppers the linear part that a recipe has by default gets their features too; one of the recipe's own stays.
    A ranking that reads the score of the engine's re-ranker is served with that one alone. The gate takes that to have
    learnt nothing from these judgments.

    Args:
        engine: Without calibration and what else comes after learnt ranking; its re-ranker gives the feature "rerank".
        judgments: Graded from 0, of the engine's catalogue, with query texts.
        recipe: How.
        out: The model's folder.
        shoppers: Who asked; gives the features of the group "shopper", which are unknown for queries that it lacks.
        force: Promote whatever the gate says; recorded.
        note: Told, in words, of what is happening.

    Raises:
        InputError: As ``gather``, or none of the judged products is in the index.
    """
    judgments = tuple(judgments)
    refuse_other_products(engine, judgments, note)
    rating = shop_rating(engine)
    if shoppers:
        recipe = with_shopper(recipe)
        if note is not None:
            note(_told_of(engine, shoppers))
    reranked = engine.stages.reranked_with
    tables = gather(engine, judgments, recipe.depth, shoppers=shoppers, rating=rating)
    trained = train_ranking(
        tables if reranked is None or note is None else _counted(tables, note),
        recipe,
        out,
        rating=rating,
        made_with=made_with(engine.encoder, engine.recipe) | (reranked or {}),
        force=force,
        note=note,
    )
    if reranked is not None and note is not None:
        note(_told_of_reranker(reranked, RERANK in trained.model.reads))
    return trained


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

    A re-ranker reads the first ``rerank_depth`` of them, as in a search; its score of the others is unknown.

    Args:
        engine: Without calibration and what else comes after learnt ranking; its re-ranker gives the feature "rerank".
        judgments: With query texts; a judged product that is not among the candidates teaches nothing but counts in
            the measure.
        depth: How many candidates.
        reranker_of: Gives that feature instead, such as by models that each learnt from other queries.
        shoppers: Who asked; queries that it lacks were asked by somebody of whom nothing is known.
        rating: What few ratings are drawn towards.

    Raises:
        InputError: The engine has a stage that comes after learnt ranking, a query has no text, a re-ranker gives a
            score that is no number, or a shopper asked none of the queries.
    """
    _refuse_later_stages(engine)
    own, engine = engine.reranker, _as_fused(engine)
    graded: dict[str, dict[str, float]] = {}
    texts: dict[str, str] = {}
    for judgment in judgments:
        texts.setdefault(judgment.query_id, judgment.query)
        graded.setdefault(judgment.query_id, {})[judgment.product_id] = judgment.grade
    shoppers = shoppers or {}
    refuse_unasked(shoppers, texts)
    for query_id, text in texts.items():
        if not text.strip():
            raise InputError(f"query {query_id[:80]!r} has no text", fix="give judgments with a query column")
        reranker = reranker_of(query_id) if reranker_of is not None else own
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
    rerank = (
        None if reranker is None else _read(reranker, reading.text, ranking.hits, engine.recipe.search.rerank_depth)
    )
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


def _read(reranker: Reranker, text: str, hits: Sequence[Hit], depth: int) -> dict[str, float]:
    """The scores of the first products as a search has them read: an exact identifier lifts them only afterwards."""
    before = {hit.product_id: before_identifiers(hit.parts) if IDENTIFIER in hit.parts else hit.score for hit in hits}
    found = [hit for hit in hits if set(hit.parts) != {IDENTIFIER}]
    first = sorted(found, key=lambda hit: (-before[hit.product_id], hit.product_id))[:depth]
    scores = reranker.score(text, [hit.product for hit in first])
    if not np.isfinite(scores).all():
        raise InputError(f"the re-ranker gave query {text[:80]!r} a score that is no number", fix="take another model")
    return dict(zip((hit.product_id for hit in first), map(float, scores), strict=True))


def _counted(tables: Iterator[QueryTable], note: Note) -> Iterator[QueryTable]:
    """The same, with a word of how far a re-ranker has come."""
    for done, table in enumerate(tables, start=1):
        if done % SAID_EVERY == 0:
            note(f"re-ranked {done:,} queries")
        yield table


def _told_of_reranker(reranked: Mapping[str, str], reads: bool) -> str:
    name, depth = reranked["model_name"], reranked["rerank_depth"]
    if reads:
        return (
            f"it reads the score that {name} gives the first {depth} products: search with that as [ranking] model; "
            "the verdict holds if that model learnt nothing from these judgments"
        )
    return f"the score of {name} got no weight: search without it"


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
    """The engine without the packaged combination, which stands in only until there are judgments, and re-ranker."""
    return engine.with_recipe(replace(engine.recipe, ranking=replace(engine.recipe.ranking, learnt="", model="")))


def _refuse_later_stages(engine: SearchEngine) -> None:
    """What comes after learnt ranking would move the candidates and their scores."""
    settings = engine.recipe.ranking
    later = {
        "learnt": settings.learnt not in ("", EMBEDDED),
        "calibration": bool(settings.calibration),
        "rules": bool(settings.rules),
        "diversity": settings.diversity.active,
    }
    found = [name for name, there in later.items() if there]
    if found:
        raise InputError(
            f"the engine has {' and '.join(found)}, which come after learnt ranking",
            fix="open the index with these left out of [ranking]",
        )


def shop_rating(engine: SearchEngine) -> RatingPrior | None:
    """The mean rating of the shop, from its first ``MANY`` products by id; None where nothing is rated."""
    ids = sorted(engine.index.ids())[:MANY]
    found = [product for product in engine.index.get(ids) if product is not None]
    return prior_of(found)
