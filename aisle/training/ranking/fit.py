"""Fits a learnt ranking: first a linear part by pairs, then LambdaMART on what it leaves. Seconds on one core.

With few judgments the fusion is hard to beat, so everything begins there: the linear part has a Gaussian prior at the
fusion alone, and the trees begin at the linear part's scores. Features that sense gives a sign keep it: in the linear
part by bounds, in the trees by LightGBM's monotone constraints. Knows tables and settings; no engine, no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from aisle.errors import RecipeError
from aisle.ranking.feature_values import RatingPrior
from aisle.ranking.features import FEATURES, NAMES, READ
from aisle.ranking.learnt import FUSED, LearntRanking, Term, fusion_alone
from aisle.training.ranking.data import QueryTable
from aisle.training.ranking.recipe import RankingRecipe

Doubles = NDArray[np.float64]
SIGNS = {feature.name: feature.sign for feature in FEATURES}
_LEAST = 0.15
"""However the judgments fall, the fusion keeps its sign."""
_TOP = 50
"""Candidates within which a feature's spread is measured: further down they differ in what no shopper sees."""
_LEVELS = 32


def fit(tables: Sequence[QueryTable], recipe: RankingRecipe, rating: RatingPrior | None = None) -> LearntRanking:
    """Fit both parts; without a judged pair to learn from it is the fusion.

    Raises:
        RecipeError: The recipe names a feature that is not declared, or leaves out the fusion.
    """
    terms = fit_terms(tables, recipe)
    linear = LearntRanking(terms, rating=rating, depth=recipe.depth)
    if not recipe.rounds or terms == fusion_alone().terms:
        return linear
    trees, columns = fit_trees(tables, linear, recipe)
    return LearntRanking(terms, trees, columns, rating, recipe.depth)


# --- the linear part -----------------------------------------------------------------------------------------


def fit_terms(tables: Sequence[QueryTable], recipe: RankingRecipe) -> dict[str, Term]:
    """The linear part.

    Maximises the likelihood of each query's pairs of candidates of different grades standing in the right order
    (RankNet, Burges et al. 2005), weighted by the difference of their gains 2^grade - 1 to a sum of 1 for each query,
    so that each query counts as one observation. Pairs with an unjudged candidate count ``recipe.unjudged`` times.

    Raises:
        RecipeError: As ``fit``.
    """
    names = _linear_names(recipe)
    scales = {name: _spread(tables, name) for name in names}
    used = [name for name in names if scales[name] > 0]
    if FUSED not in used:
        return dict(fusion_alone().terms)
    centres = {name: _centre(tables, name) for name in used}
    rows = [_pairs(table, used, scales, centres, recipe) for table in tables]
    differences = np.concatenate([found for found, _ in rows]) if rows else np.empty((0, len(used)))
    if not len(differences):
        return dict(fusion_alone().terms)
    weights = np.concatenate([weighed for _, weighed in rows])
    prior = np.array([recipe.prior if name == FUSED else 0.0 for name in used])

    def loss(found: Doubles) -> tuple[float, Doubles]:
        margin, away = differences @ found, found - prior
        value = (weights * np.logaddexp(0, -margin)).sum() + (away**2).sum() / (2 * recipe.spread**2)
        return float(value), -(weights / (1 + np.exp(margin))) @ differences + away / recipe.spread**2

    bounds = [_bounds(name) for name in used]
    best = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x
    return {name: Term(float(weight / scales[name]), centres[name]) for name, weight in zip(used, best, strict=True)}


def _linear_names(recipe: RankingRecipe) -> list[str]:
    names = list(dict.fromkeys(recipe.linear))
    unknown = [name for name in names if name not in READ]
    if unknown or FUSED not in names:
        what = f"the feature {unknown[0]!r}" if unknown else f"no {FUSED!r}"
        raise RecipeError(f"the recipe's linear part has {what}", allowed=f"{FUSED} and any of {', '.join(READ)}")
    return names


def _bounds(name: str) -> tuple[float | None, float | None]:
    if name == FUSED:
        return _LEAST, None
    return {1: (0.0, None), -1: (None, 0.0), 0: (None, None)}[SIGNS[name]]


def _column(table: QueryTable, name: str) -> Doubles:
    return table.features[:, NAMES.index(name)].astype(np.float64)


def _spread(tables: Sequence[QueryTable], name: str) -> float:
    """The feature's standard deviation within a query's first candidates, the mean over queries that know it."""
    variances = []
    for table in tables:
        known = _column(table, name)[:_TOP]
        known = known[np.isfinite(known)]
        if len(known) > 1:
            variances.append(float(known.var()))
    return float(np.sqrt(np.mean(variances))) if variances else 0.0


def _centre(tables: Sequence[QueryTable], name: str) -> float:
    known = np.concatenate([_column(table, name)[:_TOP] for table in tables])
    return float(known[np.isfinite(known)].mean())


def _pairs(
    table: QueryTable,
    names: Sequence[str],
    scales: Mapping[str, float],
    centres: Mapping[str, float],
    recipe: RankingRecipe,
) -> tuple[Doubles, Doubles]:
    """Better minus worse candidate, in standard deviations, and what each pair weighs, to a sum of 1."""
    rows, gains, weights = taught(table, recipe)
    away = np.stack([(_column(table, name)[rows] - centres[name]) / scales[name] for name in names], axis=1)
    values = np.where(np.isfinite(away), away, 0.0)
    difference = gains[:, None] - gains[None, :]
    better, worse = np.nonzero(difference > 0)
    if not len(better):
        return np.empty((0, len(names))), np.empty(0)
    weighed = difference[better, worse] * weights[better] * weights[worse]
    return values[better] - values[worse], weighed / weighed.sum()


def taught(table: QueryTable, recipe: RankingRecipe) -> tuple[NDArray[np.intp], Doubles, Doubles]:
    """The candidates that are learnt from, by row: their gains 2^grade - 1, and what each counts."""
    depth = min(recipe.depth, len(table.product_ids))
    judged = np.isfinite(table.grades[:depth])
    weak = ~judged & (np.arange(depth) < recipe.unjudged_depth) & (recipe.unjudged > 0)
    rows = np.flatnonzero(judged | weak)
    grades = np.where(judged[rows], table.grades[rows], 0.0)
    return rows, np.exp2(np.maximum(grades, 0.0)) - 1, np.where(judged[rows], 1.0, recipe.unjudged)


# --- the trees -----------------------------------------------------------------------------------------------


def fit_trees(
    tables: Sequence[QueryTable], linear: LearntRanking, recipe: RankingRecipe
) -> tuple[str, tuple[str, ...]]:
    """LightGBM's model text and the features that it reads: LambdaMART from the linear part's scores.

    Burges, "From RankNet to LambdaRank to LambdaMART: An Overview" (MSR-TR-2010-82). Each tree sees a share of the
    queries and of the features.
    """
    import lightgbm

    parts = [(table, *taught(table, recipe)) for table in tables]
    parts = [part for part in parts if len(np.unique(part[2])) > 1]  # no pair, nothing to learn
    every = np.concatenate([table.features[rows] for table, rows, _, _ in parts]).astype(np.float64)
    columns = tuple(name for name in READ if np.isfinite(every[:, NAMES.index(name)]).any())
    gains = np.concatenate([found for _, _, found, _ in parts])
    levels, labels = np.unique(gains, return_inverse=True)
    if len(levels) > _LEVELS:  # means of raters: LightGBM wants few whole levels
        edges = np.linspace(levels[0], levels[-1], _LEVELS)
        labels, levels = np.abs(gains[:, None] - edges[None, :]).argmin(axis=1), edges
    data = lightgbm.Dataset(
        every[:, [NAMES.index(name) for name in columns]],
        labels,
        group=[len(rows) for _, rows, _, _ in parts],
        weight=np.concatenate([weights for _, _, _, weights in parts]),
        init_score=np.concatenate([linear.score(table.features)[rows] for table, rows, _, _ in parts]),
        feature_name=[name.replace(":", "_") for name in columns],
        free_raw_data=False,
    )
    booster = lightgbm.train(_settings(recipe, columns, levels), data, recipe.rounds)
    return booster.model_to_string(), columns


def _settings(recipe: RankingRecipe, columns: Sequence[str], levels: Doubles) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "label_gain": [float(gain) for gain in levels],
        "lambdarank_truncation_level": 30,
        "learning_rate": recipe.rate,
        "num_leaves": recipe.leaves,
        "min_data_in_leaf": recipe.leaf_rows,
        "lambda_l2": recipe.l2,
        "bagging_fraction": recipe.bagging,
        "bagging_freq": 1,
        "bagging_by_query": True,
        "feature_fraction": recipe.columns,
        "monotone_constraints": [SIGNS[name] for name in columns],
        "seed": recipe.seed,
        "num_threads": recipe.threads,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
