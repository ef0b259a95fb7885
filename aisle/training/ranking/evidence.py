"""What the gate is shown of a learnt ranking: held-out nDCG@10 before and after, with both treatments of unjudged ones.

Knows tables and scores; no models.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aisle.evaluate import PairedDifference, paired_difference
from aisle.metrics import Treatment
from aisle.ranking.features import NAMES
from aisle.ranking.learnt import LearntRanking
from aisle.training.gate import Check, Evidence, MustPass, Terms, Verdict, judge
from aisle.training.gate_checks import number, signed
from aisle.training.ranking.crossfit import CrossFit, Scores, fused, measured
from aisle.training.ranking.data import QueryTable
from aisle.training.ranking.recipe import RankingRecipe

_LENGTH = NAMES.index("length")


def verdict_of(
    tables: Sequence[QueryTable],
    found: CrossFit | None,
    recipe: RankingRecipe,
    must_pass: Sequence[MustPass],
    latency_ratio: float | None,
    force: bool,
) -> Verdict:
    """The gate's decision; without held-out scores there is nothing to promote by."""
    terms = Terms(must_pass, latency_ratio, recipe.max_latency_ratio, force, seed=recipe.seed)
    if found is None:
        return judge(Evidence({}, {}, [], {"length of the title": []}), terms)
    current, candidate = (measured(tables, scores, "removed") for scores in (fused(tables), found.scores))
    kept = [place for place, table in enumerate(tables) if table.query_id in candidate]
    scores = [found.scores[place].tolist() for place in kept]
    length = [tables[place].features[:, _LENGTH].tolist() for place in kept]
    held_out = Evidence(current, candidate, scores, {"length of the title": length})
    return judge(held_out, terms, [not_worse(tables, found.scores, recipe.margin)])


def not_worse(tables: Sequence[QueryTable], scores: Scores, margin: float) -> Check:
    """Whether nDCG@10 with unjudged products counted as wrong keeps its place, but for the margin."""
    found = difference(tables, fused(tables), scores, "wrong")
    passed = found.interval.mean >= -margin
    interval = f"{signed(found.interval.mean)} [{signed(found.interval.low)}, {signed(found.interval.high)}]"
    limit = "no more than" if passed else "more than the"
    return Check("unjudged as wrong", passed, f"{interval}: below by {limit} {number(margin)} allowed")


def difference(tables: Sequence[QueryTable], before: Scores, after: Scores, treatment: Treatment) -> PairedDifference:
    """nDCG@10 of one order minus that of another, paired by query."""
    one, other = (measured(tables, scores, treatment) for scores in (before, after))
    return paired_difference([other[query] - one[query] for query in one])


def must_pass_scores(
    model: LearntRanking, tables: Sequence[QueryTable], wanted: Sequence[tuple[str, str, str]]
) -> list[MustPass]:
    """``(query, better product, worse product)`` with the model's scores; what was not found is below all."""
    by_query = {table.query: table for table in tables}
    found = []
    for query, better, worse in wanted:
        table = by_query.get(query)
        scores: Mapping[str, float] = {}
        if table is not None:
            scores = dict(zip(table.product_ids, model.score(table.features).tolist(), strict=True))
        found.append(MustPass(query, better, worse, scores.get(better, -np.inf), scores.get(worse, -np.inf)))
    return found
