"""From what the command line names to a re-ranker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from aisle.artifacts import read_manifest
from aisle.errors import ArtifactError
from aisle.rerankers.head import ARCHITECTURE, FORMAT, KIND, HeadReranker
from aisle.types import Reranker

LOADERS: Mapping[str, Callable[[Path], Reranker]] = {ARCHITECTURE: HeadReranker}
"""Architecture named in the manifest to the function that loads it."""


def load_reranker(folder: Path) -> Reranker:
    """Load a trained re-ranker.

    Raises:
        ArtifactError: There is no such folder, it is no re-ranker, or its architecture is unknown here.
    """
    manifest = read_manifest(folder, KIND, FORMAT)
    architecture = str(manifest.details.get("architecture"))
    if architecture not in LOADERS:
        raise ArtifactError(
            f"re-ranker {str(folder)!r} has the architecture {architecture!r}",
            allowed=", ".join(LOADERS),
            fix="search without --model",
        )
    return LOADERS[architecture](folder)
