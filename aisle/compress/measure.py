"""What a smaller model's folder is worth beside its original: scores, agreement, quality, size, time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aisle.compress.agreement import agreement, quality
from aisle.compress.material import Material
from aisle.compress.model import folder_bytes
from aisle.compress.timing import TEXTS, Times, in_turns
from aisle.encoders.kept import KeptVectors
from aisle.rerankers.combination import CombinationReranker
from aisle.rerankers.cosine import CosineReranker
from aisle.rerankers.load import load_reranker
from aisle.types import Array, Product, Reranker

_ASKED = 32
"""Queries that are timed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A model beside its original.

    Attributes:
        agreement: With the original's scores.
        quality: nDCG@10 of both and the difference; None where nothing is graded.
        size: Of its files, in bytes.
    """

    agreement: Mapping[str, float]
    quality: Mapping[str, Any] | None
    size: int


def scores(folder: Path, material: Material) -> Array:
    """The served model's score of each pair, ``(pairs,)``."""
    return scored(load_reranker(folder), material)


def scored(model: Reranker, material: Material) -> Array:
    """A model's score of each pair, ``(pairs,)``."""
    found = np.empty(len(material.pairs), np.float32)
    for rows in material.pairs.by_query().values():
        pairs = [material.pairs[row] for row in rows]
        found[rows] = model.score(pairs[0].query, [Product(p.doc_id, p.title, p.description) for p in pairs])
    return found


def beside(material: Material, before: Array, after: Array, folder: Path) -> Row:
    """Compare what both models say of the pairs."""
    groups = material.pairs.by_query()
    return Row(
        agreement(groups, before, after).to_dict(),
        quality(groups, material.pairs.levels(), before, after) if material.pairs.scale is not None else None,
        folder_bytes(folder),
    )


def times(folders: Mapping[str, Path], material: Material, rounds: int, texts: int = TEXTS) -> dict[str, Times]:
    """Milliseconds to re-rank so many of the material's products for one query, no product known from before."""
    queries = [*dict.fromkeys(pair.query for pair in material.pairs)][:_ASKED]
    products = timed_products(material, texts)
    models = {name: without_memory(load_reranker(folder)) for name, folder in folders.items()}
    return in_turns(models, queries, products, rounds)


def timed_products(material: Material, texts: int) -> list[Product]:
    """Products drawn evenly from the pairs, each once."""
    rows = np.random.default_rng(0).permutation(len(material.pairs))
    found: dict[str, Product] = {}
    for row in rows:
        pair = material.pairs[int(row)]
        found.setdefault(f"{pair.title}\0{pair.description}", Product(str(row), pair.title, pair.description))
        if len(found) == texts:
            break
    return list(found.values())


def without_memory(model: Reranker) -> Reranker:
    """The re-ranker made to encode every product at every query."""
    if isinstance(model, CosineReranker | CombinationReranker) and isinstance(model.encoder, KeptVectors):
        model.encoder = model.encoder.encoder
    return model
