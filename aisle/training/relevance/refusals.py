"""What a training refuses before it begins. No PyTorch."""

from __future__ import annotations

from aisle.errors import JudgmentError, OptionalDependencyError
from aisle.judgments.pairs import PairSet
from aisle.training.relevance.data import MIN_QUERIES


def refuse_without_torch(what: str = "training an encoder") -> None:
    """Before anything is read.

    Args:
        what: Needs it.

    Raises:
        OptionalDependencyError: PyTorch is missing.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise OptionalDependencyError("torch", "train", what) from None


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
