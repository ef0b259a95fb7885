"""An index opened for writing, with nothing that only searching needs."""

from __future__ import annotations

from pathlib import Path

from aisle.catalogue.render import Renderer
from aisle.config import Recipe
from aisle.indexes.lance import LanceIndex
from aisle.serve.settings import Settings
from aisle.serve.writing.apply import Applier
from aisle.serve.writing.queue import WriteQueue
from aisle.types import Encoder


def open_queue(folder: Path, recipe: Recipe, encoder: Encoder, settings: Settings, *, lock: bool = False) -> WriteQueue:
    """Changes to the index in a folder.

    Args:
        folder: Of the index; opened by itself, so that whoever searches it may close it.
        recipe: Of the index.
        encoder: That of the index.
        settings: Of the service.
        lock: Whether to keep other processes from writing now, not from the first change on.

    Raises:
        ArtifactError: There is no index.
        IndexLockedError: Another process is writing.
    """
    index = LanceIndex.open(folder / "lance", recipe.index, writable=lock)
    applier = Applier(index, encoder, Renderer(recipe.render, encoder.count_tokens))
    return WriteQueue(applier, settings.write_queue, settings.optimize_after)
