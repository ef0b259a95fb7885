"""The settings `[experiment]`: which candidate is tried, how, and on whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import Recipe, checked
from aisle.errors import RecipeError

EXPERIMENT = "experiment"
FOLDER = "experiments"
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class ExploreSettings:
    """`[experiment.explore]`: one place of the page for products that would not be shown otherwise.

    Attributes:
        method: "epsilon" draws each product below the page alike, with a small probability; "thompson" draws by how
            likely each is the most clicked there for this query, by the events.
        epsilon: Share of pages with another product ("epsilon"), or for which all are as probable ("thompson").
        slot: Position of the place, from 1. Searches for fewer products have none.
        depth: So far down the ranking a product may come from.
    """

    method: Literal["none", "epsilon", "thompson"] = "none"
    epsilon: float = Field(default=0.1, gt=0, le=1)
    slot: int = Field(default=10, ge=1, le=200)
    depth: int = Field(default=30, ge=2, le=200)


@dataclass(frozen=True, config=_STRICT)
class ExperimentSettings:
    """`[experiment]` of the configuration.

    Attributes:
        name: Of the experiment: users are drawn anew for each, and the log says which it was.
        how: "shadow" scores the candidate and shows nothing of it; "split" shows it to some users; "interleave" shows
            some users pages of both rankings; "off": no candidate.
        share: Of searches that are scored ("shadow"), of users who see the candidate, or interleaved pages.
        index: Of the candidate; empty: the index that is served.
        recipe: File of settings laid over those that are served; empty: the same.
        k: Products that a shadow is compared by.
        depth: So far down the candidate's ranking is logged by a shadow.
        queue: Searches that may wait for a shadow; what comes then is not scored.
        max_age_ms: Nor is what has waited longer.
        keep_days: Older days of the log are deleted.
        max_bytes: Of a day's log; what comes then is not logged.
        explore: A place for exploration, of all searches; beside no candidate, or a shadow.
    """

    name: str = Field(default="", max_length=100)
    how: Literal["off", "shadow", "split", "interleave"] = "off"
    share: float = Field(default=0.1, gt=0, le=1)
    index: str = ""
    recipe: str = ""
    k: int = Field(default=10, ge=1, le=100)
    depth: int = Field(default=30, ge=1, le=200)
    queue: int = Field(default=64, ge=1, le=10_000)
    max_age_ms: float = Field(default=5_000.0, gt=0, allow_inf_nan=False)
    keep_days: int = Field(default=90, ge=1)
    max_bytes: int = Field(default=1 << 30, ge=1)
    explore: ExploreSettings = Field(default_factory=ExploreSettings)

    @property
    def on(self) -> bool:
        """Whether there is anything to do."""
        return self.how != "off" or self.explores

    @property
    def explores(self) -> bool:
        """Whether a place of the page is for exploration."""
        return self.explore.method != "none"

    @property
    def shadows(self) -> bool:
        """Whether a process scores searches that nobody waits for."""
        return self.how == "shadow"

    @property
    def shows(self) -> bool:
        """Whether shoppers see the candidate."""
        return self.how in ("split", "interleave")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "configuration") -> ExperimentSettings:
        """Settings from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range, or they do not go together.
        """
        settings = checked(_ADAPTER, dict(data), f"{source}: [{EXPERIMENT}]", lambda _: _NAMES)
        said = f"{source}: [{EXPERIMENT}]"
        if settings.on and not settings.name.strip():
            raise RecipeError(f"{said}: no name", fix='name the experiment: name = "new-weights"')
        if settings.how != "off" and not (settings.index or settings.recipe):
            raise RecipeError(
                f"{said}: how is {settings.how!r} and there is no candidate",
                fix="name another index, a recipe laid over the one that is served, or both",
            )
        if settings.shows and settings.explores:
            raise RecipeError(
                f"{said}: exploration beside {settings.how!r}",
                allowed='exploration alone, or with how = "shadow"',
                fix="one after the other: clicks could not be told apart",
            )
        if settings.explores and settings.explore.depth <= settings.explore.slot:
            raise RecipeError(
                f"{said}: explore.depth {settings.explore.depth} with the slot {settings.explore.slot}",
                allowed="a depth below the page",
            )
        return settings


def candidate_recipe(settings: ExperimentSettings, base: Recipe) -> Recipe:
    """The candidate's recipe: its file laid over a base.

    Raises:
        RecipeError: The file cannot be read, or a setting is wrong.
    """
    return Recipe.load(Path(settings.recipe).expanduser(), base) if settings.recipe else base


_ADAPTER = TypeAdapter(ExperimentSettings)
_NAMES = ", ".join(field.name for field in dataclasses.fields(ExperimentSettings))
