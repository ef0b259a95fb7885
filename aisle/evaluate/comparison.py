"""Two runs over the same queries: is B better than A, by how much, how sure, and where does it hurt.

Knows no files and no names of systems. A difference is always B minus A: above 0, B is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from aisle.evaluate.evaluation import Evaluation, QueryResult, Run, evaluate
from aisle.evaluate.statistics import Interval, paired_difference
from aisle.metrics import Metric, Treatment
from aisle.types import Judgment


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean difference B - A under one treatment of unjudged products.

    ``p`` is that of the paired permutation test, ``exact`` says whether all sign patterns were counted,
    ``detectable`` is the smallest true difference that these queries would show (80% power, alpha .05).
    """

    treatment: Treatment
    mean_a: float
    mean_b: float
    interval: Interval
    p: float
    exact: bool
    detectable: float | None
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """One query in both runs: values by treatment; ``difference`` is B - A."""

    query_id: str
    query: str
    a: Mapping[Treatment, float]
    b: Mapping[Treatment, float]

    @property
    def name(self) -> str:
        """The text, or the id where there is no text."""
        return self.query or self.query_id

    def difference(self, treatment: Treatment) -> float:
        """B - A."""
        return self.b[treatment] - self.a[treatment]

    @property
    def damage(self) -> float:
        """B - A averaged over the treatments, so that neither decides alone what is looked at first."""
        return sum(self.difference(treatment) for treatment in self.a) / len(self.a)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared. ``rows`` begins with the worst damage: what B makes worse, then the ties, then the wins."""

    metric: Metric
    differences: tuple[Difference, ...]
    rows: tuple[Pairing, ...]
    a: Evaluation
    b: Evaluation


def compare(run_a: Run, run_b: Run, judgments: Iterable[Judgment], metric: Metric, *, seed: int = 0) -> Comparison:
    """Compare run B with run A, query by query.

    Args:
        run_a: What is there now.
        run_b: What may replace it.
        judgments: Their queries decide what is compared; a query missing from a run counts as 0 there.
        metric: The one metric to decide by. Choose it before looking.
        seed: Of the bootstrap and of the permutation test.

    Raises:
        JudgmentError, MetricError: As ``evaluate``.
    """
    judgments = tuple(judgments)
    a = evaluate(run_a, judgments, [metric], seed=seed)
    b = evaluate(run_b, judgments, [metric], seed=seed)
    pairings = [_pair(row_a, row_b, metric) for row_a, row_b in zip(a.rows, b.rows, strict=True) if row_a.values]
    rows = tuple(sorted(pairings, key=lambda row: (row.damage, row.query_id)))
    differences = tuple(_difference(pairings, treatment, seed) for treatment in metric.treatments)
    return Comparison(metric, differences, rows, a, b)


def _pair(a: QueryResult, b: QueryResult, metric: Metric) -> Pairing:
    return Pairing(
        a.query_id,
        a.query,
        MappingProxyType({treatment: a.values[metric, treatment] for treatment in metric.treatments}),
        MappingProxyType({treatment: b.values[metric, treatment] for treatment in metric.treatments}),
    )


def _difference(rows: list[Pairing], treatment: Treatment, seed: int) -> Difference:
    found = paired_difference([row.difference(treatment) for row in rows], seed=seed)
    return Difference(
        treatment=treatment,
        mean_a=sum(row.a[treatment] for row in rows) / len(rows),
        mean_b=sum(row.b[treatment] for row in rows) / len(rows),
        interval=found.interval,
        p=found.p,
        exact=found.exact,
        detectable=found.detectable,
        wins=found.wins,
        losses=found.losses,
        ties=found.ties,
    )
