"""Scores of queries that a ranking did not learn from, and nDCG@10 of an order. Knows tables; no engine, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aisle.metrics import Treatment
from aisle.ranking.feature_values import RatingPrior
from aisle.ranking.features import READ
from aisle.ranking.learnt import LearntRanking
from aisle.training.ranking.data import NDCG, QueryTable, telling, turns
from aisle.training.ranking.fit import fit
from aisle.training.ranking.recipe import RankingRecipe

Doubles = NDArray[np.float64]
FEWEST = 20
"""Queries with a relevant product; fewer prove nothing, and give no trees."""
Scores = Sequence[Doubles]
"""For each table the scores of its candidates, ``(n,)``."""


@dataclass(frozen=True)
class CrossFit:
    """Every query scored by a ranking that was fitted, and whose settings were chosen, without it.

    Attributes:
        scores: For each table, as ``LearntRanking.score`` gives them.
        models: The rankings, one for each turn.
        turn: For each table which of them scored it.
    """

    scores: tuple[Doubles, ...]
    models: tuple[LearntRanking, ...]
    turn: tuple[int, ...]


def cross_fit(tables: Sequence[QueryTable], recipe: RankingRecipe, rating: RatingPrior | None = None) -> CrossFit:
    """Hold each query out once.

    Raises:
        JudgmentError: Too few queries for two folds.
    """
    scores: list[Doubles] = [np.empty(0)] * len(tables)
    turn = [0] * len(tables)
    models = []
    for number, held in enumerate(turns(tables, recipe.folds, recipe.seed)):
        rest = [table for table, out in zip(tables, held, strict=True) if not out]
        models.append(fit_chosen(rest, recipe, rating))
        for place in np.flatnonzero(held).tolist():
            scores[place], turn[place] = models[-1].score(tables[place].features), number
    return CrossFit(tuple(scores), tuple(models), tuple(turn))


def fit_chosen(tables: Sequence[QueryTable], recipe: RankingRecipe, rating: RatingPrior | None = None) -> LearntRanking:
    """Fit the variant that orders queries held out within these tables best; see ``choose``."""
    return fit(tables, choose(tables, recipe), rating)


def choose(tables: Sequence[QueryTable], recipe: RankingRecipe) -> RankingRecipe:
    """The variant that a cross-validation within these tables finds best: few or all features, without trees or with.

    Both treatments of unjudged products count alike; of equals the simpler one is taken. The folds are not those of
    ``cross_fit``.
    """
    variants = variants_of(recipe)
    if len(variants) == 1 or len(telling(tables)) < FEWEST:
        return variants[0]
    means = []
    for variant in variants:
        inner = cross_fit(tables, replace(variant, seed=recipe.seed + 1, choose=False)).scores
        means.append(
            sum(float(np.mean(list(measured(tables, inner, which).values()))) for which in ("removed", "wrong"))
        )
    return variants[int(np.argmax(means))]


def variants_of(recipe: RankingRecipe) -> list[RankingRecipe]:
    """What there is to choose from, the simplest first; without choice the recipe alone."""
    if not recipe.choose:
        return [recipe]
    features = [recipe.linear, *([READ] if set(recipe.linear) != set(READ) else [])]
    rounds = [0, recipe.rounds] if recipe.rounds else [0]
    return [replace(recipe, linear=linear, rounds=trees) for trees in rounds for linear in features]


def fused(tables: Sequence[QueryTable]) -> tuple[Doubles, ...]:
    """The fusion's scores, in the shape of ``CrossFit.scores``."""
    return tuple(table.fused for table in tables)


def measured(tables: Sequence[QueryTable], scores: Scores, treatment: Treatment) -> dict[str, float]:
    """nDCG@10 of each query that has a relevant product.

    Args:
        tables: The queries.
        scores: Of their candidates; products whose exact identifier was asked for come first all the same.
        treatment: Whether unjudged products count as wrong or are removed.
    """
    found = {}
    for table, own in zip(tables, scores, strict=True):
        if any(grade >= 1 for grade in table.judged.values()):
            ranked = [grade_of(table.grades[row]) for row in order(table, own)]
            found[table.query_id] = NDCG.score(ranked, list(table.judged.values()), treatment)
    return found


def order(table: QueryTable, scores: Doubles) -> list[int]:
    """Rows best first, as a search would show them; ties by product id."""
    ids = np.array(table.product_ids)
    return [int(row) for row in np.lexsort((ids, -scores, ~table.lifted))]


def grade_of(value: float) -> float | None:
    """A grade, or None where there is none."""
    return None if np.isnan(value) else float(value)
