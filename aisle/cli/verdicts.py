"""What may be tried, never without a word: a model that was not promoted, a cut-off of nothing or of elsewhere."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.artifacts import MANIFEST

if TYPE_CHECKING:
    from aisle.engine import SearchEngine

_OF_A_CALIBRATION = ("cut", "cut_guaranteed", "cut_depth", "least_best")
"""Settings that change nothing without one."""


def not_promoted(folder: Path) -> bool:
    """Whether a model's folder says that it was not promoted; whatever has no verdict is not meant."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["details"]["promoted"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return found is False


def unpromoted(*names: str) -> list[str]:
    """A sentence for each model that was not promoted; "" is none."""
    found = [name for name in names if name and not_promoted(Path(name).expanduser())]
    return [f"{name} was not promoted; its README.md says why" for name in found]


def say_if_not_promoted(*names: str) -> None:
    """A line on standard error for each model that was not promoted; "" is none."""
    for said in unpromoted(*names):
        click.echo(f"note: {said}", err=True)


def say_if_nothing_cuts(engine: SearchEngine, recipe_file: Path | None) -> None:
    """A line on standard error where a recipe file sets a cut-off and there is no calibration to cut by."""
    if recipe_file is None or engine.stages.calibration is not None:
        return
    given = tomllib.loads(recipe_file.read_text(encoding="utf-8-sig")).get("ranking", {})
    named = [name for name in _OF_A_CALIBRATION if given.get(name)]
    if named:
        click.echo(
            f"note: [ranking] {', '.join(named)} of {str(recipe_file)!r} cuts nothing: there is no calibration "
            "(see aisle calibrate)",
            err=True,
        )


def say_if_of_another_catalogue(engine: SearchEngine) -> None:
    """A line on standard error where the calibration says that it was made of other products than the index has."""
    from aisle.provenance import of_another_catalogue

    calibration = engine.stages.calibration
    if calibration is None:
        return
    sample = calibration.details.get("sample", ())
    said = of_another_catalogue("calibration", engine.recipe.ranking.calibration, sample, engine.index)
    if said:
        click.echo(f"note: {said}", err=True)
