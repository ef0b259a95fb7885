"""`aisle exposure`: whom an index's rankings show, against how relevant they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aisle.cli.options import json_option, judgments_option, mode_option, model_option, recipe_option
from aisle.cli.output import print_json, print_table
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.cli.shoppers import say_if_unread, shoppers_of, shoppers_option
from aisle.types import Mode

SHOWN = 15
DEPTH = 1_000
"""Products a query: with unjudged products left out, the ten shown may lie deep."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@judgments_option
@mode_option
@shoppers_option
@recipe_option
@model_option
@click.option("--cutoff", default=10, show_default=True, help="So many products of each ranking are seen.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page (HTML).")
@json_option
@click.pass_context
def exposure(context: click.Context, /, folder: Path, judgments: Path, mode: Mode, html: Path | None, **_: Any) -> None:
    """Say how the rankings of the index in DIR spread attention over brands, sellers and price bands.

    Exposure is a group's share of the weights 1/log2(rank+1), relevance its share of the judged gains.

    Example: aisle exposure shop --judgments samples/icecat/ratings.csv --html exposure.html
    """
    from aisle.artifacts import write_text
    from aisle.cli.evaluate_index import say_if_unknown
    from aisle.cli.search import answer, open_engine
    from aisle.evaluate.exposure import exposure as measure
    from aisle.evaluate.exposure import merits_of
    from aisle.evaluate.exposure_page import exposure_page
    from aisle.evaluate.groups import groups_of
    from aisle.judgments import align, read_judgments, read_queries

    given = context.params
    refuse_overwriting({"--html": html}, [folder, judgments, given["recipe_file"], given["shoppers_file"]])
    refuse_other_kind({"--html": html}, "page")
    read = read_judgments(judgments).by_gain()
    queries = read_queries(judgments)
    shoppers = shoppers_of(given["shoppers_file"], dict(queries))
    with open_engine(folder, given["recipe_file"], given["model"]) as engine:
        say_if_unknown(engine, read)
        say_if_unread(engine, shoppers, mode)
        run = answer(engine, queries, mode, DEPTH, shoppers)
        ids = sorted(engine.index.ids())
        products = [product for product in engine.index.get(ids) if product is not None]
    report = measure(align(run, read), groups_of(products), merits_of(read), cutoff=given["cutoff"])
    if html is not None:
        write_text(html, exposure_page(report, f"{folder} ({mode})", str(judgments)))
    if given["as_json"]:
        print_json(report.to_dict())
        return
    for kind in report.kinds:
        rows = [
            [g.group, f"{g.exposure.mean:.3f}", f"{g.relevance:.3f}", "" if g.ratio is None else f"{g.ratio.mean:.2f}"]
            for g in kind.groups[:SHOWN]
        ]
        note = f"disparity {kind.disparity.mean:.3f}; the ideal order's {kind.ideal_disparity:.3f}"
        print_table(
            f"{kind.kind}, unjudged {kind.treatment}", [kind.kind, "exposure", "relevance", "ratio"], rows, [note]
        )
