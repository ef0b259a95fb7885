"""A tuned encoder's cosine with what the words and a cross-encoder say beside it, weighed as judgments taught.

Scores a query's texts one by one and knows nothing of how the weights were found; ``aisle.training.combine`` does. A
folder of it holds the encoder's folder, ``combination.json``, perhaps a cross-encoder's folder, and a manifest. `aisle
index --encoder` takes the same folder: it indexes with the encoder inside.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from aisle.artifacts import read_manifest
from aisle.encoders.kept import SIZE, KeptVectors
from aisle.encoders.load import INSIDE
from aisle.encoders.onnx import OnnxEncoder
from aisle.errors import ArtifactError, FingerprintError
from aisle.indexes import segment
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.cosine import product_text
from aisle.rerankers.cross_encoder import OnnxCrossEncoder
from aisle.rerankers.cross_encoder import fingerprint as files_of
from aisle.rerankers.head import FORMAT, KIND, wording
from aisle.rerankers.spelling import Speller
from aisle.types import Array, Encoder, Product

ARCHITECTURE = "combination"
FILE, ENCODER = "combination.json", INSIDE
SIGNALS = ("cosine", "wording", "bm25")
CROSS = "cross"
"""The signal of a cross-encoder, and the folder of one inside; not every combination has it."""


@dataclass(frozen=True)
class Combination:
    """The weights and what the words' signals need.

    Attributes:
        weights: Signal to weight; that of the cosine is 1, so that a score is a cosine with corrections.
        words: How rare words are in the shop that the weights are of.
        description: Whether the description is read beside the title.
        correct: Whether words of a query that the shop lacks are read in the spelling of a near one that it has.
    """

    weights: Mapping[str, float]
    words: WordStatistics
    description: bool = False
    correct: bool = False

    def save(self, path: Path) -> None:
        """Write as JSON: equal combinations give equal bytes."""
        words = {"texts": self.words.texts, "average_length": self.words.average_length}
        data = {
            "weights": dict(self.weights),
            "description": self.description,
            **({"correct": True} if self.correct else {}),
            "words": words | {"carriers": dict(self.words.carriers)},
        }
        path.write_text(json.dumps(data, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Combination:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The file is missing or damaged.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            words = data["words"]
            carriers = {str(token): int(count) for token, count in words["carriers"].items()}
            statistics = WordStatistics(int(words["texts"]), float(words["average_length"]), carriers)
            names = (*SIGNALS, CROSS) if CROSS in data["weights"] else SIGNALS
            weights = {name: float(data["weights"][name]) for name in names}
            if not all(map(math.isfinite, (*weights.values(), statistics.average_length))):
                raise ValueError("a number that is not finite")
            return cls(weights, statistics, bool(data["description"]), bool(data.get("correct", False)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ArtifactError(
                f"cannot read {str(path)!r}: {type(error).__name__} {error}", fix="train it again"
            ) from None


def word_signals(words: WordStatistics, query: str, texts: Sequence[str]) -> Array:
    """What the words of each text say, ``(n, 2)``: `wording`, and BM25 as a share of the query's idf."""
    return np.stack([wording(query, texts), words.bm25(query, texts, segment)], axis=1)


def fingerprint(folder: Path) -> dict[str, str]:
    """What the parts of a combination's folder are."""
    weights = blake2b((folder / FILE).read_bytes(), digest_size=16).hexdigest()
    found = {"encoder": OnnxEncoder(folder / ENCODER).fingerprint, "combination": weights}
    if (folder / CROSS).exists():
        found[CROSS] = blake2b(repr(sorted(files_of(folder / CROSS).items())).encode(), digest_size=16).hexdigest()
    return found


class CombinationReranker:
    """A folder of kind "reranker" and architecture "combination".

    Args:
        folder: What `aisle train` wrote.
        kept: So many vectors of product texts are remembered, the latest.

    Raises:
        ArtifactError: The folder is missing, incomplete or of another kind.
        FingerprintError: Its encoder or its weights are others than those of its manifest.
    """

    def __init__(self, folder: Path, kept: int = SIZE) -> None:
        manifest = read_manifest(folder, KIND, FORMAT)
        if manifest.details.get("architecture") != ARCHITECTURE:
            raise ArtifactError(f"{str(folder)!r} is no complete {ARCHITECTURE}", fix="train it again")
        self.folder = folder
        self.combination = Combination.load(folder / FILE)
        self.encoder: Encoder = KeptVectors(OnnxEncoder(folder / ENCODER), kept)
        if manifest.fingerprint != fingerprint(folder):
            raise FingerprintError(
                f"the parts of {str(folder)!r} are not those that were trained together", fix="train it again"
            )
        words = self.combination.words
        self._speller = Speller(words.carriers) if self.combination.correct else None
        has = CROSS in self.combination.weights
        self.cross = OnnxCrossEncoder(folder / CROSS) if has else None

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32, a cosine with corrections; higher is better."""
        description = self.combination.description
        return self.score_texts(query, [product_text(query, product, description) for product in products])

    def score_texts(self, query: str, texts: Sequence[str]) -> Array:
        """Score texts into ``(n,)`` float32."""
        if not texts:
            return np.empty(0, np.float32)
        asked = self._speller.corrected(query) if self._speller is not None else query
        cosine = self.encoder.encode(texts, "product") @ self.encoder.encode([asked], "query")[0]
        signals = np.column_stack([cosine, word_signals(self.combination.words, asked, texts)])
        weights = [self.combination.weights[name] for name in SIGNALS]
        if self.cross is not None:
            signals = np.column_stack([signals, self.cross.score_texts(query, texts)])
            weights.append(self.combination.weights[CROSS])
        return np.asarray(signals @ np.array(weights), np.float32)
