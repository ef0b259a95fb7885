"""Options that several commands share, and how they change a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aisle.config import Recipe
from aisle.errors import JudgmentError, RecipeError
from aisle.types import MODES

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
recipe_option = click.option(
    "--recipe", "recipe_file", type=click.Path(path_type=Path), help="Settings in TOML; see docs/recipes.md."
)
mode_option = click.option(
    "--mode", type=click.Choice(MODES), default="hybrid", show_default=True, help="Words, meaning, or both."
)
model_option = click.option(
    "--model", metavar="DIR|NAME", help="Re-rank with it: a trained model, a cross-encoder, or 'embedded'."
)
column_option = click.option(
    "--column", "columns", multiple=True, metavar="FIELD=NAME", help="Which column holds a product field; repeatable."
)
pair_column_option = click.option(
    "--column", "columns", multiple=True, metavar="MEANING=NAME", help="Which column of a pairs file holds what."
)
price_unit_option = click.option(
    "--price-unit", type=click.Choice(["major", "minor"]), help="minor: prices are cents, 4995 is 49.95."
)


def with_catalogue_options(recipe: Recipe, columns: tuple[str, ...], price_unit: str | None) -> Recipe:
    """The recipe with what the command line says of the catalogue's columns and prices.

    Raises:
        RecipeError: A column is not given as FIELD=NAME.
    """
    changes: dict[str, Any] = recipe.to_dict()
    for column in columns:
        field, equals, name = column.partition("=")
        if not (field.strip() and equals and name.strip()):
            raise RecipeError(f"--column {column!r} is not FIELD=NAME", allowed="for example --column title=name")
        changes["catalogue"]["columns"][field.strip()] = name.strip()
    if price_unit is not None:
        changes["catalogue"]["price_unit"] = price_unit
    return Recipe.from_dict(changes)


def named_columns(columns: tuple[str, ...]) -> dict[str, str]:
    """Meaning to column of a pairs file.

    Raises:
        JudgmentError: A column is not given as MEANING=NAME, or a meaning has two.
    """
    named: dict[str, str] = {}
    for column in columns:
        meaning, equals, name = (part.strip() for part in column.partition("="))
        if not (meaning and equals and name):
            raise JudgmentError(f"--column {column!r} is not MEANING=NAME", allowed="such as --column title=product")
        if named.setdefault(meaning, name) != name:
            raise JudgmentError(f"--column names both {named[meaning]!r} and {name!r} as the {meaning}")
    return named
