"""`aisle catalogue inspect` and `aisle catalogue clean`: parse, call one function, print."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.catalogue.report import Example
from aisle.cli.options import (
    column_option,
    json_option,
    price_unit_option,
    recipe_option,
    with_catalogue_options,
)
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_overwriting
from aisle.config import CatalogueSettings, Recipe

file_argument = click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
_COLUMNS_SHOWN = 40
_RESULTS = ("products.jsonl.gz", "rejected.jsonl", "report.json", "report.html")
"""Files that `clean` writes."""


@click.group()
def catalogue() -> None:
    """Look at a catalogue file, or clean it."""


@catalogue.command()
@file_argument
@recipe_option
@column_option
@price_unit_option
@json_option
def inspect(
    file: Path,
    recipe_file: Path | None,
    columns: tuple[str, ...],
    price_unit: str | None,
    as_json: bool,
) -> None:
    """Show how FILE would be read: format, encoding, columns and what they mean.

    Example: aisle catalogue inspect products.csv
    """
    from aisle.catalogue.inspect import inspect as look

    found = look(file, _settings(recipe_file, columns, price_unit))
    if as_json:
        print_json(found.to_dict())
        return
    shown = [c for c in found.columns if c.field != "attributes"] + [
        c for c in found.columns if c.field == "attributes"
    ]
    encoding = f", {found.encoding}" if found.encoding else ""
    notes = (
        [f"{len(shown) - _COLUMNS_SHOWN:,} more attribute columns (all with --json)"]
        if len(shown) > _COLUMNS_SHOWN
        else []
    )
    if found.broken:
        notes.append(f"{found.broken:,} of these rows cannot be read")
    print_table(
        f"{found.source}: {found.format}{encoding}; first {found.rows_sampled:,} rows",
        ["column", "field", "filled", "examples"],
        [[c.name, c.field, f"{c.filled:.0%}", " | ".join(c.examples)] for c in shown[:_COLUMNS_SHOWN]],
        [*notes, *(f"hint: {hint}" for hint in found.hints)],
    )


@catalogue.command()
@file_argument
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@recipe_option
@column_option
@price_unit_option
@json_option
def clean(
    file: Path,
    out: Path,
    recipe_file: Path | None,
    columns: tuple[str, ...],
    price_unit: str | None,
    as_json: bool,
) -> None:
    """Clean FILE: products, rows set aside with reasons, and a report go to the folder --out.

    Example: aisle catalogue clean products.csv --out clean/ --column title=name
    """
    from aisle.catalogue.clean import clean as clean_file

    for name in _RESULTS:
        refuse_overwriting({"--out": out / name}, [file, recipe_file])
    settings = _settings(recipe_file, columns, price_unit)
    with progress_bar() as progress, clean_file(file, settings, progress=progress) as cleaned:
        files = cleaned.write(out)
        report = cleaned.report
    if as_json:
        print_json({**report.to_dict(), "files": {name: str(path) for name, path in files.items()}})
        return
    summary = [
        ("rows read", report.rows_read),
        ("valid products", report.valid),
        ("set aside", report.rejected),
        ("identical rows merged", report.merged),
        ("families of two or more", report.families),
        ("products in them", report.family_members),
        ("suspicious categories", report.suspicious),
    ]
    encoding = f", {report.encoding}" if report.encoding else ""
    print_table(
        f"{report.source}: {report.format}{encoding}", ["", "count"], [[name, f"{count:,}"] for name, count in summary]
    )
    if report.reasons:
        print_table(
            "set aside", ["reason", "rows"], [[reason, f"{count:,}"] for reason, count in report.reasons.items()]
        )
    print_table(
        "rules applied",
        ["rule", "values", "for example"],
        [[rule, f"{result.count:,}", _example(result.examples[0])] for rule, result in report.rules.items()],
        [*(f"hint: {hint}" for hint in report.hints), *(f"{name}: {path}" for name, path in files.items())],
    )


def _example(example: Example) -> str:
    """On one line, whatever line breaks the values have."""
    return " ".join(f"{example.before} → {example.after or '(removed)'}".split())


def _settings(recipe_file: Path | None, columns: tuple[str, ...], price_unit: str | None) -> CatalogueSettings:
    """The recipe's settings with those of the command line on top."""
    recipe = Recipe.load(recipe_file) if recipe_file else Recipe()
    return with_catalogue_options(recipe, columns, price_unit).catalogue
