"""A tuned encoder's cosine with what words, neighbours and a cross-encoder say beside it, weighed as judgments taught.

Scores a query's texts and knows nothing of how the weights were found; ``aisle.training.combine`` does. A folder of it
holds the encoder's folder, ``combination.json``, perhaps trees over words, perhaps a cross-encoder's folder, and a
manifest. `aisle index --encoder` takes the same folder: it indexes with the encoder inside.
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
from aisle.ranking.feature_values import mean_of_first
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers import word_trees
from aisle.rerankers.cosine import product_text
from aisle.rerankers.cross_encoder import OnnxCrossEncoder
from aisle.rerankers.cross_encoder import fingerprint as files_of
from aisle.rerankers.echoes import Echoes
from aisle.rerankers.head import FORMAT, KIND, wording
from aisle.rerankers.spelling import Speller
from aisle.rerankers.word_trees import WordTrees
from aisle.types import Array, Encoder, Product, Reranker

ARCHITECTURE = "combination"
FILE, ENCODER = "combination.json", INSIDE
SIGNALS = ("cosine", "wording", "bm25")
TREES, NEIGHBOURS, CROSS = "trees", "neighbours", "cross"
"""Signals that not every combination has: of trees over words, of the list's best texts, and of a cross-encoder, whose
folder inside has this name too."""
FIRST = 10
"""Texts of a list, those of the highest cosine, whose mean the others are compared with."""


@dataclass(frozen=True)
class Combination:
    """The weights and what the signals of the words need.

    Attributes:
        weights: Signal to weight; that of the cosine is 1, so that a score is a cosine with corrections. Beside
            ``SIGNALS`` it may have ``TREES``, ``NEIGHBOURS`` and ``CROSS``.
        words: How rare words are in the shop that the weights are of.
        description: Whether the description is read beside the title.
        correct: Whether words of a query that the shop lacks are read in the spelling of a near one that it has.
        echoes: What takes queries off the ends of texts before all but a cross-encoder read them; None: nothing.
    """

    weights: Mapping[str, float]
    words: WordStatistics
    description: bool = False
    correct: bool = False
    echoes: Echoes | None = None

    def save(self, path: Path) -> None:
        """Write as JSON: equal combinations give equal bytes."""
        words = {"texts": self.words.texts, "average_length": self.words.average_length}
        data = {
            "weights": dict(self.weights),
            "description": self.description,
            **({"correct": True} if self.correct else {}),
            "words": words | {"carriers": dict(self.words.carriers)},
        }
        if self.echoes is not None:
            follow = {word: sorted(others) for word, others in sorted(self.echoes.follow.items())}
            data["echoes"] = {"follow": follow, "inner": sorted(self.echoes.inner)}
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
            if "ignore_echo" in data:
                raise ValueError("weights of an earlier way to ignore echoes")
            carriers = {str(token): int(count) for token, count in words["carriers"].items()}
            statistics = WordStatistics(int(words["texts"]), float(words["average_length"]), carriers)
            names = (*SIGNALS, *(name for name in (TREES, NEIGHBOURS, CROSS) if name in data["weights"]))
            weights = {name: float(data["weights"][name]) for name in names}
            if not all(map(math.isfinite, (*weights.values(), statistics.average_length))):
                raise ValueError("a number that is not finite")
            echoes = None
            if "echoes" in data:
                follow, inner = data["echoes"]["follow"], data["echoes"]["inner"]
                known = {str(word): frozenset(map(str, others)) for word, others in follow.items()}
                echoes = Echoes(known, frozenset(map(str, inner)))
            return cls(weights, statistics, bool(data["description"]), bool(data.get("correct", False)), echoes)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ArtifactError(
                f"cannot read {str(path)!r}: {type(error).__name__} {error}", fix="train it again"
            ) from None


def word_signals(words: WordStatistics, query: str, texts: Sequence[str]) -> Array:
    """What the words of each text say, ``(n, 2)``: `wording`, and BM25 as a share of the query's idf."""
    return np.stack([wording(query, texts), words.bm25(query, texts, segment)], axis=1)


def mean_of_neighbours(cosine: Array, vectors: Array) -> Array:
    """The mean of those of a list's texts that have the highest cosines, ``(dim,)`` of length 1, or zeros.

    How near a text is to it is the signal ``NEIGHBOURS``: feedback as Rocchio's (1971) with the first ``FIRST`` texts
    taken as relevant. Two texts say nothing of each other: both are equally far from their mean.
    """
    found = mean_of_first(cosine.astype(np.float64), vectors, FIRST)
    return np.zeros(vectors.shape[1], np.float32) if found is None else found.astype(np.float32)


def fingerprint(folder: Path) -> dict[str, str]:
    """What the parts of a combination's folder are."""
    weights = blake2b((folder / FILE).read_bytes(), digest_size=16).hexdigest()
    found = {"encoder": OnnxEncoder(folder / ENCODER).fingerprint, "combination": weights}
    if (folder / word_trees.FILE).exists():
        found[TREES] = blake2b((folder / word_trees.FILE).read_bytes(), digest_size=16).hexdigest()
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
        words, weights = self.combination.words, self.combination.weights
        self._speller = Speller(words.carriers) if self.combination.correct else None
        self._trees = WordTrees.load(folder) if TREES in weights else None
        self.cross = OnnxCrossEncoder(folder / CROSS) if CROSS in weights else None

    @property
    def together(self) -> bool:
        """Whether a text's score depends on the others of its list."""
        return self.combination.weights.get(NEIGHBOURS, 0.0) != 0

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32, a cosine with corrections; higher is better."""
        return self.score_texts(query, self._texts(query, products))

    def score_texts(self, query: str, texts: Sequence[str]) -> Array:
        """Score texts into ``(n,)`` float32."""
        found = self._encoded(query, texts)
        near = found.vectors @ mean_of_neighbours(found.cosine, found.vectors) if self.together else None
        return self._score(query, texts, found, near)

    def among(self, query: str, products: Sequence[Product]) -> Reranker:
        """The same re-ranker for products that stand, one by one, in a list that stays as it is.

        Args:
            query: Whose list it is.
            products: The list.
        """
        found = self._encoded(query, self._texts(query, products))
        return _Among(self, mean_of_neighbours(found.cosine, found.vectors))

    def score_beside(self, query: str, products: Sequence[Product], mean: Array) -> Array:
        """Score products into ``(n,)`` float32, the mean of their neighbours being this one, ``(dim,)``."""
        texts = self._texts(query, products)
        found = self._encoded(query, texts)
        return self._score(query, texts, found, found.vectors @ mean if self.together else None)

    def _texts(self, query: str, products: Sequence[Product]) -> list[str]:
        return [product_text(query, product, self.combination.description) for product in products]

    def _encoded(self, query: str, texts: Sequence[str]) -> _Encoded:
        """A query and texts as all but a cross-encoder read them, with vectors."""
        asked = self._speller.corrected(query) if self._speller is not None else query
        if not texts:
            return _Encoded(asked, [], np.empty(0, np.float32), np.empty((0, self.encoder.dim), np.float32))
        echoes = self.combination.echoes
        read = texts if echoes is None else [echoes.without(asked, text) for text in texts]
        vectors = self.encoder.encode(read, "product")
        return _Encoded(asked, read, np.asarray(vectors @ self.encoder.encode([asked], "query")[0]), vectors)

    def _score(self, query: str, texts: Sequence[str], found: _Encoded, near: Array | None) -> Array:
        """``near``: of the neighbours; None where they do not count."""
        if not texts:
            return np.empty(0, np.float32)
        asked, read, words, weights = found.asked, found.read, self.combination.words, self.combination.weights
        signals = dict(zip(SIGNALS, (found.cosine, *word_signals(words, asked, read).T), strict=True))
        if self._trees is not None:
            signals[TREES] = self._trees.score(asked, read, words).astype(np.float32)
        if near is not None:
            signals[NEIGHBOURS] = near
        if self.cross is not None:
            signals[CROSS] = self.cross.score_texts(query, texts)
        return np.asarray(np.column_stack([*signals.values()]) @ [weights[name] for name in signals], np.float32)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A query and ``n`` texts as they are read, the cosines ``(n,)`` and the texts' vectors ``(n, dim)``."""

    asked: str
    read: Sequence[str]
    cosine: Array
    vectors: Array


@dataclass(frozen=True, slots=True)
class _Among:
    """Meets ``Reranker``: a product's score where the list's best texts have this mean."""

    reranker: CombinationReranker
    mean: Array

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32; each as if it were alone in coming to that list."""
        return self.reranker.score_beside(query, products, self.mean)
