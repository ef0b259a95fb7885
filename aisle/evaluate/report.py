"""Evaluations and comparisons as one HTML page: tables and plots inside, nothing loaded from elsewhere.

Knows how to lay results out, not how they came about. The page itself is ``report.html``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aisle.evaluate import plots
from aisle.evaluate.comparison import Comparison
from aisle.evaluate.evaluation import Evaluation
from aisle.evaluate.plain import METHODS
from aisle.evaluate.statistics import Interval
from aisle.metrics import TREATMENT_MEANING, TREATMENTS, Metric, Treatment
from aisle.pages import page_environment

MOST_ROWS = 500
HEADINGS: dict[Treatment, str] = {"wrong": "unjudged count as wrong", "removed": "judged products only"}


def evaluation_report(evaluations: Mapping[str, Evaluation], source: str) -> str:
    """A page on one or more systems judged by the same judgments and metrics.

    Args:
        evaluations: Name of the run or mode to its evaluation; at least one.
        source: Where the judgments come from, for the heading.
    """
    names, first = list(evaluations), next(iter(evaluations.values()))
    metric = first.metrics[0]
    charts = []
    for treatment in TREATMENTS:
        shown = [item for item in first.metrics if treatment in item.treatments]
        intervals = [
            [evaluation.summary(item, treatment).interval for item in shown] for evaluation in evaluations.values()
        ]
        if shown:
            title = f"Means with 95% intervals, {HEADINGS[treatment]}"
            charts.append({"title": title, "image": plots.bars([str(item) for item in shown], names, intervals)})
    for treatment in metric.treatments:
        series = [list(evaluation.values(metric, treatment).values()) for evaluation in evaluations.values()]
        title = f"Queries by {metric}, {HEADINGS[treatment]}"
        charts.append({"title": title, "image": plots.histogram(series, names, str(metric), 0.0, 1.0)})
    return _render(
        kind="evaluation",
        title="Evaluation" if len(names) > 1 else f"Evaluation of {names[0]}",
        source=source,
        systems=[_system(name, evaluation) for name, evaluation in evaluations.items()],
        metrics=[(str(item), item.definition) for item in first.metrics],
        columns=[(str(item), treatment) for item in first.metrics for treatment in item.treatments],
        charts=charts,
    )


def comparison_report(comparison: Comparison, name_a: str, name_b: str, source: str) -> str:
    """A page on two runs compared: B against A."""
    metric, charts = comparison.metric, []
    for treatment in metric.treatments:
        values = [row.difference(treatment) for row in comparison.rows]
        label = f"{metric}: B - A"
        charts.append({"title": f"By query, {HEADINGS[treatment]}", "image": plots.differences(values, label)})
    reach = max([abs(row.difference(item)) for row in comparison.rows for item in metric.treatments] + [0.05])
    for treatment in metric.treatments:
        values = [row.difference(treatment) for row in comparison.rows]
        image = plots.histogram([values], ["B - A"], f"{metric}: B - A", -reach, reach)
        charts.append({"title": f"Differences, {HEADINGS[treatment]}", "image": image})
    intervals = [
        [_of_run(evaluation, metric, item) for item in metric.treatments] for evaluation in (comparison.a, comparison.b)
    ]
    groups = [HEADINGS[item] for item in metric.treatments]
    charts.insert(0, {"title": f"{metric} with 95% intervals", "image": plots.bars(groups, ["A", "B"], intervals)})
    return _render(
        kind="comparison",
        title=f"Comparison by {metric}",
        source=source,
        names=(name_a, name_b),
        counts=(comparison.a.counts, comparison.b.counts),
        differences=comparison.differences,
        treatments=metric.treatments,
        rows=comparison.rows[:MOST_ROWS],
        hidden=max(0, len(comparison.rows) - MOST_ROWS),
        metrics=[(str(metric), metric.definition)],
        charts=charts,
    )


def _of_run(evaluation: Evaluation, metric: Metric, treatment: Treatment) -> Interval:
    return evaluation.summary(metric, treatment).interval


def _system(name: str, evaluation: Evaluation) -> dict[str, Any]:
    """What the page shows of one system: means, and its queries with the lowest values of the first metric first."""
    columns = [(metric, treatment) for metric in evaluation.metrics for treatment in metric.treatments]
    rows = sorted(evaluation.rows, key=lambda row: (row.values.get(columns[0], 2.0), row.query_id))
    return {
        "name": name,
        "counts": evaluation.counts,
        "summaries": [
            (str(metric), [_cell(evaluation, metric, treatment) for treatment in TREATMENTS])
            for metric in evaluation.metrics
        ],
        "rows": [(row, [row.values.get(column) for column in columns]) for row in rows[:MOST_ROWS]],
        "hidden": max(0, len(rows) - MOST_ROWS),
    }


def _cell(evaluation: Evaluation, metric: Metric, treatment: Treatment) -> Any:
    return evaluation.summary(metric, treatment) if treatment in metric.treatments else None


def _render(charts: Sequence[Mapping[str, str]], **content: Any) -> str:
    environment = page_environment(Path(__file__).parent)
    environment.filters["number"] = _number
    environment.filters["signed"] = _signed
    environment.filters["share"] = lambda value: f"{100 * value:.0f}%"
    page = environment.get_template("report.html")
    return page.render(
        charts=charts,
        headings=HEADINGS,
        meanings=TREATMENT_MEANING,
        methods=METHODS,
        all_treatments=TREATMENTS,
        **content,
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _signed(value: float) -> str:
    return "0.000" if abs(value) < 0.0005 else f"{value:+.3f}"
