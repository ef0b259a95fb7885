"""The cosine of each query with the text beside it. Knows texts and an encoder, not where they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from aisle.types import Array, Progress

Encode = Callable[[Sequence[str], Literal["query", "product"]], Array]
_CHUNK = 256
"""Texts encoded between two steps of the progress, and rows multiplied at a time."""


def cosines(encode: Encode, queries: Sequence[str], texts: Sequence[str], progress: Progress | None = None) -> Array:
    """``(n,)`` float32; each distinct query and each distinct text is encoded once.

    Args:
        encode: An encoder's ``encode``: unit rows.
        queries: ``n`` of them.
        texts: The one beside each query.
        progress: Told of the stages "queries" and "texts".
    """
    left, asked = distinct_vectors(encode, queries, "query", progress)
    right, beside = distinct_vectors(encode, texts, "product", progress)
    found = np.empty(len(queries), np.float32)
    for start in range(0, len(queries), _CHUNK):
        part = slice(start, start + _CHUNK)
        found[part] = np.einsum("ij,ij->i", left[asked[part]], right[beside[part]])
    return found


def distinct_vectors(
    encode: Encode, texts: Sequence[str], kind: Literal["query", "product"], progress: Progress | None = None
) -> tuple[Array, list[int]]:
    """Vectors of the distinct texts, ``(m, dim)``, and which of them each text has; ``progress`` as for `cosines`."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    distinct = list(places)
    parts = []
    for start in range(0, len(distinct), _CHUNK):
        parts.append(encode(distinct[start : start + _CHUNK], kind))
        if progress:
            progress("texts" if kind == "product" else "queries", min(start + _CHUNK, len(distinct)), len(distinct))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32), [places[text] for text in texts]
