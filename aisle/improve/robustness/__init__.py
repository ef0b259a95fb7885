"""The same judgments under other spellings, words and titles: how much of a ranking's quality is left."""

from aisle.improve.robustness.measure import SEEDS, robustness, search_robustness
from aisle.improve.robustness.perturbations import (
    NoDescription,
    OnQueries,
    OnTitles,
    Perturbation,
    Stuffed,
    named,
    perturbed,
    standard,
)
from aisle.improve.robustness.report import Drop, Report
from aisle.improve.robustness.versus import Versus, versus

__all__ = [
    "robustness",
    "search_robustness",
    "SEEDS",
    "Report",
    "Drop",
    "versus",
    "Versus",
    "standard",
    "named",
    "perturbed",
    "Perturbation",
    "OnQueries",
    "OnTitles",
    "NoDescription",
    "Stuffed",
]
