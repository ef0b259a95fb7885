"""Set-ups that can be tried beside the one that is served: the same index, ranked with some settings changed.

Only settings that cannot harm: nothing is loaded from elsewhere, nothing written. Knows engines, no HTTP.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.rules import parse_rules
from aisle.serve.rules import RulesFile
from aisle.types import MODES, Mode

Learnt = Literal["", "on", "off"]
Demands = Literal["", "off", "boost", "filter"]
Diversity = Literal["", "none", "mmr", "dpp"]
CHOICES: dict[str, tuple[str, ...]] = {
    "mode": MODES,
    "learnt": get_args(Learnt),
    "demands": get_args(Demands),
    "diversity": get_args(Diversity),
}
"""Setting to what can be chosen; "" is what the service does."""
KEPT = 4
"""Engines of other set-ups that are kept; each may have a re-ranker of its own in memory."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Changes of a recipe; "" leaves a setting as it is served."""

    mode: Mode = "hybrid"
    learnt: Learnt = ""
    demands: Demands = ""
    diversity: Diversity = ""

    @classmethod
    def read(cls, given: Iterable[tuple[str, str]], side: str, default: Setup) -> Setup:
        """The set-up of a side ("a", "b") in an address: ``a.mode=bm25``; what cannot be chosen is passed over."""
        found = {name.removeprefix(f"{side}."): value for name, value in given if name.startswith(f"{side}.")}
        known = {name: value for name, value in found.items() if value in CHOICES.get(name, ())}
        return cls(
            mode=cast(Mode, known.get("mode", default.mode)),
            learnt=cast(Learnt, known.get("learnt", default.learnt)),
            demands=cast(Demands, known.get("demands", default.demands)),
            diversity=cast(Diversity, known.get("diversity", default.diversity)),
        )

    def parameters(self, side: str) -> list[tuple[str, str]]:
        """For an address, as `read` takes them."""
        return [(f"{side}.{name}", str(getattr(self, name))) for name in CHOICES]

    def recipe(self, served: Recipe) -> Recipe:
        """The recipe with the changes."""
        ranking = served.ranking
        if self.learnt:
            ranking = replace(ranking, learnt=(ranking.learnt or "embedded") if self.learnt == "on" else "")
        if self.demands:
            ranking = replace(ranking, demands=self.demands)
        if self.diversity:
            ranking = replace(ranking, diversity=replace(ranking.diversity, method=self.diversity))
        return replace(served, ranking=ranking)


AS_SERVED = Setup()
WORDS_ALONE = Setup(mode="bm25")


@dataclass(slots=True)
class _Kept:
    engine: SearchEngine
    rules: str


class Engines:
    """Engines for set-ups, made when they are first asked for; those of an index that was replaced are let go of."""

    def __init__(self) -> None:
        self._base: SearchEngine | None = None
        self._made: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, served: SearchEngine, setup: Setup, rules: RulesFile) -> SearchEngine:
        """The engine of a set-up beside the one that is served, under the same rules; tenths of a second at first.

        Raises:
            FingerprintError: The learnt combination does not fit the recipe.
        """
        recipe = setup.recipe(served.recipe)
        if recipe == served.recipe:
            return served
        key = recipe.to_toml()
        with self._lock:
            if self._base is not served:
                self._made.clear()
                self._base = served
            kept = self._made.pop(key, None) or _Kept(served.with_recipe(recipe), "")
            self._made[key] = kept
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
            stored = rules.read()
            if stored.version != kept.rules:
                kept.engine.stages.set_rules(parse_rules(stored.text, str(rules.path)))
                kept.rules = stored.version
            return kept.engine
