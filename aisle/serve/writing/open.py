"""An index opened for writing, with nothing that only searching needs."""

from __future__ import annotations

from pathlib import Path

from aisle.build import index_identity
from aisle.catalogue.render import Renderer
from aisle.config import Recipe
from aisle.indexes.lance import LanceIndex
from aisle.serve.settings import Settings
from aisle.serve.writing.apply import Applier
from aisle.serve.writing.queue import WriteQueue
from aisle.serve.writing.turn import Turn
from aisle.types import Encoder


def open_queue(
    folder: Path, recipe: Recipe, encoder: Encoder, settings: Settings, *, name: Path | None = None, lock: bool = False
) -> WriteQueue:
    """Changes to the index in a folder.

    Args:
        folder: Of the index; opened by itself, so that whoever searches it may close it.
        recipe: Of the index.
        encoder: That of the index.
        settings: Of the service.
        name: Under which the index is served, where that is a link to it.
        lock: Whether to keep other processes from writing now, not from the first change on.

    Raises:
        ArtifactError: There is no index.
        IndexLockedError: Another process is writing.
    """
    index = LanceIndex.open(folder / "lance", recipe.index, writable=lock)
    turn = Turn(name or folder, index_identity(folder))
    applier = Applier(index, encoder, Renderer(recipe.render, encoder.count_tokens), turn)
    return WriteQueue(applier, settings.write_queue, settings.optimize_after)
