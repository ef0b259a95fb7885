"""A re-ranker that remembers its scores: of a query, a product as it stands, and itself.

Shoppers ask the same, and pages of one ranking re-rank the same products. A product that has changed in anything is
scored anew; where a score depends on the list, so is every product of a list that has changed in anything. Scores live
as long as the object, the latest ``size`` of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from threading import Lock

import numpy as np

from aisle.rerankers import listwise
from aisle.types import Array, Product, Reranker

SIZE = 200_000
"""Scores kept: about 30 MB."""


class CachedReranker:
    """Meets ``Reranker``; many threads may use it.

    Args:
        reranker: Any.
        size: Scores kept, the least recently used are forgotten first.
    """

    def __init__(self, reranker: Reranker, size: int = SIZE) -> None:
        self.reranker = reranker
        self.size = size
        self.hits = self.misses = 0
        self._scores: OrderedDict[bytes, float] = OrderedDict()
        self._lock = Lock()

    @property
    def entries(self) -> int:
        """Scores kept now."""
        return len(self._scores)

    @property
    def together(self) -> bool:
        """Whether a product's score depends on the others."""
        return listwise.together(self.reranker)

    def among(self, query: str, products: Sequence[Product]) -> Reranker:
        """What scores products one by one as they would stand in this list; it remembers nothing."""
        return listwise.among(self.reranker, query, products)

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32; only those not known are read."""
        keys = [_key(query, product) for product in products]
        if self.together:
            whole = b"".join(keys)
            keys = [blake2b(key + whole, digest_size=16).digest() for key in keys]
        with self._lock:
            known = {key: self._scores[key] for key in keys if key in self._scores}
            for key in known:
                self._scores.move_to_end(key)
            fresh = [i for i, key in enumerate(keys) if key not in known]
            if fresh and self.together:
                fresh = list(range(len(keys)))  # a part of the list would be another list
            self.hits += len(keys) - len(fresh)
            self.misses += len(fresh)
        if fresh:
            scores = self.reranker.score(query, [products[i] for i in fresh])
            with self._lock:
                for i, score in zip(fresh, scores, strict=True):
                    known[keys[i]] = self._scores[keys[i]] = float(score)
                while len(self._scores) > self.size:
                    self._scores.popitem(last=False)
        return np.array([known[key] for key in keys], np.float32)


def _key(query: str, product: Product) -> bytes:
    return blake2b(f"{query}\0{product!r}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
