"""Judgments and an open index to a calibration: each judged query searched, its features taken as in serving.

Knows engines; fitting is ``aisle.training.calibrate``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.judged import refuse_other_products
from aisle.judgments import refuse_unasked
from aisle.provenance import made_with, ranked_with, sample_of
from aisle.ranking.calibration import Calibration, Doubles
from aisle.training.calibrate import CalibrationSettings, fit_calibration, tables_of
from aisle.types import Judgment, Progress, SearchRequest, Shopper


def calibrate(
    engine: SearchEngine,
    judgments: Sequence[Judgment],
    settings: CalibrationSettings,
    progress: Progress | None = None,
    shoppers: Mapping[str, Shopper] | None = None,
    note: Callable[[str], None] | None = None,
) -> Calibration:
    """Fit a calibration for the ranking that an engine gives. What lies below the candidates it looks at counts as cut.

    Args:
        engine: With every stage of its recipe that comes before the cut-off, and without cut-off, rules and diversity.
        judgments: With query texts.
        settings: How to fit.
        progress: Told of the stage "calibrate".
        shoppers: From a query's id to who asked; of a query that it lacks nothing is known of who did.
        note: Told, in words, how many of the judged products the index lacks.

    Raises:
        InputError: The engine cuts, arranges or obeys rules already, the judgments do not suffice or are of none of
            the index's products, or a shopper asked none of the queries.
    """
    ranking = engine.recipe.ranking
    if ranking.calibration or ranking.rules or ranking.diversity.active:
        raise InputError(
            "the engine has a calibration, rules or diversity already", fix="open the index without them to calibrate"
        )
    if engine.recipe.search.rerank_slack:
        raise InputError(
            "the engine's re-ranker ends early, at another product on each page", fix="set rerank_slack = 0"
        )
    if not any(judgment.query.strip() for judgment in judgments):
        raise InputError("the judgments have no query texts", fix="give judgments with a query column")
    refuse_other_products(engine, judgments, note)
    reached = [judgment.grade for judgment in judgments if judgment.grade >= settings.relevant_grade]
    settings = replace(settings, relevant_grade=min(reached, default=settings.relevant_grade))  # one that there is
    report = progress or (lambda stage, done, total: None)
    texts = {judgment.query_id: judgment.query for judgment in judgments}
    who = shoppers or {}
    refuse_unasked(who, texts)
    found: dict[str, tuple[Sequence[str], Doubles]] = {}
    for query_id, text in texts.items():
        request = SearchRequest(text, shopper=who.get(query_id, Shopper()))
        searched, vector = engine.asked(request)
        if vector is not None:
            scored = engine.ranked(request)
            head, features = engine.stages.cut_features(searched, vector, scored)
            ids = dict.fromkeys([*(item[0] for item in head), *(item[0] for item in scored)])
            found[query_id] = (list(ids), features)
        report("calibrate", len(found), len(texts))
    tables = tables_of([judgment for judgment in judgments if judgment.query_id in found], found)
    given = engine.reranker is not None and not engine.recipe.ranking.model
    made = made_with(engine.encoder, engine.recipe) | ranked_with(engine.recipe, given)
    fitted = fit_calibration(tables, settings, made)
    sample = sample_of(set(engine.index.ids()) & {judgment.product_id for judgment in judgments})
    return replace(fitted, details={**fitted.details, "sample": sample})
