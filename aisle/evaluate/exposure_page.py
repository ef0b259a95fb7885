"""The exposure report as one HTML page, nothing loaded from elsewhere. The page itself is ``exposure.html``.

Knows how to lay the report out, not how it came about.
"""

from __future__ import annotations

from pathlib import Path

from aisle.evaluate.exposure import DEFINITIONS, ExposureReport
from aisle.metrics import TREATMENT_MEANING
from aisle.pages import page_environment

MOST_GROUPS = 25


def exposure_page(report: ExposureReport, name: str, source: str) -> str:
    """A page on one run.

    Args:
        report: What `exposure` found.
        name: Of the run or mode.
        source: Where relevance comes from, such as the judgments' file.
    """
    environment = page_environment(Path(__file__).parent)
    environment.filters["share"] = lambda value: f"{100 * value:.1f}%"
    environment.filters["ratio"] = lambda value: "–" if value is None else f"{value:.2f}"
    kinds = [
        {
            "found": found,
            "groups": found.groups[:MOST_GROUPS],
            "hidden": max(0, len(found.groups) - MOST_GROUPS),
            "top": max([max(g.exposure.high, g.relevance, g.ideal) for g in found.groups[:MOST_GROUPS]] + [1e-9]),
        }
        for found in report.kinds
    ]
    return environment.get_template("exposure.html").render(
        report=report,
        kinds=kinds,
        name=name,
        source=source,
        headings={"wrong": "all products shown", "removed": "judged products only"},
        meanings=DEFINITIONS | {f"unjudged {key}": text for key, text in TREATMENT_MEANING.items()},
    )
