"""What a training refuses before it begins. No PyTorch."""

from __future__ import annotations

from pathlib import Path

from aisle.artifacts import MANIFEST, read_kind
from aisle.encoders import onnx
from aisle.errors import ArtifactError, JudgmentError, OptionalDependencyError
from aisle.judgments.pairs import PairSet
from aisle.rerankers import head
from aisle.training.relevance.data import MIN_QUERIES


def refuse_without_torch() -> None:
    """Before anything is read.

    Raises:
        OptionalDependencyError: PyTorch is missing.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise OptionalDependencyError("torch", "train", "training an encoder") from None


def refuse_few(pairs: PairSet) -> None:
    """A fold, or what says when to stop, would be empty.

    Raises:
        JudgmentError: Of so few queries an encoder learns nothing.
    """
    queries = len(pairs.by_query())
    if queries < MIN_QUERIES:
        raise JudgmentError(
            f"judgments of {queries} queries",
            allowed=f"{MIN_QUERIES} or more to train an encoder",
            fix="judge more queries, or fit a task head: --set model=head",
        )


def refuse_foreign(out: Path) -> None:
    """An empty folder and an older model may be replaced; an index, or anything else, never is.

    Raises:
        ArtifactError: It is something else.
    """
    kinds = (onnx.KIND, head.KIND)
    if (out / MANIFEST).is_file():
        kind = read_kind(out)
        if kind not in kinds:
            raise ArtifactError(
                f"{str(out)!r} is of kind {kind!r}", allowed=f"a folder of kind {' or '.join(kinds)}, or a new one"
            )
    elif out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ArtifactError(
            f"{str(out)!r} exists and is no model", fix="name a folder that does not exist yet, or an older model"
        )
