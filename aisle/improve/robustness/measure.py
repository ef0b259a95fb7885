"""The suite on judged pairs and on a search: the same judgments, asked again in other words.

Knows functions that score and answer, not what stands behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from aisle.errors import InputError, JudgmentError
from aisle.evaluate.evaluation import Run, evaluate
from aisle.improve.robustness.perturbations import OnQueries, Perturbation, standard
from aisle.improve.robustness.report import Measured, Report, Values, summarise
from aisle.improve.robustness.ties import chance_ndcg, shared_ndcg
from aisle.judgments.matching import align
from aisle.judgments.pairs import PairSet, TextPair
from aisle.judgments.read import Judgments
from aisle.metrics import Metric, Treatment
from aisle.types import Array, Progress

SEEDS = (0, 1, 2)
CUTOFF = 10
Score = Callable[[PairSet], Array]
"""Pairs to ``(n,)``, higher is better."""
Answer = Callable[[Sequence[tuple[str, str]]], Mapping[str, Sequence[tuple[str, float]]]]
"""``(query id, text)`` to a run under these ids, best first."""


def robustness(
    score: Score,
    pairs: PairSet,
    perturbations: Sequence[Perturbation] | None = None,
    seeds: Sequence[int] = SEEDS,
    *,
    alone: bool = True,
    progress: Progress | None = None,
) -> Report:
    """Measure nDCG@10 inside each query's judged texts under every perturbation; texts with equal scores share places.

    Args:
        score: What is tested. It is asked once for all pairs that count, then for what a perturbation changed.
        pairs: Graded; queries whose texts are graded all alike are left out.
        perturbations: The whole suite by default.
        seeds: Perturbations of queries are drawn once for each, and a query's values averaged; those of titles once.
        alone: Whether a query's scores depend on its own pairs only, so that queries without a change, or of one grade,
            need not be scored. False for what looks at all texts, such as BM25 with their word statistics.
        progress: Told of the stage "perturbations".

    Raises:
        MetricError: No query can be measured, or there is nothing to change.
    """
    chosen = standard() if perturbations is None else tuple(perturbations)
    groups = _measurable(pairs)
    if alone:  # what cannot be measured need not be scored
        pairs = pairs.subset(sorted(row for rows in groups.values() for row in rows))
        groups = pairs.by_query()
    levels = pairs.levels()
    scores = np.asarray(score(pairs))
    clean = shared_ndcg(groups, levels, scores, CUTOFF)
    jobs = [(one, seed) for one in chosen for seed in (seeds if one.repeats else seeds[:1])]
    found: dict[str, list[tuple[Values, frozenset[str]]]] = {one.name: [] for one in chosen}
    examples: dict[str, tuple[str, str]] = {}
    for done, (one, seed) in enumerate(jobs, start=1):
        changed = one.changed(pairs, seed)
        touched = [query for query, rows in groups.items() if any(row in changed for row in rows)]
        values = dict(clean)
        if touched:
            examples.setdefault(one.name, _example(pairs, changed))
            again = _scored(score, pairs, changed, [row for query in touched for row in groups[query]], alone)
            moved = {query: groups[query] for query in (touched if alone else groups)}
            values |= shared_ndcg(moved, levels, np.where(np.isnan(again), scores, again), CUTOFF)
        found[one.name].append((values, frozenset(touched)))
        if progress:
            progress("perturbations", done, len(jobs))
    measured = [_measured(one, found[one.name], examples) for one in chosen]
    return summarise(f"nDCG@{CUTOFF}", clean, measured, chance_ndcg(groups, levels, CUTOFF))


def search_robustness(
    answer: Answer,
    queries: Sequence[tuple[str, str]],
    judgments: Judgments,
    metric: Metric,
    *,
    perturbations: Sequence[Perturbation] | None = None,
    seeds: Sequence[int] = SEEDS,
) -> dict[Treatment, Report]:
    """Measure a search, asked in other words, against the judgments of the words it is judged for.

    Only perturbations of queries: another title is another index. Queries that a perturbation leaves as they are keep
    their answers.

    Args:
        answer: The search; asked for the queries as they are, then for those that changed.
        queries: ``(query id, text)``, as ``aisle.judgments.read_queries`` gives them.
        judgments: Of these queries.
        metric: Measured with unjudged products counted as wrong and removed, as ``aisle.evaluate`` does.
        perturbations: Those of the suite that change queries, by default; those of titles are left out.
        seeds: As in ``robustness``.

    Raises:
        InputError: All perturbations are of titles.
        JudgmentError: The judgments are not of these queries.
        MetricError: No query can be measured, or there is nothing to change.
    """
    chosen = [one for one in (standard() if perturbations is None else perturbations) if isinstance(one, OnQueries)]
    if not chosen:
        raise InputError(
            f"{', '.join(one.name for one in perturbations or ())} of an index, which has no perturbations of "
            "titles: another title is another index",
            allowed="perturbations of queries, such as typo",
            fix="measure titles with --pairs FILE and --model instead of the index",
        )
    plain: Run = dict(answer(queries))
    names = _judged_names(queries, judgments)
    clean = _values(plain, judgments, metric)
    measured: dict[Treatment, list[Measured]] = {treatment: [] for treatment in metric.treatments}
    for one in chosen:
        found: dict[Treatment, list[tuple[Values, frozenset[str]]]] = {item: [] for item in metric.treatments}
        examples: dict[str, tuple[str, str]] = {}
        for seed in seeds if one.repeats else seeds[:1]:
            rewritten = [(key, text, one.rewrite(text, seed)) for key, text in queries]
            asked = [(key, text) for key, _, text in rewritten if text is not None and key in names]
            values = clean
            if asked:
                before = {key: text for key, text, _ in rewritten}
                examples.setdefault(one.name, (before[asked[0][0]], asked[0][1]))
                values = _values({**plain, **answer(asked)}, judgments, metric)
            touched = frozenset(names[key] for key, _ in asked)
            for treatment in metric.treatments:
                found[treatment].append((values[treatment], touched & clean[treatment].keys()))
        for treatment in metric.treatments:
            measured[treatment].append(_measured(one, found[treatment], examples))
    return {item: summarise(str(metric), clean[item], measured[item]) for item in metric.treatments}


# --- pairs -------------------------------------------------------------------------------------------------


def _measurable(pairs: PairSet) -> dict[str, list[int]]:
    """Query id to its graded rows, for queries with more than one grade."""
    found = {}
    for query, rows in pairs.by_query().items():
        graded = [row for row in rows if pairs[row].grade is not None]
        if len({pairs[row].grade for row in graded}) > 1:
            found[query] = graded
    return found


def _scored(score: Score, pairs: PairSet, changed: Mapping[int, TextPair], rows: list[int], alone: bool) -> Array:
    """Scores of these rows as they have become, of all where they depend on each other; NaN elsewhere."""
    wanted = rows if alone else list(range(len(pairs)))
    items = tuple(changed.get(row, pairs[row]) for row in wanted)
    again = np.full(len(pairs), np.nan, np.float32)
    again[wanted] = score(replace(pairs, items=items))
    return again


def _example(pairs: PairSet, changed: Mapping[int, TextPair]) -> tuple[str, str]:
    row = min(changed)
    before, after = pairs[row], changed[row]
    for one, other in ((before.query, after.query), (before.title, after.title)):
        if one != other:
            return one, other
    return before.description, after.description


def _measured(
    one: Perturbation, found: Iterable[tuple[Values, frozenset[str]]], examples: Mapping[str, tuple[str, str]]
) -> Measured:
    values, touched = zip(*found, strict=True)
    return Measured(one.name, one.side, values, touched, examples.get(one.name, ("", "")))


# --- search ------------------------------------------------------------------------------------------------


def _values(run: Run, judgments: Judgments, metric: Metric) -> dict[Treatment, dict[str, float]]:
    evaluation = evaluate(align(run, judgments), judgments, [metric])
    return {treatment: evaluation.values(metric, treatment) for treatment in metric.treatments}


def _judged_names(queries: Sequence[tuple[str, str]], judgments: Judgments) -> dict[str, str]:
    """The name of a query to that of its judgments."""
    marked: Run = {key: ((key, 0.0),) for key, _ in queries}
    found = {hits[0][0]: name for name, hits in align(marked, judgments).items() if hits}
    judged = set(judgments.queries)
    names = {key: name for key, name in found.items() if name in judged}
    if not names:
        raise JudgmentError("none of the queries is judged", fix="give the judgments' own queries")
    return names
