"""Two reports over the same queries: does the second model lose less, and what does it cost without perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from aisle.errors import MetricError
from aisle.evaluate.statistics import Interval, PairedDifference, paired_difference
from aisle.improve.robustness.report import Report, ratio


@dataclass(frozen=True, slots=True)
class Versus:
    """B against A, query by query; a loss is clean less robust.

    Attributes:
        clean: B - A without perturbations.
        robust: B - A over the mean of the perturbations.
        loss_a: Mean loss of A.
        loss_b: Mean loss of B.
        loss_left: ``loss_b / loss_a`` with its bootstrap interval: .5 is a loss halved.
    """

    clean: PairedDifference
    robust: PairedDifference
    loss_a: float
    loss_b: float
    loss_left: Interval

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        intervals = {"clean": self.clean.interval, "robust": self.robust.interval, "loss_left": self.loss_left}
        plain = {name: {"mean": one.mean, "low": one.low, "high": one.high} for name, one in intervals.items()}
        return {
            **plain,
            "loss_a": self.loss_a,
            "loss_b": self.loss_b,
            "p_clean": self.clean.p,
            "p_robust": self.robust.p,
            "detectable_clean": self.clean.detectable,
            "detectable_robust": self.robust.detectable,
        }


def versus(a: Report, b: Report, seed: int = 0) -> Versus:
    """Compare two reports of one suite over one set of judgments.

    Raises:
        MetricError: They are of other queries, or other perturbations found something to change.
    """
    if a.clean_values.keys() != b.clean_values.keys() or [one.name for one in a.drops] != [one.name for one in b.drops]:
        raise MetricError(
            "two reports of other queries or perturbations", allowed="two of the same pairs under the same suite"
        )
    queries = list(a.clean_values)
    clean_a, clean_b, robust_a, robust_b = (
        np.array([values[query] for query in queries])
        for values in (a.clean_values, b.clean_values, a.robust_values, b.robust_values)
    )
    return Versus(
        clean=paired_difference(list(clean_b - clean_a), seed=seed),
        robust=paired_difference(list(robust_b - robust_a), seed=seed),
        loss_a=float((clean_a - robust_a).mean()),
        loss_b=float((clean_b - robust_b).mean()),
        loss_left=ratio(clean_b - robust_b, clean_a - robust_a, seed),
    )
