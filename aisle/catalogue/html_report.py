"""A cleaning report as one self-contained HTML page. Knows only the report."""

from __future__ import annotations

from importlib.resources import files

from aisle.catalogue.report import CleaningReport


def render_html(report: CleaningReport) -> str:
    """The page; every value is escaped, nothing is loaded from elsewhere."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("aisle.catalogue").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(report=report)
