"""Which of several indexes is served: a link that is moved from one to another in one step, and back.

    shop -> shop-2           what is served; moved by one rename, so that there is always an index
    shop-1/, shop-2/         the indexes, made by `aisle index`; nothing removes them
    .shop.versions.json      which were promoted, in their order: where a rollback goes

What the service was told to change (products put, patched, deleted) since the other index was made is carried over
before the link is moved, while changes wait: none is lost. Searches never wait: who has an index open goes on with it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from aisle.artifacts import one_writer
from aisle.build import check_index, stored_recipe
from aisle.catalogue.render import Renderer
from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, IndexLockedError
from aisle.indexes.lance import LOCK, LanceIndex
from aisle.indexes.lock import WriterLock
from aisle.serve import links
from aisle.serve.settings import Config
from aisle.serve.writing.apply import Applier
from aisle.serve.writing.change import Change, Delete, Put
from aisle.serve.writing.journal import Journal
from aisle.serve.writing.turn import switching
from aisle.types import Encoder, SearchRequest

AT_ONCE = 1_000
"""Changes carried over in one commit."""
PATIENCE_S = 30.0
"""So long another writer of the index is waited for."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What is served now.

    Attributes:
        served: Folder of the index.
        before: That of the one before; None where there was none.
        carried: Products whose changes were carried over.
    """

    served: Path
    before: Path | None
    carried: int


def promote(candidate: Path, name: Path, config: Config | None = None, since: float | None = None) -> Promotion:
    """Serve another index under a name, after a look at whether it can be.

    Args:
        candidate: A finished index.
        name: A link to the index that is served, or where one is to be made; a folder becomes a link, as long as
            no service uses it.
        config: Of the service, whose recipe the index must be searched with.
        since: Changes that the service made before this time, in seconds since 1970, are in the candidate already;
            None: those before it was begun.

    Raises:
        ArtifactError: It is none, has no products, or is served already.
        FingerprintError: It was made by another encoder or renderer than it would be searched with.
        IndexLockedError: Somebody writes to it, or to the folder that is to become a link.
    """
    home = candidate.resolve()
    check_index(home)
    if home == name.absolute():
        raise ArtifactError(f"{str(name)!r} is the name that is served", fix="name another index")
    with one_writer(name.absolute()):
        if name.exists() and not name.is_symlink():
            _make_link(name)
        current = links.target(name)
        if home == current:
            raise ArtifactError(f"{str(candidate)!r} is served already", fix="name another index")
        engine = _tried(home, config or Config())
        links.remember(name, current, home)
        return _switch(name, current, home, engine.encoder, since)


def roll_back(name: Path, config: Config | None = None) -> Promotion:
    """Serve the index that was served before the one that is; changes made since are carried over to it.

    Args:
        name: A link to the index that is served.
        config: Of the service.

    Raises:
        ArtifactError: There is none before it, or it is gone.
        FingerprintError: It was made by another encoder or renderer than it would be searched with.
        IndexLockedError: Somebody writes to it.
    """
    with one_writer(name.absolute()):
        current = links.target(name)
        if current is None:
            raise ArtifactError(f"{str(name)!r} is no link to an index", fix="aisle promote INDEX NAME")
        home = links.before(name, current)
        check_index(home)
        return _switch(name, current, home, _tried(home, config or Config()).encoder, None)


def _tried(home: Path, config: Config) -> SearchEngine:
    return tried(home, config.recipe_over(stored_recipe(home)))


def tried(home: Path, recipe: Recipe) -> SearchEngine:
    """An engine of the index, closed, which has found one of its products.

    Raises:
        ArtifactError: It has no products, or does not find them.
    """
    with SearchEngine.open(home, recipe) as engine:
        first = next(iter(sorted(engine.index.ids())), None)
        product = engine.index.get([first])[0] if first is not None else None
        if product is None:
            raise ArtifactError(f"the index {str(home)!r} has no products", fix="index a catalogue into it")
        if not engine.search(SearchRequest(product.title, k=1)).total:
            raise ArtifactError(f"the index {str(home)!r} does not find its product {product.id!r} by its title")
        return engine


def _switch(name: Path, current: Path | None, home: Path, encoder: Encoder, since: float | None) -> Promotion:
    recipe = stored_recipe(home)
    begun = _begun(home) if since is None else since  # before the lock of the index is taken, which notes the time
    with ExitStack() as held:
        index = held.enter_context(closing(_writable(home, recipe)))
        applier = Applier(index, encoder, Renderer(recipe.render, encoder.count_tokens))
        if current is None:
            links.point(name, home)
            return Promotion(home, None, 0)
        served = LanceIndex.open(current / "lance", stored_recipe(current).index)
        journal = Journal(current)
        held.enter_context(journal.kept())  # places in it must hold
        first = journal.since(begun)
        carried = set(_carry(served, applier, first.ids))  # most of it, while the service goes on writing
        with switching(name):
            done = set(first.ids) - set(journal.since(0.0, first.last).ids)  # but for what was noted and not made yet
            rest = [product_id for product_id in journal.since(begun).ids if product_id not in done]
            carried |= set(_carry(served, applier, rest))
            index.close()  # so that the service's next writer finds it free
            links.point(name, home)
    return Promotion(home, current, len(carried))


def _writable(home: Path, recipe: Recipe) -> LanceIndex:
    """The index with the right to write; a service that has just left it lets go of it within a second or two.

    Raises:
        IndexLockedError: Somebody goes on writing.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return LanceIndex.open(home / "lance", recipe.index, writable=True)
        except IndexLockedError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.1)


def _carry(served: LanceIndex, applier: Applier, ids: Sequence[str]) -> Sequence[str]:
    """Make some products of an index what they are in the one that is served."""
    for at in range(0, len(ids), AT_ONCE):
        part = ids[at : at + AT_ONCE]
        there = served.stored(part)
        changes: list[Change] = [Put(there[one].product) if one in there else Delete(one) for one in part]
        applier.apply(changes)
    return ids


def _begun(home: Path) -> float:
    """When the index was last begun to be written: whoever writes notes its number in the lock file first."""
    try:
        return (home / "lance" / LOCK).stat().st_mtime
    except OSError:
        return 0.0


def _make_link(name: Path) -> None:
    """Make a folder a link to itself under a name with a number.

    Raises:
        IndexLockedError: A service writes to it: who has it open would see another index under the same name.
    """
    check_index(name)
    lock = WriterLock(name / "lance" / LOCK)
    try:
        lock.acquire()
    except IndexLockedError as error:
        raise IndexLockedError(
            f"{str(name)!r} is a folder that is in use: {error.received}",
            fix="stop the service for this once: the folder becomes a link, which can be moved while it runs",
        ) from None
    try:
        links.number(name)
    finally:
        lock.release()
