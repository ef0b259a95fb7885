"""The app: routers in one place, parts made before the first request and let go of after the last.

Making one does nothing beyond it: no files, no threads, until it starts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI

from aisle.engine import SearchEngine
from aisle.errors import ArtifactError
from aisle.indexes.lance import LanceIndex
from aisle.judgments.given import JudgmentFile
from aisle.serve.alarms import open_monitoring
from aisle.serve.experiment.candidate import Candidate
from aisle.serve.experiment.settings import EXPERIMENT, ExperimentSettings
from aisle.serve.experiment.shadow import ShadowSender
from aisle.serve.experiment.trial import Trial
from aisle.serve.facts import FactsMiddleware, Observer
from aisle.serve.faults import install_faults
from aisle.serve.head import Heads
from aisle.serve.metrics import Metrics
from aisle.serve.pages.page import Pages
from aisle.serve.pages.quality import Quality
from aisle.serve.pages.routers import PAGE_ROUTERS
from aisle.serve.pages.settings import PAGE, PageSettings
from aisle.serve.parts import Parts
from aisle.serve.pool import Pool
from aisle.serve.routes import (
    about,
    bulk,
    embeddings,
    events,
    health,
    judgments,
    models,
    products,
    rerank,
    rules,
    search,
    suggest,
)
from aisle.serve.rules import NAME, RulesFile
from aisle.serve.searching import Searches
from aisle.serve.security import Security, install
from aisle.serve.settings import Settings
from aisle.serve.shedding import Shedding
from aisle.serve.writing.change import Writer
from aisle.serve.writing.open import open_queue

ROUTERS: tuple[tuple[str, APIRouter], ...] = (
    ("/v1", search.router),
    ("/v1", suggest.router),
    ("/v1", bulk.router),
    ("/v1", products.router),
    ("/v1", judgments.router),
    ("/v1", events.router),
    ("/v1", events.erasing),
    ("/v1", rules.router),
    ("/v1", models.router),
    ("/v1", embeddings.router),
    ("/v1", rerank.router),
    ("/v2", rerank.router),
    ("", health.router),
    ("", about.router),
    *PAGE_ROUTERS,
)
"""What is served, and where."""


@dataclass(frozen=True)
class Outside:
    """What an app is given from outside; each part may be left out.

    Attributes:
        writer: Makes changes; None: this process does, and no other may.
        security: Who may do what, the audit log and the events; None: everybody may, and neither is kept.
        reopen: Opens the index that stands in the folder now, for when it was replaced.
        tables: Of the configuration file, for other parts.
        suggestions: Whether to make some.
        folder: The name under which the index is served, which may be a link to it; None: the engine's folder.
        candidate: Of an experiment that shows one.
        shadow: Socket of the process that scores searches silently, where the configuration asks for that.
        processes: Folder where the supervisor says what is wrong with the other processes; None: there are none.
    """

    writer: Writer | None = None
    security: Security | None = None
    reopen: Callable[[], SearchEngine] | None = None
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    suggestions: bool = True
    folder: Path | None = None
    candidate: Candidate | None = None
    shadow: Path | None = None
    processes: Path | None = None


def create_app(engine: SearchEngine, settings: Settings | None = None, outside: Outside | None = None) -> FastAPI:
    """An app that answers for one catalogue. The engine stays the caller's to close.

    Args:
        engine: Opened from a folder.
        settings: Of the service; None takes the defaults.
        outside: What others provide; None: nothing.

    Raises:
        ArtifactError: The engine was not made from a folder.
        RecipeError: A setting of the page or of the experiment is wrong.
    """
    settings, outside = settings or Settings(), outside or Outside()
    folder = engine.folder
    if folder is None or not isinstance(engine.index, LanceIndex):
        raise ArtifactError("this engine has no folder to serve", fix="open one with SearchEngine.open")
    page = PageSettings.from_dict(outside.tables.get(PAGE, {}), "configuration")
    tried = ExperimentSettings.from_dict(outside.tables.get(EXPERIMENT, {}))
    observers: list[Observer] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = _parts(engine, outside.folder or folder, settings, outside, observers)
        if tried.explores or (tried.shows and outside.candidate is not None):
            parts.trial = Trial(tried, parts.state, outside.candidate)
        if tried.shadows and outside.shadow is not None:
            parts.shadow = ShadowSender(outside.shadow, tried.share)
        app.state.parts, app.state.searches, app.state.metrics = parts, Searches(parts), Metrics(parts)
        app.state.pages, app.state.quality = Pages(parts, page), Quality()
        observers.extend((app.state.metrics, app.state.pages.recent))
        monitoring = open_monitoring(parts.state, outside.tables.get("monitor", {}))
        observers.extend(monitoring.observers)
        beside = [asyncio.ensure_future(parts.follow())]
        if monitoring.alarms is not None:
            beside.append(asyncio.ensure_future(monitoring.alarms.run()))
        if outside.suggestions:
            beside.append(asyncio.ensure_future(asyncio.to_thread(parts.make_suggestions)))
        try:
            yield
        finally:
            parts.ending = True
            for task in beside:
                task.cancel()
            await asyncio.to_thread(parts.pool.close, settings.grace_s)
            await parts.writer.close()
            await asyncio.to_thread(monitoring.close)
            if parts.trial is not None:
                await asyncio.to_thread(parts.trial.close)
            if parts.shadow is not None:
                parts.shadow.close()

    app = FastAPI(
        title="Aisle",
        description="Product search that understands what shoppers mean.",
        version=version("aisle"),
        lifespan=lifespan,
        openapi_url=None,  # both are routes of ours, behind the key and without a foreign host
        docs_url=None,
        redoc_url=None,
    )
    for prefix, router in ROUTERS:
        app.include_router(router, prefix=prefix)
    install_faults(app)
    app.add_middleware(Heads)  # first, so that it is innermost
    app.add_middleware(Shedding)
    app.add_middleware(FactsMiddleware, observers=observers)
    if outside.security is not None:
        install(app, outside.security)  # last, so that it is outermost
    return app


def _parts(
    engine: SearchEngine, folder: Path, settings: Settings, outside: Outside, observers: list[Observer]
) -> Parts:
    state, home = settings.state_folder(folder), engine.folder or folder
    named = engine.recipe.ranking.rules
    rules_file = RulesFile(Path(named) if named else state / NAME)
    if named:
        rules_file.seen = rules_file.read().version  # the engine has read them
    else:
        rules_file.follow(engine)
    return Parts(
        engine=engine,
        settings=settings,
        folder=folder,
        state=state,
        pool=Pool(settings.threads, settings.queue, settings.max_wait_ms / 1_000, settings.searches),
        writer=outside.writer or open_queue(home, engine.recipe, engine.encoder, settings, name=folder),
        judgments=JudgmentFile(state / "judgments.jsonl"),
        rules=rules_file,
        events=outside.security.events if outside.security is not None else None,
        audit=outside.security.audit if outside.security is not None else None,
        security=outside.security,
        observers=observers,
        tables=outside.tables,
        reopen=outside.reopen,
        processes=outside.processes,
    )
