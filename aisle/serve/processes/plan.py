"""What a service is to do, as each of its processes is told. Imports nothing that only one kind of process needs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aisle.build import stored_recipe
from aisle.config import Recipe
from aisle.serve.settings import Config

if TYPE_CHECKING:
    from aisle.engine import SearchEngine
    from aisle.serve.experiment.candidate import Candidate
    from aisle.serve.experiment.settings import ExperimentSettings
    from aisle.serve.security import Security

LOG = logging.getLogger("aisle")
SOCKET = "writer.sock"


@dataclass(frozen=True)
class Plan:
    """What a service is to do; travels to each of its processes.

    Attributes:
        folder: Of the index.
        config: Of the service.
        model: Re-ranker instead of the recipe's; None: the recipe's.
        sockets: Folder of the writer's socket.
        again: Whether the process takes the place of one that had been ready.
    """

    folder: Path
    config: Config
    model: str | None
    sockets: Path
    again: bool = False

    def home(self) -> Path:
        """The folder of the index that is to be served now; ``folder`` may be a link to it."""
        return self.folder.resolve()

    def recipe(self, home: Path) -> Recipe:
        """What an index is searched with.

        Raises:
            ArtifactError: There is no finished index.
            RecipeError: A setting is wrong.
        """
        recipe = self.config.recipe_over(stored_recipe(home))
        return recipe if self.model is None else replace(recipe, ranking=replace(recipe.ranking, model=self.model))

    def security(self) -> Security:
        """Who may do what.

        Raises:
            RecipeError: A setting is wrong.
        """
        from aisle.serve.security import Security, SecuritySettings

        settings = SecuritySettings.from_dict(self.config.tables.get("security", {}), "configuration")
        return Security(self.config.settings.state_folder(self.folder), settings)

    def experiment(self) -> ExperimentSettings:
        """What is tried.

        Raises:
            RecipeError: A setting is wrong.
        """
        from aisle.serve.experiment.settings import EXPERIMENT, ExperimentSettings

        return ExperimentSettings.from_dict(self.config.tables.get(EXPERIMENT, {}))

    def rules_path(self, recipe: Recipe) -> Path:
        """The file of the merchant's rules."""
        named = recipe.ranking.rules
        return Path(named) if named else self.config.settings.state_folder(self.folder) / "rules.toml"

    def candidate(self, engine: SearchEngine) -> Candidate | None:
        """What shoppers are shown beside the engine that is served, opened; None where there is nothing.

        One that cannot be opened is refused when the service starts. Later it is tried again while the service runs,
        and shoppers get the served ranking meanwhile.

        Raises:
            AisleError: It cannot be opened at the start.
        """
        settings = self.experiment()
        if not settings.shows:
            return None
        candidate = self.tried(settings, engine)
        try:
            candidate.engine(engine)
        except Exception as error:
            if not self.again:
                raise
            LOG.error("the candidate of the experiment cannot be opened: %s", error)
        return candidate

    def tried(self, settings: ExperimentSettings, engine: SearchEngine) -> Candidate:
        """What an experiment tries beside an engine, not opened yet."""
        from aisle.serve.experiment.candidate import Candidate
        from aisle.serve.rules import RulesFile

        return Candidate(settings, self.recipe, RulesFile(self.rules_path(engine.recipe)))

    def open(self) -> SearchEngine:
        """The index that is to be served now; promoting another one changes nothing for who has this one open.

        It has answered a search: its files can be read, and what is read once has been.
        """
        from aisle.engine import SearchEngine
        from aisle.indexes.lance import LanceIndex
        from aisle.types import SearchRequest

        home = self.home()
        engine = SearchEngine.open(home, self.recipe(home))
        engine.search(SearchRequest("a1", k=1))  # a digit: what is known of devices is read, too
        if isinstance(engine.index, LanceIndex):
            engine.index.snapshots.make_quietly()
        return engine
