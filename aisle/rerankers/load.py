"""From what a recipe or the command line names to a re-ranker. Knows which kinds there are, not how they work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from aisle.artifacts import MANIFEST, read_kind, read_manifest
from aisle.encoders import embedded, onnx
from aisle.encoders.load import EMBEDDED, HUB_NAME
from aisle.errors import ArtifactError
from aisle.rerankers import combination, cross_encoder, head
from aisle.rerankers.cosine import CosineReranker
from aisle.rerankers.head import FORMAT, KIND
from aisle.rerankers.slow import is_spec
from aisle.types import Reranker

LOADERS: Mapping[str, Callable[[Path], Reranker]] = {
    head.ARCHITECTURE: head.HeadReranker,
    combination.ARCHITECTURE: combination.CombinationReranker,
    cross_encoder.ARCHITECTURE: cross_encoder.OnnxCrossEncoder,
}
"""Architecture named in the manifest to the function that loads it."""


def load_reranker(spec: str | Path) -> Reranker:
    """Load the re-ranker that a recipe names.

    ========================================  =============================================
    ``embedded``                              the cosines of the encoder inside the package
    a TOML file, a folder with ``llm.toml``   a language model (docs/llm.md)
    a folder with a ``manifest.json``         what `aisle train` made; of an encoder, its cosines
    another folder                            a Hugging Face cross-encoder
    OWNER/NAME                                a cross-encoder of the Hugging Face hub, downloaded
    ========================================  =============================================

    Raises:
        ArtifactError: There is no such model, it is no re-ranker, or its architecture is unknown here.
        RecipeError: The file of a language model has a wrong setting.
        OptionalDependencyError: The model needs aisle[train].
    """
    if spec == EMBEDDED:
        return CosineReranker(embedded.FOLDER)
    name, folder = str(spec), Path(spec).expanduser()
    if is_spec(folder):
        from aisle.rerankers.llm.load import load_llm

        return load_llm(folder)
    if (folder / MANIFEST).is_file():
        return _of_ours(folder)
    if folder.is_dir() and not (folder / "config.json").is_file():
        read_manifest(folder, KIND, FORMAT)  # says what is missing
    if not folder.is_dir() and (name.endswith(".toml") or not HUB_NAME.fullmatch(name)):
        raise ArtifactError(
            f"no such re-ranker: {name!r} is not a folder, and no OWNER/NAME",
            allowed=f"{EMBEDDED!r}, a folder that aisle train wrote, the TOML file of a language model, or a "
            "cross-encoder by its folder or its OWNER/NAME on the Hugging Face hub",
            fix="check the path or the name",
        )
    from aisle.rerankers.hub import CrossEncoderReranker

    return CrossEncoderReranker(str(folder) if folder.is_dir() else name)


def _of_ours(folder: Path) -> Reranker:
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
