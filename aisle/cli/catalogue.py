"""`aisle catalogue inspect` and `aisle catalogue clean`: parse, call one function, print."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import click

from aisle.catalogue.report import Example
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.config import CatalogueSettings, Recipe
from aisle.errors import CatalogueError

_FILE = click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
_RECIPE = click.option("--recipe", type=click.Path(path_type=Path), help="Settings from a TOML file.")
_COLUMN = click.option("--column", "columns", multiple=True, metavar="FIELD=NAME", help="Which column holds a field.")
_UNIT = click.option("--price-unit", type=click.Choice(["major", "minor"]), help="minor reads 4995 as 49.95.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_COLUMNS_SHOWN = 40


@click.group()
def catalogue() -> None:
    """Look at a catalogue file, or clean it."""


@catalogue.command()
@_FILE
@_RECIPE
@_COLUMN
@_UNIT
@_JSON
def inspect(
    file: Path,
    recipe: Path | None,
    columns: tuple[str, ...],
    price_unit: Literal["major", "minor"] | None,
    as_json: bool,
) -> None:
    """Show how FILE would be read: format, encoding, columns and what they mean.

    Example: aisle catalogue inspect products.csv
    """
    from aisle.catalogue.inspect import inspect as look

    found = look(file, _settings(recipe, columns, price_unit))
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
@_FILE
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@_RECIPE
@_COLUMN
@_UNIT
@_JSON
def clean(
    file: Path,
    out: Path,
    recipe: Path | None,
    columns: tuple[str, ...],
    price_unit: Literal["major", "minor"] | None,
    as_json: bool,
) -> None:
    """Clean FILE: products, rows set aside with reasons, and a report go to the folder --out.

    Example: aisle catalogue clean products.csv --out clean/ --column title=name
    """
    from aisle.catalogue.clean import clean as clean_file

    settings = _settings(recipe, columns, price_unit)
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


def _settings(
    recipe: Path | None, columns: tuple[str, ...], price_unit: Literal["major", "minor"] | None
) -> CatalogueSettings:
    """The recipe's settings with those of the command line on top."""
    settings = Recipe.load(recipe).catalogue if recipe else CatalogueSettings()
    mapping = dict(settings.columns)
    for choice in columns:
        target, equals, column = choice.partition("=")
        if not equals or not target.strip() or not column.strip():
            raise CatalogueError(f"--column {choice!r} is not FIELD=NAME", allowed="for example --column title=name")
        mapping[target.strip()] = column.strip()
    settings = dataclasses.replace(settings, columns=mapping)
    return dataclasses.replace(settings, price_unit=price_unit) if price_unit else settings
