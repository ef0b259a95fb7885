"""Judges any ranking against judgments: per-query values, intervals, paired comparison, report.

Knows runs and judgments only, so it can judge any system, also one that Aisle did not make.
"""

from aisle.evaluate.comparison import Comparison, Difference, Pairing, compare
from aisle.evaluate.evaluation import Counts, Evaluation, QueryResult, Summary, evaluate
from aisle.evaluate.report import comparison_report, evaluation_report
from aisle.evaluate.statistics import (
    Interval,
    PairedDifference,
    bootstrap_mean,
    detectable_difference,
    paired_difference,
    sign_flip_p,
)

__all__ = [
    "evaluate",
    "Evaluation",
    "QueryResult",
    "Summary",
    "Counts",
    "compare",
    "Comparison",
    "Difference",
    "Pairing",
    "evaluation_report",
    "comparison_report",
    "Interval",
    "bootstrap_mean",
    "detectable_difference",
    "sign_flip_p",
    "PairedDifference",
    "paired_difference",
]
