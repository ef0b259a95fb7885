"""An encoder that remembers the vectors of product texts: products come back under many queries, unchanged.

A text that has changed in anything is encoded anew. Vectors live as long as the object, the latest ``size`` of them.
Queries are not kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from threading import Lock
from typing import Literal

import numpy as np

from aisle.types import Array, Encoder

SIZE = 20_000
"""Vectors kept: 30 MB of 384 dimensions."""


class KeptVectors:
    """Meets ``Encoder``; many threads may use it.

    Args:
        encoder: Must encode a text alike in any company.
        size: Vectors kept, the least recently used are forgotten first.
    """

    def __init__(self, encoder: Encoder, size: int = SIZE) -> None:
        self.encoder = encoder
        self.size = size
        self.hits = self.misses = 0
        self._vectors: OrderedDict[bytes, Array] = OrderedDict()
        self._lock = Lock()

    @property
    def entries(self) -> int:
        """Vectors kept now."""
        return len(self._vectors)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.dim

    @property
    def fingerprint(self) -> str:
        """That of the encoder: its vectors are the same."""
        return self.encoder.fingerprint

    def count_tokens(self, text: str) -> int:
        """As the encoder counts."""
        return self.encoder.count_tokens(text)

    def encode(self, texts: Sequence[str], kind: Literal["query", "product"]) -> Array:
        """Encode texts into ``(n, dim)`` float32 with rows of length 1; only products not known are read."""
        if kind == "query":
            return self.encoder.encode(texts, kind)
        keys = [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        with self._lock:
            known = {key: self._vectors[key] for key in keys if key in self._vectors}
            for key in known:
                self._vectors.move_to_end(key)
            fresh = list({key: row for row, key in enumerate(keys) if key not in known}.values())
            self.hits += len(keys) - len(fresh)
            self.misses += len(fresh)
        if fresh:
            made = self.encoder.encode([texts[row] for row in fresh], kind)
            with self._lock:
                for row, vector in zip(fresh, made, strict=True):
                    known[keys[row]] = self._vectors[keys[row]] = vector.copy()
                while len(self._vectors) > self.size:
                    self._vectors.popitem(last=False)
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, self.dim), np.float32)
