"""Evaluations and comparisons as plain data, for JSON. Knows no files and no printing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aisle.evaluate.comparison import Comparison, Difference
from aisle.evaluate.evaluation import Evaluation, Summary
from aisle.evaluate.statistics import RESAMPLES, Interval
from aisle.metrics import TREATMENT_MEANING

INTERVAL_METHOD = f"percentile bootstrap over queries, {RESAMPLES:,} resamples"
METHODS = {
    "interval": f"95% {INTERVAL_METHOD}, seeded",
    "detectable": "2.80 sd/sqrt(n): 80% power, two-sided alpha .05",
    **{f"unjudged {treatment}": meaning for treatment, meaning in TREATMENT_MEANING.items()},
}


def evaluation_to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Counts, ``metrics`` (name to definition and both treatments) and ``queries`` (values of each)."""
    return {
        "counts": asdict(evaluation.counts),
        "metrics": {
            str(metric): {
                "definition": metric.definition,
                **{item: _summary(evaluation.summary(metric, item)) for item in metric.treatments},
            }
            for metric in evaluation.metrics
        },
        "queries": [
            {
                "query_id": row.query_id,
                "query": row.query,
                "returned": row.returned,
                "judged": row.judged,
                "relevant": row.relevant,
                "missing": row.missing,
                "values": {
                    str(metric): {item: row.values[metric, item] for item in metric.treatments}
                    for metric in evaluation.metrics
                    if (metric, metric.treatments[0]) in row.values
                },
            }
            for row in evaluation.rows
        ],
    }


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """Both runs' counts, one difference per treatment, and the queries with the worst damage first."""
    return {
        "metric": str(comparison.metric),
        "definition": comparison.metric.definition,
        "difference": "B - A",
        "counts": {"a": asdict(comparison.a.counts), "b": asdict(comparison.b.counts)},
        **{item.treatment: _difference(item) for item in comparison.differences},
        "queries": [
            {
                "query_id": row.query_id,
                "query": row.query,
                **{
                    item: {"a": row.a[item], "b": row.b[item], "difference": row.difference(item)}
                    for item in comparison.metric.treatments
                },
            }
            for row in comparison.rows
        ],
    }


def _summary(summary: Summary) -> dict[str, Any]:
    return {**_interval(summary.interval), "detectable": summary.detectable}


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "mean_a": difference.mean_a,
        "mean_b": difference.mean_b,
        "difference": _interval(difference.interval),
        "p": difference.p,
        "p_exact": difference.exact,
        "detectable": difference.detectable,
        "wins": difference.wins,
        "losses": difference.losses,
        "ties": difference.ties,
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "n": interval.n}
