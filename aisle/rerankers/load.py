"""From what the command line names to a re-ranker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from aisle.artifacts import read_kind, read_manifest
from aisle.encoders import onnx
from aisle.errors import ArtifactError
from aisle.rerankers import combination, head
from aisle.rerankers.cosine import CosineReranker
from aisle.rerankers.head import FORMAT, KIND
from aisle.types import Reranker

LOADERS: Mapping[str, Callable[[Path], Reranker]] = {
    head.ARCHITECTURE: head.HeadReranker,
    combination.ARCHITECTURE: combination.CombinationReranker,
}
"""Architecture named in the manifest to the function that loads it."""


def load_reranker(folder: Path) -> Reranker:
    """Load a trained re-ranker; of an encoder, its cosines.

    Raises:
        ArtifactError: There is no such folder, it is no re-ranker, or its architecture is unknown here.
    """
    if read_kind(folder) == onnx.KIND:
        return CosineReranker(folder)
    manifest = read_manifest(folder, KIND, FORMAT)
    architecture = str(manifest.details.get("architecture"))
    if architecture not in LOADERS:
        raise ArtifactError(
            f"re-ranker {str(folder)!r} has the architecture {architecture!r}",
            allowed=", ".join(LOADERS),
            fix="search without --model",
        )
    return LOADERS[architecture](folder)
