"""One run against judgments: a value per query, metric and treatment of unjudged products, with what was left out.

Knows no files: query names and product ids of the run must be those of the judgments (``aisle.judgments.align``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from aisle.errors import JudgmentError, MetricError
from aisle.evaluate.statistics import Interval, bootstrap_mean, detectable_difference
from aisle.metrics import Metric, Treatment
from aisle.types import Judgment

Run = Mapping[str, Sequence[tuple[str, float]]]
Values = Mapping[tuple[Metric, Treatment], float]
RELEVANT = 1.0


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One judged query: how much is known of it and what the run made of it.

    ``missing`` means the run has no results for it; its values are then 0. ``values`` lacks a metric where the query
    has nothing relevant for it, such as P(rel=3)@10 without a grade of 3.
    """

    query_id: str
    query: str
    returned: int
    judged: int
    relevant: int
    missing: bool
    values: Values = field(repr=False)

    @property
    def name(self) -> str:
        """The text, or the id where there is no text."""
        return self.query or self.query_id


@dataclass(frozen=True, slots=True)
class Summary:
    """A metric over all its queries, with the smallest difference from it that could be found."""

    metric: Metric
    treatment: Treatment
    interval: Interval
    detectable: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What the means rest on.

    Attributes:
        queries: Judged queries that were evaluated.
        skipped: Judged queries left out because no product is relevant (grade of at least 1).
        missing: Evaluated queries for which the run has no results; they count as 0.
        extra: Queries of the run without judgments; they are ignored.
        judged_share: Share of the evaluated queries' returned products, at any rank, that are judged.
    """

    queries: int
    skipped: int
    missing: int
    extra: int
    judged_share: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A run judged. ``rows`` are the evaluated queries in the order of the judgments."""

    metrics: tuple[Metric, ...]
    rows: tuple[QueryResult, ...]
    counts: Counts
    summaries: tuple[Summary, ...]

    def summary(self, metric: Metric, treatment: Treatment = "wrong") -> Summary:
        """The mean of a metric with its interval."""
        return next(item for item in self.summaries if (item.metric, item.treatment) == (metric, treatment))

    def values(self, metric: Metric, treatment: Treatment = "wrong") -> dict[str, float]:
        """Query id to value, for the queries that the metric is defined for."""
        key = (metric, treatment)
        return {row.query_id: row.values[key] for row in self.rows if key in row.values}


def evaluate(run: Run, judgments: Iterable[Judgment], metrics: Sequence[Metric], *, seed: int = 0) -> Evaluation:
    """Score a run query by query and average, with unjudged products both counted as wrong and removed.

    Args:
        run: Query id to ``(product id, score)``, best first; the order counts, the scores do not.
        judgments: Grades; their queries decide what is evaluated.
        metrics: What to compute, each once.
        seed: Of the bootstrap behind the intervals.

    Raises:
        JudgmentError: Nothing can be evaluated, the run names a product twice for a query, the run and the judgments
            have no query in common, or the judgments contradict themselves.
        MetricError: No metric is given, or no query has what one needs.
    """
    metrics = tuple(dict.fromkeys(metrics))
    if not metrics:
        raise MetricError("no metric given", allowed="at least one, such as nDCG@10")
    grades, texts = _by_query(judgments)
    if not grades:
        raise JudgmentError("there are no judgments to evaluate with")
    _check_overlap(run, grades)
    rows, returned, judged = [], 0, 0
    for query_id, graded in grades.items():
        if not any(grade >= RELEVANT for grade in graded.values()):
            continue
        row, known = _score(query_id, texts[query_id], run.get(query_id, ()), graded, metrics)
        rows.append(row)
        returned += row.returned
        judged += known
    if not rows:
        raise JudgmentError(
            f"none of the {len(grades)} judged queries has a relevant product",
            allowed="a grade of 1 or more for at least one product of a query",
        )
    counts = Counts(
        queries=len(rows),
        skipped=len(grades) - len(rows),
        missing=sum(row.missing for row in rows),
        extra=sum(query not in grades for query in run),
        judged_share=judged / returned if returned else 0.0,
    )
    summaries = tuple(
        _summarise(rows, metric, treatment, seed) for metric in metrics for treatment in metric.treatments
    )
    return Evaluation(metrics, tuple(rows), counts, summaries)


def _by_query(judgments: Iterable[Judgment]) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    grades: dict[str, dict[str, float]] = {}
    texts: dict[str, str] = {}
    for judgment in judgments:
        texts.setdefault(judgment.query_id, judgment.query)
        known = grades.setdefault(judgment.query_id, {}).setdefault(judgment.product_id, judgment.grade)
        if known != judgment.grade:
            raise JudgmentError(
                f"query {judgment.query_id[:80]!r}, product {judgment.product_id[:80]!r} is graded {known:g} and "
                f"{judgment.grade:g}",
                fix="keep one grade for each query and product",
            )
    return grades, texts


def _check_overlap(run: Run, grades: Mapping[str, object]) -> None:
    if run and not any(query in grades for query in run):
        raise JudgmentError(
            f"none of the run's {len(run)} queries is judged: the run has {next(iter(run))[:60]!r}, "
            f"the judgments have {next(iter(grades))[:60]!r}",
            allowed="a run that names queries by the judgments' query_id, or by their text with white space as _",
        )


def _score(
    query_id: str, query: str, hits: Sequence[tuple[str, float]], graded: Mapping[str, float], metrics: Sequence[Metric]
) -> tuple[QueryResult, int]:
    """The row of one query, and how many of its returned products are judged."""
    if len({product for product, _ in hits}) < len(hits):
        raise JudgmentError(f"query {query_id[:80]!r}: the run names a product twice")
    ranked = [graded.get(product) for product, _ in hits]
    judged = list(graded.values())
    values = {
        (metric, treatment): metric.score(ranked, judged, treatment)
        for metric in metrics
        if metric.defined(judged)
        for treatment in metric.treatments
    }
    relevant = sum(grade >= RELEVANT for grade in judged)
    row = QueryResult(query_id, query, len(hits), len(judged), relevant, not hits, MappingProxyType(values))
    return row, sum(grade is not None for grade in ranked)


def _summarise(rows: Sequence[QueryResult], metric: Metric, treatment: Treatment, seed: int) -> Summary:
    key = (metric, treatment)
    values = [row.values[key] for row in rows if key in row.values]
    if not values:
        raise MetricError(f"{metric}: no query has a product that it counts as relevant ({metric.definition})")
    return Summary(metric, treatment, bootstrap_mean(values, seed=seed), detectable_difference(values))
