"""Which of several models is served under a name: a re-ranker, a calibration or a learnt ranking of `[ranking]`.

    model -> model-2         what the recipe names; moved by one rename
    model-1/, model-2/       made by `aisle train`, `aisle calibrate` or `aisle learn`; nothing removes them

A model is tried with the index and the recipe that it is for before the link is moved: it must fit their fingerprints,
and a search with it must find something. The workers of a service open it within a second or two.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from aisle.artifacts import one_writer
from aisle.build import check_index, stored_recipe
from aisle.config import Recipe
from aisle.errors import ArtifactError, RecipeError
from aisle.serve import links
from aisle.serve.settings import Config
from aisle.serve.versions import Promotion, tried

ROLES = ("model", "calibration", "learnt")
"""Settings of `[ranking]` that name a folder."""


def promote_model(candidate: Path, name: Path, index: Path, config: Config | None = None) -> Promotion:
    """Serve another model under a name, after a look at whether it can be.

    Args:
        candidate: A finished folder.
        name: A link to the model that is served, or where one is to be made; a folder becomes a link.
        index: That is searched with it.
        config: Of the service.

    Raises:
        ArtifactError: It is no model, does not fit, or is served already.
        RecipeError: The recipe does not name it.
        IndexLockedError: Another promotion runs.
    """
    home = candidate.resolve()
    if not home.is_dir():
        raise ArtifactError(f"no such folder: {str(candidate)!r}", allowed="the finished folder of a model")
    with one_writer(name.absolute()):
        current = links.target(name)
        if home in (current, name.absolute()):
            raise ArtifactError(f"{str(candidate)!r} is served already", fix="name another model")
        _try(home, name, index, config or Config())
        if current is None and name.exists():
            if not name.is_dir():
                raise ArtifactError(f"{str(name)!r} is a file", allowed="a folder, a link to one, or nothing yet")
            links.number(name)
            current = links.target(name)
        links.remember(name, current, home)
        links.point(name, home)
    return Promotion(home, current, 0)


def roll_back_model(name: Path, index: Path, config: Config | None = None) -> Promotion:
    """Serve the model again that was served before the one that is.

    Args:
        name: A link to the model that is served.
        index: That is searched with it.
        config: Of the service.

    Raises:
        ArtifactError: There is none before it, it is gone, or it does not fit any more.
        RecipeError: The recipe does not name it.
        IndexLockedError: Another promotion runs.
    """
    with one_writer(name.absolute()):
        current = links.target(name)
        if current is None:
            raise ArtifactError(f"{str(name)!r} is no link to a model", fix="aisle promote MODEL NAME --of DIR")
        home = links.before(name, current)
        _try(home, name, index, config or Config())
        links.point(name, home)
    return Promotion(home, current, 0)


def _try(home: Path, name: Path, index: Path, config: Config) -> None:
    served = index.resolve()
    check_index(served)
    recipe = config.recipe_over(stored_recipe(served))
    role = _role(name, recipe, index, config.folder)
    ranking = replace(recipe.ranking, **{role: str(home)})  # type: ignore[arg-type]
    tried(served, replace(recipe, ranking=ranking))


def _role(name: Path, recipe: Recipe, index: Path, folder: Path | None) -> str:
    """The setting that names the link; before there is one, a name is taken for that of a folder beside the file.

    Raises:
        RecipeError: None does.
    """
    wanted = os.path.abspath(name)  # noqa: PTH100 - where the link leads is not asked
    named = {role: str(getattr(recipe.ranking, role)) for role in ROLES}
    for role, value in named.items():
        places = (Path(value).expanduser(), (folder or Path()) / value)
        if value and wanted in map(os.path.abspath, places):
            return role
    raise RecipeError(
        f"the recipe of {str(index)!r} does not name {str(name)!r}",
        allowed=", ".join(f"{role} = {value!r}" for role, value in named.items() if value) or "nothing is named",
        fix=f'set [ranking] model = "{name}" (or calibration, learnt) in the configuration, and say --config',
    )
