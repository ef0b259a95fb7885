"""What the pages of one app share: renderer, engines of other set-ups, what happened lately, judgments of a file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from aisle.engine import SearchEngine
from aisle.errors import FilterError, FingerprintError
from aisle.judgments import read_judgments
from aisle.judgments.given import Judged
from aisle.serve.pages.grades import Grades
from aisle.serve.pages.recent import Recent
from aisle.serve.pages.rendering import Renderer
from aisle.serve.pages.settings import PageSettings
from aisle.serve.pages.setups import Engines
from aisle.serve.parts import Parts
from aisle.types import Judgment

LOG = logging.getLogger("aisle.serve")
A = TypeVar("A")


class Pages:
    """What the routes of the page need beside the parts.

    Args:
        parts: Of the app.
        settings: Of the page.
    """

    def __init__(self, parts: Parts, settings: PageSettings) -> None:
        self.parts, self.settings = parts, settings
        self.renderer = Renderer(settings)
        self.engines = Engines()
        self.recent = Recent()
        self._file: Sequence[Judgment] | None = None
        self._facets: tuple[SearchEngine, tuple[str, ...]] | None = None
        self._lock = threading.Lock()

    @property
    def facets_known(self) -> tuple[str, ...]:
        """The same as `facets` once that was asked for; none before."""
        known = self._facets
        return known[1] if known is not None and known[0] is self.parts.engine else ()

    def facets(self) -> tuple[str, ...]:
        """The facets that this catalogue can have; an attribute that no product has is left out."""
        engine, known = self.parts.engine, self._facets
        if known is None or known[0] is not engine:
            known = (engine, tuple(name for name in self.settings.facets if _can_count(engine, name)))
            self._facets = known
        return known[1]

    def grades(self, judged: Sequence[Judged]) -> Grades:
        """Judgments of the service with those of the file that ``[page] judgments`` names.

        Raises:
            JudgmentError: The file cannot be read.
        """
        with self._lock:
            if self._file is None:
                path = self.settings.judgments
                self._file = tuple(read_judgments(Path(path).expanduser())) if path else ()
        return Grades.of(judged, self._file)


def over_engine(parts: Parts, work: Callable[[SearchEngine], A]) -> A:
    """Do something with the engine; once more with a fresh one where another index stands in the folder by now.

    Raises:
        FingerprintError: The index was replaced, and nothing here can open the new one.
    """
    try:
        return work(parts.engine)
    except FingerprintError:
        fresh = parts.reopened() if parts.engine.replaced else None
        if fresh is None:
            raise
        return work(fresh)


def _can_count(engine: SearchEngine, name: str) -> bool:
    try:
        engine.index.facets([name], None, 1)
    except FilterError as error:
        LOG.warning("[page] facets: %s", error.received)
        return False
    return True
