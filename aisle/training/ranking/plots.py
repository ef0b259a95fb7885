"""Plots of a learnt ranking as SVG: what matters, and how the score moves with a feature. Knows numbers and names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aisle.evaluate.plots import COLOURS, svg
from aisle.training.ranking.importance import Dependence, Importance

_MOST = 20


def importance_svg(rows: Sequence[Importance]) -> str:
    """Bars of what held-out nDCG@10 loses, beside those of the trees' gain, the most important on top."""
    shown = list(reversed(rows[:_MOST]))
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, max(2.0, 0.28 * len(shown) + 1.0)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = [row.name for row in shown]
    for axes, values, label in (
        (left, [row.permutation for row in shown], "nDCG@10 lost by shuffling, held out"),
        (right, [row.gain for row in shown], "share of the trees' gain"),
    ):
        _plain(axes, "x")
        axes.barh(names, values, color=COLOURS[0])
        axes.axvline(0, color="#333", linewidth=0.8)
        axes.set_xlabel(label)
    return svg(figure).decode("utf-8")


def dependence_svg(found: Dependence, meaning: str) -> str:
    """The line of one feature."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 2.8), layout="constrained")
    axes = figure.subplots()
    _plain(axes, "y")
    axes.plot(found.values, found.scores, color=COLOURS[0], marker="o", markersize=2.5, linewidth=1.2)
    axes.set_title(f"{found.name}: {meaning}", fontsize=7, loc="left")
    axes.set_ylabel("score, from its mean")
    return svg(figure).decode("utf-8")


def _plain(axes: Any, lines: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=lines, color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
