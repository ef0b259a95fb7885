"""Judged pairs of CrowdFlower and of 600 queries of Home Depot with their signals; vectors are kept in a folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.improve.hygiene.signals import Signals, signals
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.types import Array

QUERIES = 600
"""Of Home Depot, with five pairs or more: the smallest hashes, as in benchmarks/few_shot.py."""


def shop(data: Path, name: str) -> PairSet:
    pairs = read_pairs(data / name / "pairs.csv", need_grades=True)
    if name != "homedepot":
        return pairs
    counts = Counter(pair.query for pair in pairs)
    kept = set(sorted((text for text in counts if counts[text] >= 5), key=hashed)[:QUERIES])
    return pairs.subset([row for row, pair in enumerate(pairs) if pair.query in kept])


def signals_of(pairs: PairSet, cache: Path) -> Signals:
    return signals(pairs, Kept(cache).encode)


class Kept:
    """The embedded encoder, its vectors in a folder."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.encoder = cache, EmbeddedEncoder(1)

    def encode(self, texts: Sequence[str], kind: Literal["query", "product"]) -> Array:
        self.cache.mkdir(parents=True, exist_ok=True)
        file = self.cache / f"{hashed(self.encoder.fingerprint + kind + repr(list(texts)))}.npy"
        if not file.exists():
            np.save(file, self.encoder.encode(texts, kind))
        found: Array = np.load(file, allow_pickle=False)
        return found


def hashed(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
