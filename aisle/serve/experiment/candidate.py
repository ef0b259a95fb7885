"""The candidate of an experiment: an engine beside the one that is served, opened when it is first needed.

It searches under the same rules. Where it has an index of its own, products are shown as the served index has them, and
those that it no longer has are not shown: changes over the API go to the served index alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.errors import FingerprintError
from aisle.rules import parse_rules
from aisle.serve.experiment.settings import ExperimentSettings, candidate_recipe
from aisle.serve.rules import RulesFile
from aisle.types import Ranking, SearchRequest

WAIT_S = 0.05
"""So long a search waits for a candidate that is being opened or looked at; then it gets the served ranking."""
LOOK_S = 1.0
"""So often it looks whether the rules changed, or its name leads to another index."""
TRY_AGAIN_S = 10.0
"""After so long a candidate that could not be opened is tried again."""


class CandidateGone(Exception):
    """The candidate cannot be opened."""


class Candidate:
    """The engine of a candidate.

    Args:
        settings: Of the experiment.
        base: Folder of an index to the recipe that it would be served with.
        rules: That the service obeys.
    """

    def __init__(self, settings: ExperimentSettings, base: Callable[[Path], Recipe], rules: RulesFile) -> None:
        self.settings, self._base, self._rules = settings, base, rules
        self._engine: SearchEngine | None = None
        self._of: SearchEngine | Path | None = None
        self._rules_version = ""
        self._next_look = self._next_try = 0.0
        self._lock = threading.Lock()

    def engine(self, served: SearchEngine) -> SearchEngine:
        """The candidate's engine, beside the one that is served now.

        Raises:
            CandidateGone: It could not be opened a moment ago.
            AisleError: It cannot be opened.
        """
        if not self._lock.acquire(timeout=WAIT_S):  # it is being opened, which takes seconds
            raise CandidateGone("the candidate is being opened")
        try:
            now = time.monotonic()
            if now >= self._next_look or (not self.settings.index and self._of is not served):
                self._next_look = now + LOOK_S
                self._look(served, now)
            if self._engine is None:
                raise CandidateGone("the candidate could not be opened")
            return self._engine
        finally:
            self._lock.release()

    def search(self, served: SearchEngine, request: SearchRequest) -> tuple[SearchEngine, Ranking]:
        """The candidate's answer, with the products of the served index; also its engine, for facets.

        Raises:
            CandidateGone: It could not be opened a moment ago.
            AisleError: It cannot be opened, or cannot answer.
        """
        engine = self.engine(served)
        try:
            ranking = engine.search(request)
        except FingerprintError:  # another index stands in its folder
            with self._lock:
                self._of = None
                self._next_look = 0.0
            engine = self.engine(served)
            ranking = engine.search(request)
        if engine.index is served.index:
            return engine, ranking
        standing = served.index.get([hit.product_id for hit in ranking.hits])
        hits = [
            replace(hit, product=product)
            for hit, product in zip(ranking.hits, standing, strict=True)
            if product is not None
        ]
        hits = [replace(hit, rank=request.offset + place) for place, hit in enumerate(hits, start=1)]
        return engine, replace(ranking, hits=tuple(hits))

    def close(self) -> None:
        """Close an index of its own."""
        with self._lock:
            if self.settings.index and self._engine is not None:
                self._engine.close()
            self._engine = None

    def _look(self, served: SearchEngine, now: float) -> None:
        of: SearchEngine | Path = Path(self.settings.index).expanduser().resolve() if self.settings.index else served
        if self._of is not of and self._of != of and now >= self._next_try:
            self._engine, self._of = None, None  # one that is in use is let go of by who uses it
            self._next_try = now + TRY_AGAIN_S
            self._engine = self._opened(of)
            self._of, self._rules_version, self._next_try = of, "", 0.0
        if self._engine is not None:
            stored = self._rules.read()
            if stored.version != self._rules_version:
                self._engine.stages.set_rules(parse_rules(stored.text, str(self._rules.path)))
                self._rules_version = stored.version

    def _opened(self, of: SearchEngine | Path) -> SearchEngine:
        if isinstance(of, SearchEngine):
            return of.with_recipe(candidate_recipe(self.settings, of.recipe))
        engine = SearchEngine.open(of, candidate_recipe(self.settings, self._base(of)))
        engine.search(SearchRequest("a", k=1))
        return engine
