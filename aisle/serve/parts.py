"""What the requests of one worker share: the engine, the threads, the writer, and the files beside the index."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request

from aisle.engine import SearchEngine
from aisle.errors import first_line
from aisle.indexes.lance import LanceIndex
from aisle.judgments.given import JudgmentFile
from aisle.serve.documents import EncoderReranker
from aisle.serve.experiment.shadow import ShadowSender
from aisle.serve.experiment.trial import Trial
from aisle.serve.facts import Observer
from aisle.serve.pool import Pool
from aisle.serve.rules import RulesFile
from aisle.serve.security.audit import AuditLog
from aisle.serve.security.event import Event
from aisle.serve.security.event_files import Deleted
from aisle.serve.security.guard import Security
from aisle.serve.settings import Settings
from aisle.serve.suggest import Suggestions
from aisle.serve.writing.change import Writer
from aisle.types import Reranker

LOG = logging.getLogger("aisle.serve")
READ_AT_ONCE = 1_000
LOOK_S = 1.0
"""So often a worker looks whether the rules or the index changed."""
TRY_AGAIN_S = 10.0
"""After so long an index that could not be opened is tried again."""


class Events(Protocol):
    """Where events of shoppers go; `aisle.serve.security` has one."""

    async def add(self, events: Sequence[Event]) -> None:
        """Mask and keep events; returns when they are on the disk.

        Raises:
            Fault: Too many are waiting, or they cannot be written.
        """
        ...

    def delete_user(self, user: str) -> tuple[str, Deleted]:
        """Delete a user's events; also says under which hash they were kept. Waits for the disk."""
        ...


@dataclass
class Parts:
    """What routes need. ``engine`` may be swapped for another: a request reads it once.

    Attributes:
        engine: Searches.
        index: That of the engine, as what it is.
        settings: Of the service.
        folder: The name under which the index is served, which may be a link to it.
        state: Folder of what is kept beside it.
        pool: Threads for what would block.
        writer: Makes changes.
        judgments: What people said of products.
        rules: The merchant's rules as a file.
        suggestions: For autocomplete; None until they are made.
        events: Where events go; None where nothing keeps them.
        audit: Who changed what; None where nobody notes it.
        security: Who may come in; None where everybody may.
        observers: Told of each request.
        tables: Of the configuration file, for other parts.
        reopen: Opens the index that stands in the folder now.
        processes: Where the supervisor says what is wrong with the other processes, `aisle.serve.processes.state`.
        trial: The experiment that changes some answers, if there is one.
        shadow: Where searches go that a candidate is to score silently.
        started: Time of day, seconds since 1970.
        ending: Whether no more requests should come.
        trouble: Why the index that is to be served cannot be, while the one before still is.
    """

    engine: SearchEngine
    settings: Settings
    folder: Path
    state: Path
    pool: Pool
    writer: Writer
    judgments: JudgmentFile
    rules: RulesFile
    suggestions: Suggestions | None = None
    events: Events | None = None
    audit: AuditLog | None = None
    security: Security | None = None
    observers: list[Observer] = field(default_factory=list)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reopen: Callable[[], SearchEngine] | None = None
    processes: Path | None = None
    trial: Trial | None = None
    shadow: ShadowSender | None = None
    ending: bool = False
    started: float = field(default_factory=time.time)
    _begun: float = field(default_factory=time.monotonic)
    _reranker: Reranker | None = None
    trouble: str = ""
    _making: threading.Lock = field(default_factory=threading.Lock)
    _opening: threading.Lock = field(default_factory=threading.Lock)
    _opened: tuple[Path, ...] = ()
    _next_try: float = 0.0

    def __post_init__(self) -> None:
        self._opened = self._standing()

    @property
    def index(self) -> LanceIndex:
        """The engine's index."""
        index = self.engine.index
        assert isinstance(index, LanceIndex)
        return index

    @property
    def seconds(self) -> float:
        """Since it started, by a clock that nobody sets."""
        return time.monotonic() - self._begun

    @property
    def reranker(self) -> Reranker:
        """What `/v1/rerank` asks: the recipe's re-ranker, else cosines by the index's encoder."""
        if self.engine.reranker is not None:
            return self.engine.reranker
        with self._making:
            if self._reranker is None:
                self._reranker = EncoderReranker(self.engine.encoder)
            return self._reranker

    def swap(self, engine: SearchEngine) -> SearchEngine:
        """Search with another engine from the next request on; gives back the one before, which may still be in use."""
        before, self.engine, self._reranker = self.engine, engine, None
        return before

    def reopened(self) -> SearchEngine | None:
        """The engine of the index that is to be served now, opened once; None where nothing can open it."""
        stale = self.engine
        with self._opening:
            if self.engine is stale and self.reopen is not None:
                standing = self._standing()
                engine = self.reopen()
                self.rules.give(engine)
                self.swap(engine)
                self._opened, self.trouble = standing, ""
            return self.engine if self.engine is not stale else None

    def _standing(self) -> tuple[Path, ...]:
        """What the names of the index and of its models lead to now: after a promotion, to something else."""
        ranking = self.engine.recipe.ranking
        names = (str(self.folder), ranking.model, ranking.calibration, ranking.learnt)
        return tuple(Path(name).resolve() for name in names)

    def _look_for_another(self) -> None:
        """Open what was promoted, while requests are answered from what was before."""
        standing = self._standing()
        if self.reopen is None or standing == self._opened or time.monotonic() < self._next_try:
            return
        try:
            self.reopened()
        except Exception as error:
            self._next_try = time.monotonic() + TRY_AGAIN_S
            self.trouble = f"{standing[0].name} cannot be opened: {first_line(error)}"
            LOG.error("%s; %s is served on", self.trouble, self._opened[0].name)
            return
        LOG.info("%s is served from now on", standing[0].name)
        self.make_suggestions()

    def make_suggestions(self) -> None:
        """Read the catalogue for autocomplete; seconds."""
        index = self.index
        ids = sorted(index.ids())
        products = (
            product
            for at in range(0, len(ids), READ_AT_ONCE)
            for product in index.get(ids[at : at + READ_AT_ONCE])
            if product is not None
        )
        self.suggestions = Suggestions(products)

    async def follow(self) -> None:
        """Take over rules that another worker wrote, and what was promoted, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self._look_for_another)
            if self.trial is not None:
                await asyncio.to_thread(self.trial.refresh)
            try:
                await asyncio.to_thread(self.rules.follow, self.engine)
            except Exception:  # the rules before stay in force
                LOG.exception("the rules cannot be read")


async def parts_of(request: Request) -> Parts:
    """The parts of the app that answers a request; async, since FastAPI calls anything else in a thread."""
    parts: Parts = request.app.state.parts
    return parts


Shop = Annotated[Parts, Depends(parts_of)]
