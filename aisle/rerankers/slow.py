"""What the cascade must know of a re-ranker that takes long: a language model, most often elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aisle.types import Array, Product

if TYPE_CHECKING:
    from aisle.llm.client import LlmClient  # which opens connections: a search without one need not load it

FILE = "llm.toml"
"""The name, within a folder, of the file that names a language model."""


@runtime_checkable
class SlowReranker(Protocol):
    """Meets ``Reranker`` too. It remembers by itself what it was asked, and is told how long it may take."""

    @property
    def together(self) -> bool:
        """Whether a product's score depends on the others, so that all must be given at once."""
        ...

    @property
    def client(self) -> LlmClient:
        """The model, which knows what it cost."""
        ...

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32; higher is better."""
        ...

    def score_within(self, query: str, products: Sequence[Product], seconds: float) -> Array:
        """Score products before so many seconds have passed.

        Raises:
            LlmError: There was no answer, or not in time.
        """
        ...


def is_spec(path: Path) -> bool:
    """Whether a path names a language model: a TOML file, or a folder with ``llm.toml``."""
    return (path / FILE).is_file() or (path.suffix == ".toml" and path.is_file())
