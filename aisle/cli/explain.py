"""`aisle explain`: why one product stands where it stands for a query, or why it is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aisle.cli.options import (
    filter_of,
    json_option,
    mode_option,
    model_option,
    price_band_option,
    recipe_option,
    shopper_of,
    viewed_option,
)
from aisle.cli.output import print_json
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.cli.search import open_engine
from aisle.types import SearchRequest


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("query")
@click.argument("product_id", metavar="ID")
@mode_option
@click.option("--filter", "filters", multiple=True, metavar="EXPR", help="Such as 'price<500'; repeated ones all hold.")
@click.option("--sort", metavar="FIELD[:desc],...", help="As in the search that is asked about.")
@viewed_option
@price_band_option
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the sentences.")
@click.option("--html", "page", type=click.Path(path_type=Path), metavar="FILE", help="Write a page as well.")
@recipe_option
@model_option
@json_option
@click.pass_context
def explain(context: click.Context, /, folder: Path, query: str, product_id: str, **_: Any) -> None:
    """Explain why product ID stands where it stands for QUERY in the index in DIR, or why it is not there.

    What each stage gave; which demands the product meets; which words carried the score; and what would have put it
    above the next one up.

    Example: aisle explain shop "wireless mouse" 2704878 --html why.html
    """
    from aisle.explain import explain as explain_product
    from aisle.filters import parse_sort

    given = context.params
    refuse_overwriting({"--html": given["page"]}, [folder, given["recipe_file"]])
    refuse_other_kind({"--html": given["page"]}, "page")
    request = SearchRequest(
        text=query,
        filter=filter_of(given["filters"]),
        sort=parse_sort(given["sort"]) if given["sort"] else (),
        mode=given["mode"],
        shopper=shopper_of(given["viewed"], given["price_band"]),
    )
    with open_engine(folder, given["recipe_file"], given["model"]) as engine:
        found = explain_product(engine, request, product_id)
    if given["page"]:
        given["page"].write_text(found.to_html(given["language"]), encoding="utf-8")
    if given["as_json"]:
        print_json(found.to_dict())
    else:
        click.echo(found.in_words(given["language"]))
        if given["page"]:
            click.echo(f"Wrote {given['page']}")
