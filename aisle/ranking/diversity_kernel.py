"""How alike the products of one ranking are, and what that makes each of them worth once others are chosen.

Knows products, vectors and a relevance of each; neither scores, caps nor pages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.filters.fields import fold, path_key
from aisle.types import Array, Product

Matrix = NDArray[np.float64]

COSINE, BRAND, CATEGORY = 0.6, 0.2, 0.2
"""What vectors, brand and category count in a similarity; a part that no product of the ranking has is left out."""
SHRINK = 0.05
"""So much do a determinant's products differ at least: else a second of one family would be worth minus infinity."""


class Marginal(Protocol):
    """What each product adds to those already chosen."""

    @property
    def values(self) -> Matrix:
        """``(n,)``, higher is better; of chosen products it means nothing."""
        ...

    def choose(self, place: int) -> None:
        """Add a product to those chosen."""
        ...


class Relevance:
    """Each product counts for itself: what is chosen changes nothing."""

    def __init__(self, relevance: Matrix) -> None:
        self.values = relevance

    def choose(self, place: int) -> None:
        """Change nothing."""


class MarginalRelevance:
    """MMR: ``(1 - strength) * relevance - strength * similarity`` to the most similar chosen product.

    Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing
    Summaries" (SIGIR 1998), whose lambda is 1 - strength. With nothing chosen the similarity is 0.
    """

    def __init__(self, relevance: Matrix, similarity: Matrix, strength: float) -> None:
        self._own = (1 - strength) * relevance
        self._similarity = similarity
        self._strength = strength
        self._nearest: Matrix | None = None

    @property
    def values(self) -> Matrix:
        """``(n,)``, higher is better; of chosen products it means nothing."""
        return self._own if self._nearest is None else self._own - self._strength * self._nearest

    def choose(self, place: int) -> None:
        """Add a product to those chosen."""
        row = self._similarity[place]
        self._nearest = row if self._nearest is None else np.maximum(self._nearest, row)


class Determinant:
    """Greedy MAP of a determinantal point process: how much a product adds to the log-determinant of those chosen.

    The kernel is ``diag(q) S diag(q)``, ``q = exp(relevance * (1 - strength) / (2 * strength))``. The values are the
    gains times ``strength``: ``(1 - strength) * relevance + strength * log(d^2)``, where ``d^2`` is the share of a
    product that the chosen ones do not span. Updated as in Chen, Zhang and Zhou, "Fast Greedy MAP Inference for
    Determinantal Point Process to Improve Recommendation Diversity" (NeurIPS 2018): one row of the Cholesky factor for
    each product chosen, so ``k`` of ``n`` cost ``O(k^2 n)``. S is shrunk towards the identity by `SHRINK`.

    Args:
        relevance: ``(n,)``.
        similarity: ``(n, n)``, positive semi-definite, 1 on the diagonal.
        strength: Above 0, up to 1.
    """

    def __init__(self, relevance: Matrix, similarity: Matrix, strength: float) -> None:
        self._own = (1 - strength) * relevance
        self._similarity = (1 - SHRINK) * similarity + SHRINK * np.eye(len(similarity))
        self._strength = strength
        self._left = np.ones(len(relevance))
        self._rows = np.empty((0, len(relevance)))

    @property
    def values(self) -> Matrix:
        """``(n,)``, higher is better; of chosen products it means nothing."""
        return self._own + self._strength * np.log(np.maximum(self._left, SHRINK / 2))  # of those to come it is above

    def choose(self, place: int) -> None:
        """Add a product to those chosen."""
        row = (self._similarity[place] - self._rows[:, place] @ self._rows) / math.sqrt(self._left[place])
        self._rows = np.vstack([self._rows, row])
        self._left = self._left - row**2


def similarity(products: Sequence[Product | None], vectors: Sequence[Array | None]) -> Matrix:
    """How alike products are: a weighted mean of cosine, same brand and shared category path; 1 within a family.

    A category path is compared as the cosine of its prefixes: ``shared levels / sqrt(levels * levels)``. Of a family
    the first product's vector, brand and category stand for all, so that its products are alike to the last digit and
    the matrix is one of inner products, as a determinantal point process needs. What is missing is like nothing.

    Returns:
        ``(n, n)``, symmetric, positive semi-definite, 1 on the diagonal.
    """
    leaders = _leaders(products)
    unique = sorted(set(leaders))
    chosen = [products[place] for place in unique]
    paths = [path_key(product.category) if product else () for product in chosen]
    brands = [(fold(product.brand),) if product and product.brand.strip() else () for product in chosen]
    features = [
        (COSINE, _unit_rows([vectors[place] for place in unique])),
        (BRAND, _indicators(brands)),
        (CATEGORY, _indicators([tuple(path[: n + 1] for n in range(len(path))) for path in paths])),
    ]
    present = [(weight, rows) for weight, rows in features if rows.any()]
    total = sum(weight for weight, _ in present)
    joined = np.hstack([np.zeros((len(unique), 1)), *(math.sqrt(weight / total) * rows for weight, rows in present)])
    alike: Matrix = joined @ joined.T
    np.fill_diagonal(alike, 1.0)
    positions = {place: position for position, place in enumerate(unique)}
    taken = [positions[leader] for leader in leaders]
    return np.asarray(alike[np.ix_(taken, taken)], np.float64)


def _leaders(products: Sequence[Product | None]) -> list[int]:
    """For each product the place of the first of its family; its own without one."""
    first: dict[str, int] = {}
    return [
        first.setdefault(product.family, place) if product and product.family else place
        for place, product in enumerate(products)
    ]


def _unit_rows(vectors: Sequence[Array | None]) -> Matrix:
    """Vectors as rows of length 1; a missing one is all 0."""
    width = max((len(vector) for vector in vectors if vector is not None), default=0)
    rows = np.zeros((len(vectors), width))
    for place, vector in enumerate(vectors):
        if vector is not None:
            rows[place] = vector
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), np.float64)


def _indicators(keys: Sequence[Sequence[object]]) -> Matrix:
    """One column for each key, rows of length 1; all 0 without a key."""
    columns = {key: column for column, key in enumerate(dict.fromkeys(key for own in keys for key in own))}
    rows = np.zeros((len(keys), len(columns)))
    for place, own in enumerate(keys):
        for key in own:
            rows[place, columns[key]] = 1 / math.sqrt(len(own))
    return rows
