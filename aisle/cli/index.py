"""`aisle index`: from a catalogue file to a searchable folder."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import click

from aisle.cli.options import column_option, json_option, price_unit_option, recipe_option, with_catalogue_options
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_replacing
from aisle.cli.verdicts import say_if_not_promoted
from aisle.config import Recipe
from aisle.errors import RecipeError


@click.command()
@click.argument("catalogue", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the index.")
@recipe_option
@click.option("--encoder", metavar="NAME|DIR", help="Any Hugging Face sentence encoder; default: the embedded one.")
@column_option
@price_unit_option
@json_option
def index(
    catalogue: Path,
    out: Path,
    recipe_file: Path | None,
    encoder: str | None,
    columns: tuple[str, ...],
    price_unit: str | None,
    as_json: bool,
) -> None:
    """Clean CATALOGUE (CSV, TSV, JSON Lines, Parquet, also gzipped) and index it into a folder.

    An index that is there already is brought up to date: what did not change is not encoded again. Interrupted, the
    same command goes on where it stopped.

    Example: aisle index samples/icecat/products.jsonl.gz --out shop
    """
    from aisle.build import build_index
    from aisle.catalogue.clean import clean
    from aisle.encoders.load import load_encoder

    refuse_replacing(out, [catalogue])
    recipe = with_catalogue_options(Recipe.load(recipe_file) if recipe_file else Recipe(), columns, price_unit)
    if encoder is not None and not encoder.strip():
        raise RecipeError("--encoder is empty", allowed="the name or the folder of an encoder")
    if encoder is not None:
        recipe = replace(recipe, encoder=str(Path(encoder).absolute()) if Path(encoder).exists() else encoder)
    start = time.perf_counter()
    loaded = load_encoder(recipe.encoder)
    say_if_not_promoted(recipe.encoder)
    with progress_bar() as progress, clean(catalogue, recipe.catalogue, progress=progress) as cleaned:
        warnings = build_index(cleaned, out, recipe, loaded, progress, cleaned.write_report)
        report = cleaned.report
    seconds = time.perf_counter() - start
    if as_json:
        print_json(
            {"index": str(out), "seconds": round(seconds, 2), "catalogue": report.to_dict(), "warnings": list(warnings)}
        )
        return
    counts = {"rows read": report.rows_read, "products": report.valid, "set aside": report.rejected}
    counts |= {"duplicates merged": report.merged, "families": report.families}
    rows = [[name, f"{count:,}"] for name, count in counts.items()]
    notes = [f"{out}: ready in {seconds:.1f} s; what was cleaned: {out}/report.html", *report.hints]
    notes += [f"warning: {warning}" for warning in warnings]
    if report.rejected:
        notes.append(f"rows set aside, with reasons: {out}/rejected.jsonl")
    print_table(f"Indexed {catalogue}", ["", "count"], rows, notes)
