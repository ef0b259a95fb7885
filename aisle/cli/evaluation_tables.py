"""Evaluations and comparisons as tables for people, with what the numbers mean below. Computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aisle.cli.output import print_table
from aisle.metrics import TREATMENT_MEANING, TREATMENTS

if TYPE_CHECKING:
    from aisle.evaluate import Comparison, Difference, Evaluation, Summary
    from aisle.judgments import Judgments
    from aisle.metrics import Metric, Treatment

COLUMNS = {"wrong": "unjudged wrong", "removed": "judged only"}
_WORST = 10
_VALUE_COLUMNS = 7  # as many as 80 characters hold beside the mode


def print_run(run: Path, evaluation: Evaluation, judgments: Judgments) -> None:
    """One run: a row for each metric, both treatments, notes on what they mean and rest on."""
    rows = []
    for metric in evaluation.metrics:
        cells = [_long(evaluation.summary(metric, item)) if item in metric.treatments else "–" for item in TREATMENTS]
        least = [evaluation.summary(metric, item).detectable for item in metric.treatments]
        shown = " / ".join("–" if value is None else f"{value:.3f}" for value in least)
        rows.append([str(metric), *cells, shown])
    notes = [
        *_definitions(evaluation.metrics),
        *_meanings(),
        _count_line(evaluation, judgments),
        f"detectable: smallest difference from another run that {evaluation.counts.queries} queries show with 80% power"
        " (alpha .05; if the two runs' values correlate at .5 or more)",
    ]
    columns = ["metric", *(COLUMNS[item] for item in TREATMENTS), "detectable"]
    print_table(f"{run}: means with 95% intervals", columns, rows, notes)


def print_modes(folder: Path, evaluations: Mapping[str, Evaluation], judgments: Judgments) -> None:
    """An index: a row for each mode; as many tables as the width takes, which is one for the usual metrics."""
    first = next(iter(evaluations.values()))
    values = [(metric, item) for metric in first.metrics for item in metric.treatments]
    notes = [
        *_definitions(first.metrics),
        *_meanings(),
        "where few results of a mode are judged (judged@k), wrong understates it and only rests on few products;",
        "  believe an order of modes that both treatments show",
        *(f"{mode}: {_count_line(evaluation, judgments)}" for mode, evaluation in evaluations.items()),
        *_detectable_between(evaluations, first.metrics[0]),
    ]
    for start in range(0, len(values), _VALUE_COLUMNS):
        part = values[start : start + _VALUE_COLUMNS]
        last = start + _VALUE_COLUMNS >= len(values)
        print_table(
            f"{folder}: means over {first.counts.queries} queries, 95% intervals below" if start == 0 else "continued",
            ["mode", *(_heading(metric, item) for metric, item in part)],
            [
                [mode, *(_short(evaluation.summary(metric, item)) for metric, item in part)]
                for mode, evaluation in evaluations.items()
            ],
            notes if last else (),
        )


def _detectable_between(evaluations: Mapping[str, Evaluation], metric: Metric) -> list[str]:
    """The smallest difference in the first metric that these queries show between each two modes."""
    from aisle.evaluate import detectable_difference

    names, lines = list(evaluations), []
    for place, a in enumerate(names):
        for b in names[place + 1 :]:
            shown = []
            for item in metric.treatments:
                left, right = evaluations[a].values(metric, item), evaluations[b].values(metric, item)
                least = detectable_difference([right[query] - left[query] for query in left])
                shown.append("–" if least is None else f"{least:.3f} ({COLUMNS[item]})")
            lines.append(f"smallest detectable difference in {metric}, {a} to {b}: {', '.join(shown)}")
    return [*lines, "  (80% power, alpha .05, from the paired per-query differences)"] if lines else []


def _heading(metric: Metric, treatment: Treatment) -> str:
    """Narrow enough for seven columns in 80 characters."""
    name = str(metric) if len(str(metric)) <= 7 else str(metric).replace("@", "\n@")
    label = {"wrong": "wrong", "removed": "only"}[treatment] if len(metric.treatments) > 1 else ""
    return f"{name}\n{label}".rstrip()


def _short(summary: Summary) -> str:
    interval = summary.interval
    return f"{interval.mean:.3f}\n{_three(interval.low)}-{_three(interval.high)}"


def _three(value: float) -> str:
    """Three characters: .87 or 1.0."""
    return "1.0" if value >= 0.995 else f"{value:.2f}".removeprefix("0")


def _long(summary: Summary) -> str:
    return f"{summary.interval.mean:.3f} [{summary.interval.low:.3f}, {summary.interval.high:.3f}]"


def _definitions(metrics: tuple[Metric, ...]) -> list[str]:
    return [f"{metric}: {metric.definition}" for metric in metrics]


def _meanings() -> list[str]:
    from aisle.evaluate.plain import METHODS

    lines = [f"{COLUMNS[item].removeprefix('unjudged ')}: {TREATMENT_MEANING[item]}" for item in TREATMENTS]
    return [*lines, f"intervals: {METHODS['interval']}"]


def _count_line(evaluation: Evaluation, judgments: Judgments) -> str:
    counts = evaluation.counts
    line = (
        f"{counts.queries} queries ({counts.skipped} skipped without a relevant product; {counts.missing} without"
        f" results count as 0; {counts.extra} of the run not judged), {counts.judged_share:.0%} of results judged"
    )
    return f"{line}, {judgments.repeated} judgments repeated" if judgments.repeated else line


def print_comparison(run_a: Path, run_b: Path, comparison: Comparison, judgments: Judgments) -> None:
    """Run B against run A, and the queries that B hurts most."""
    metric = comparison.metric
    lines: dict[str, Callable[[Difference], str]] = {
        "A": lambda item: f"{item.mean_a:.3f}",
        "B": lambda item: f"{item.mean_b:.3f}",
        "B - A": lambda item: f"{item.interval.mean:+.3f} [{item.interval.low:+.3f}, {item.interval.high:+.3f}]",
        "p (paired permutation)": lambda item: f"{item.p:.4f}{' exact' if item.exact else ''}",
        "detectable difference": lambda item: "–" if item.detectable is None else f"{item.detectable:.3f}",
        "better / worse / same": lambda item: f"{item.wins} / {item.losses} / {item.ties}",
    }
    columns = [COLUMNS[item] for item in metric.treatments]
    rows = [[label, *(show(item) for item in comparison.differences)] for label, show in lines.items()]
    notes = [
        f"A: {run_a}: {_count_line(comparison.a, judgments)}",
        f"B: {run_b}: {_count_line(comparison.b, judgments)}",
        *_definitions((metric,)),
        *_meanings(),
        "detectable: smallest true difference that these queries show with 80% power (alpha .05)",
        *(_verdict(item) for item in comparison.differences),
    ]
    print_table(f"{metric}, B against A", ["", *columns], rows, notes)
    worst = [row for row in comparison.rows[:_WORST] if row.damage < 0]
    if worst:
        print_table(
            f"Worst damage ({len(worst)} of {sum(row.damage < 0 for row in comparison.rows)} queries made worse)",
            ["query", *(f"{COLUMNS[item]}\nA > B" for item in metric.treatments), "B - A"],
            [
                [
                    row.name[:60],
                    *(f"{row.a[item]:.3f} > {row.b[item]:.3f}" for item in metric.treatments),
                    f"{row.damage:+.3f}",
                ]
                for row in worst
            ],
            ["B - A is the mean over the treatments"] if len(metric.treatments) > 1 else (),
        )


def _verdict(item: Difference) -> str:
    label = COLUMNS[item.treatment]
    if item.p >= 0.05:
        return f"{label}: no difference shown (p {item.p:.3f})"
    return f"{label}: B is {'better' if item.interval.mean > 0 else 'worse'} (p {item.p:.4f})"
