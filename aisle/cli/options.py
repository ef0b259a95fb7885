"""Options that several commands share, and how they change a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.config import Recipe
from aisle.errors import JudgmentError, RecipeError
from aisle.types import MODES, And, Filter, Shopper

if TYPE_CHECKING:
    from aisle.judgments.scale import Scale


class Number(click.FloatRange):
    """A finite number in a range; click's own takes nan, which is in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or an error that says what is allowed."""
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is no finite number.", param, ctx)
        return found


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
recipe_option = click.option(
    "--recipe", "recipe_file", type=click.Path(path_type=Path), help="Settings in TOML; see docs/recipes.md."
)
mode_option = click.option(
    "--mode", type=click.Choice(MODES), default="hybrid", show_default=True, help="Words, meaning, or both."
)
judgments_option = click.option(
    "--judgments", required=True, type=click.Path(path_type=Path), help="CSV, TSV or TREC file, or a BEIR folder."
)
model_option = click.option(
    "--model",
    metavar="DIR|FILE|NAME",
    help="Re-rank with it: a trained model, a cross-encoder, a language model's TOML file, or 'embedded'.",
)
viewed_option = click.option(
    "--viewed",
    multiple=True,
    metavar="ID",
    help="A product that the shopper viewed lately, the latest first; repeatable. For a learnt combination.",
)
price_band_option = click.option(
    "--price-band", metavar="LOW:HIGH", help="Prices that the shopper usually looks at, such as 20:80."
)
column_option = click.option(
    "--column", "columns", multiple=True, metavar="FIELD=NAME", help="Which column holds a product field; repeatable."
)
pair_column_option = click.option(
    "--column", "columns", multiple=True, metavar="MEANING=NAME", help="Which column of a pairs file holds what."
)
scale_option = click.option(
    "--scale",
    "scales",
    multiple=True,
    metavar="LOW:HIGH",
    help="Least and highest grade there is, such as 1:4: one for all files, or one for each (--judgments, --pairs, "
    "--replay, in this order).",
)
price_unit_option = click.option(
    "--price-unit", type=click.Choice(["major", "minor"]), help="minor: prices are cents, 4995 is 49.95."
)


def track_option(setting: str) -> Callable[[Any], Any]:
    """The option ``--track``, which gives a change of that setting as ``--set`` does, or none."""
    return click.option(
        "--track",
        metavar="NAMES",
        callback=lambda _context, _option, names: (f"{setting}={names}",) if names else (),
        help=f"tensorboard, wandb, mlflow with commas, none, or auto ({setting}).",
    )


def filter_of(expressions: Sequence[str]) -> Filter | None:
    """What all the --filter options ask for together.

    Raises:
        FilterError: One cannot be parsed.
    """
    from aisle.filters import parse_filter

    parts = tuple(parse_filter(text) for text in expressions)
    return parts[0] if len(parts) == 1 else And(parts) if parts else None


def shopper_of(viewed: Sequence[str], price_band: str | None) -> Shopper:
    """What --viewed and --price-band say of who asks.

    Raises:
        RequestError: The band is none.
    """
    from aisle.shopper import parse_band

    return Shopper(viewed=tuple(viewed), price_band=parse_band(price_band) if price_band is not None else None)


def recipe_of(folder: Path, recipe_file: Path | None, model: str | None = None) -> Recipe:
    """The recipe of an index, with what a file and --model change.

    Raises:
        ArtifactError: There is no finished index.
        RecipeError: The file cannot be read, or a setting is wrong.
    """
    from aisle.build import check_index, stored_recipe

    check_index(folder)
    recipe = stored_recipe(folder)
    if recipe_file is not None:
        recipe = Recipe.load(recipe_file, base=recipe)
    return recipe if model is None else replace(recipe, ranking=replace(recipe.ranking, model=model))


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


def scales_of(scales: Sequence[str], files: int) -> list[Scale | None]:
    """A scale for each of so many files; None where it is to be found in the file.

    Raises:
        JudgmentError: One is not LOW:HIGH, or there are neither one nor as many as files.
    """
    from aisle.judgments.scale import Scale

    found: list[Scale | None] = [Scale.parse(text) for text in scales]
    if len(found) not in (0, 1, files):
        raise JudgmentError(
            f"{len(found)} times --scale for {files} file{'s' if files != 1 else ''}",
            allowed="one for all, or one for each in order: --judgments, --pairs, --replay",
        )
    return found if len(found) == files else (found or [None]) * files


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
