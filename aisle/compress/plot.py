"""A front as a plot: time across, quality up, size as the area of a point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aisle.evaluate.plots import COLOURS, svg

if TYPE_CHECKING:
    from aisle.compress.front import Front


def front_svg(front: Front) -> str:
    """Points that nothing beats in both are joined and named; time on a logarithmic scale."""
    from matplotlib.figure import Figure

    best = front.best()
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    for chosen, colour in ((False, COLOURS[5]), (True, COLOURS[0])):
        points = [point for point in front.points if (point.label in best) == chosen]
        area = [20 + 4 * point.size / 1e6 for point in points]
        axes.scatter(
            [point.p50 for point in points], [point.quality for point in points], s=area, color=colour, alpha=0.7
        )
    line = sorted((point for point in front.points if point.label in best), key=lambda point: point.p50)
    axes.step(
        [point.p50 for point in line], [point.quality for point in line], where="post", color=COLOURS[0], linewidth=1
    )
    for point in line:
        axes.annotate(point.label, (point.p50, point.quality), xytext=(4, -10), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel(f"milliseconds to re-rank {front.texts} texts, p50")
    axes.set_ylabel(f"{front.measure}, {front.pairs:,} pairs")
    return svg(figure).decode("utf-8")
