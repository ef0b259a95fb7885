"""Whether probabilities come true: the reliability of probabilities in bins of equal size, their error, and a plot.

Knows probabilities and what happened, nothing of where they come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aisle.errors import InputError
from aisle.evaluate.plots import COLOURS, svg
from aisle.ranking.calibration import Doubles


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Of ``count`` products with similar probabilities: the mean probability, and the share that is relevant."""

    probability: float
    share: float
    count: int


def reliability(probabilities: Doubles, relevant: Sequence[bool], bins: int = 10) -> tuple[ReliabilityBin, ...]:
    """Products in order of probability, divided into bins of equally many (Nguyen and O'Connor 2015).

    Bins differ in size by at most one; with fewer products than ``bins`` each is a bin. Equal probabilities stay in the
    order given, so that a bin may end among them.

    Raises:
        InputError: The lengths differ, or there is no product.
    """
    given, true = np.asarray(probabilities, np.float64), np.asarray(relevant, np.float64)
    if given.shape != true.shape or given.ndim != 1 or not len(given):
        raise InputError(
            f"{given.shape} probabilities, {true.shape} outcomes", allowed="one outcome each, at least one"
        )
    order = np.argsort(given, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return tuple(ReliabilityBin(float(given[part].mean()), float(true[part].mean()), len(part)) for part in parts)


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Expected calibration error: the mean over products of |probability - share| of their bin, from 0 to 1.

    M. Naeini, G. Cooper and M. Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015,
    with bins of equal size. Chance alone makes it positive: about sqrt(2 p (1 - p) / (pi m)) with m independent
    products in a bin, and more where products come in queries.
    """
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.probability - one.share) for one in bins) / total


def reliability_plot(curves: Mapping[str, Sequence[ReliabilityBin]]) -> bytes:
    """What share is relevant against the probability, one line for each name, as SVG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 4.0), layout="constrained")  # belongs to no window and no global state
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e3e6e8", linewidth=0.8)
    axes.plot([0, 1], [0, 1], color="#b8bec4", linewidth=1)
    for place, (name, bins) in enumerate(curves.items()):
        x, y = [one.probability for one in bins], [one.share for one in bins]
        axes.plot(x, y, marker="o", markersize=4, color=COLOURS[place % len(COLOURS)], label=name)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("probability of being relevant")
    axes.set_ylabel("share that is relevant")
    figure.legend(loc="outside upper left", ncols=2, frameon=False)
    return svg(figure)
