"""Plots for the report, as SVG in data URIs. Knows numbers and the names of systems and metrics, no query texts."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

from aisle.evaluate.statistics import Interval

COLOURS = ("#2f6f9f", "#d9822b", "#4b9b6e", "#8a5ea8", "#a8574f", "#6b7a86")
GAIN, LOSS, TIE = "#4b9b6e", "#c0504d", "#b8bec4"


def bars(groups: Sequence[str], systems: Sequence[str], intervals: Sequence[Sequence[Interval | None]]) -> str:
    """Grouped bars with intervals.

    Args:
        groups: Labels along the axis, such as metrics.
        systems: One bar for each in every group.
        intervals: For each system, one interval per group, None where it has no meaning.
    """
    figure, axes = _figure(width=max(6.0, 0.4 * len(groups) * max(2, len(systems))), height=3.2)
    width = 0.8 / len(systems)
    for place, (name, row) in enumerate(zip(systems, intervals, strict=True)):
        shown = [(position, item) for position, item in enumerate(row) if item is not None]
        centres = [position - 0.4 + width * (place + 0.5) for position, _ in shown]
        heights = [item.mean for _, item in shown]
        errors = [[item.mean - item.low for _, item in shown], [item.high - item.mean for _, item in shown]]
        errors = [[max(0.0, value) for value in side] for side in errors]
        axes.bar(centres, heights, width * 0.92, color=COLOURS[place % len(COLOURS)], label=name)
        axes.errorbar(centres, heights, yerr=errors, fmt="none", ecolor="#333", elinewidth=1, capsize=2.5)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylim(0, 1.0)
    axes.set_ylabel("mean over queries")
    if len(systems) > 1:
        figure.legend(loc="outside upper left", ncols=min(6, len(systems)), frameon=False)
    return data_uri(figure)


def differences(values: Sequence[float], label: str) -> str:
    """One bar for each query's difference, the worst on the left."""
    figure, axes = _figure()
    ordered = sorted(values)
    colours = [GAIN if value > 0 else LOSS if value < 0 else TIE for value in ordered]
    axes.bar(range(len(ordered)), ordered, 1.0, color=colours)
    axes.axhline(0, color="#333", linewidth=0.8)
    axes.set_xlim(-0.5, max(len(ordered), 1) - 0.5)
    axes.set_xlabel("queries, the worst damage on the left")
    axes.set_ylabel(label)
    return data_uri(figure)


def histogram(series: Sequence[Sequence[float]], systems: Sequence[str], label: str, low: float, high: float) -> str:
    """How the values are spread between ``low`` and ``high``; a step has its middle at 0 if they straddle it."""
    figure, axes = _figure()
    steps = 21 if low < 0 else 20
    edges = [low + (high - low) * step / steps for step in range(steps + 1)]
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(systems))]
    axes.hist([list(values) for values in series], bins=edges, color=colours, label=list(systems))
    axes.set_xlim(low, high)
    axes.set_xlabel(label)
    axes.set_ylabel("queries")
    axes.yaxis.get_major_locator().set_params(integer=True)
    if len(systems) > 1:
        figure.legend(loc="outside upper left", ncols=min(6, len(systems)), frameon=False)
    return data_uri(figure)


def _figure(width: float = 6.0, height: float = 3.0) -> tuple[Any, Any]:
    """A figure that belongs to no window and no global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def svg(figure: Any) -> bytes:
    """A matplotlib figure as SVG; equal figures give equal bytes."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "aisle"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def data_uri(figure: Any) -> str:
    """A matplotlib figure as SVG in a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure)).decode("ascii")
