"""What a service is to do, as each of its processes is told. Imports nothing that only one kind of process needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aisle.build import stored_recipe
from aisle.config import Recipe
from aisle.serve.settings import Config

if TYPE_CHECKING:
    from aisle.engine import SearchEngine
    from aisle.serve.security import Security

SOCKET = "writer.sock"


@dataclass(frozen=True)
class Plan:
    """What a service is to do; travels to each of its processes.

    Attributes:
        folder: Of the index.
        config: Of the service.
        model: Re-ranker instead of the recipe's; None: the recipe's.
        sockets: Folder of the writer's socket.
    """

    folder: Path
    config: Config
    model: str | None
    sockets: Path

    def recipe(self) -> Recipe:
        """What the index is searched with.

        Raises:
            ArtifactError: There is no finished index.
            RecipeError: A setting is wrong.
        """
        recipe = self.config.recipe_over(stored_recipe(self.folder))
        return recipe if self.model is None else replace(recipe, ranking=replace(recipe.ranking, model=self.model))

    def security(self) -> Security:
        """Who may do what.

        Raises:
            RecipeError: A setting is wrong.
        """
        from aisle.serve.security import Security, SecuritySettings

        settings = SecuritySettings.from_dict(self.config.tables.get("security", {}), "configuration")
        return Security(self.config.settings.state_folder(self.folder), settings)

    def open(self) -> SearchEngine:
        """The index as it stands in its folder now."""
        from aisle.engine import SearchEngine

        return SearchEngine.open(self.folder, self.recipe())
