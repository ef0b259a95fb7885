"""What must be known of a re-ranker by which a product's score depends on the others of its list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from aisle.types import Array, Product, Reranker


@runtime_checkable
class ListwiseReranker(Protocol):
    """Meets ``Reranker`` too."""

    @property
    def together(self) -> bool:
        """Whether a product's score depends on the others, so that all must be given at once."""
        ...

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32; higher is better."""
        ...

    def among(self, query: str, products: Sequence[Product]) -> Reranker:
        """What scores products one by one as they would stand in this list."""
        ...


def together(reranker: Reranker | None) -> bool:
    """Whether all products must be given to a re-ranker at once."""
    return bool(getattr(reranker, "together", False))


def among(reranker: Reranker, query: str, products: Sequence[Product]) -> Reranker:
    """What scores products one by one as this re-ranker does in a list; itself where lists do not matter to it."""
    if isinstance(reranker, ListwiseReranker) and reranker.together:
        return reranker.among(query, products)
    return reranker
