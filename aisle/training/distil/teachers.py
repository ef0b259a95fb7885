"""Teachers: what they say of unlabelled pairs, each score kept on disk as soon as it is there.

Knows re-rankers and lists of texts; no student. A teacher is any re-ranker that Aisle loads, or ``bm25``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import MANIFEST
from aisle.encoders.load import EMBEDDED
from aisle.errors import RecipeError
from aisle.ranking.pool_bm25 import PoolBm25, Segmenter
from aisle.rerankers.combination import CombinationReranker
from aisle.rerankers.cosine import CosineReranker
from aisle.rerankers.load import load_reranker
from aisle.rerankers.slow import is_spec
from aisle.training.distil.candidates import Listed
from aisle.types import Array, Encoder, Product, Progress, Reranker

if TYPE_CHECKING:
    from aisle.rerankers.llm.load import LlmReranker

Doubles = NDArray[np.float64]
BM25 = "bm25"
_EVERY = 20
"""Queries between two writes to disk."""
_FLAT = 1e-9


@dataclass(frozen=True, slots=True)
class Teacher:
    """A re-ranker under the name it was asked for by, and what its scores depend on."""

    name: str
    reranker: Reranker
    fingerprint: str


class _Words:
    """BM25 over the texts of a catalogue, as a re-ranker."""

    def __init__(self, products: Sequence[Product], segment: Segmenter) -> None:
        titles = [product.title for product in products]
        self._bm25 = PoolBm25(titles, segment=segment)
        self._place = {title: place for place, title in enumerate(titles)}

    def score(self, query: str, products: Sequence[Product]) -> Array:
        rows = [self._place[product.title] for product in products]
        return self._bm25.score([query] * len(rows), rows)


@dataclass(frozen=True, slots=True)
class Seen:
    """Vectors that are there already: of which encoder, and by kind and text."""

    fingerprint: str
    vectors: Mapping[str, Array]


class _Remembered:
    """An encoder that encodes each text once: the texts of a catalogue stand in many lists."""

    def __init__(self, encoder: Encoder, seen: Seen | None) -> None:
        self._encoder = encoder
        self.dim, self.fingerprint, self.count_tokens = encoder.dim, encoder.fingerprint, encoder.count_tokens
        same = seen is not None and seen.fingerprint == encoder.fingerprint
        self._known: dict[str, Array] = dict(seen.vectors) if seen is not None and same else {}

    def encode(self, texts: Sequence[str], kind: Literal["query", "product"]) -> Array:
        fresh = [text for text in dict.fromkeys(texts) if (kind + text) not in self._known]
        for text, vector in zip(fresh, self._encoder.encode(fresh, kind), strict=True):
            self._known[kind + text] = vector
        return np.stack([self._known[kind + text] for text in texts])


def load_teacher(spec: str, products: Sequence[Product], segment: Segmenter, seen: Seen | None = None) -> Teacher:
    """A teacher by its name.

    Args:
        spec: As ``load_reranker`` takes it, or "bm25".
        products: Of the catalogue.
        segment: What cuts text for BM25.
        seen: Vectors that a teacher with that encoder need not compute again.

    Raises:
        ArtifactError: There is no such model.
        OptionalDependencyError: It needs a package that is missing.
    """
    if spec == BM25:
        texts = blake2b("\0".join(product.title for product in products).encode("utf-8", "surrogatepass"))
        return Teacher(spec, _Words(products, segment), texts.hexdigest()[:32])
    if is_spec(Path(spec).expanduser()):
        from aisle.rerankers.llm.load import load_llm

        asked = load_llm(Path(spec).expanduser())
        return Teacher(spec, asked, _of_llm(asked))
    reranker = load_reranker(spec)
    if isinstance(reranker, CosineReranker | CombinationReranker):
        reranker.encoder = _Remembered(reranker.encoder, seen)
    return Teacher(spec, reranker, _fingerprint(spec))


def _of_llm(reranker: LlmReranker) -> str:
    """How a language model is asked, and what its answers depend on."""
    spec = reranker.spec
    asked = {name: value for name, value in asdict(spec).items() if name not in ("llm", "judgments")}
    examples = blake2b(Path(spec.judgments).read_bytes()).hexdigest()[:32] if spec.shots else ""
    return json.dumps([asked, examples, reranker.client.backend.identity], sort_keys=True, default=str)


def _fingerprint(spec: str) -> str:
    """Of a folder of ours what its manifest says of its parts; of another one names, sizes and times of its files."""
    folder = Path(spec).expanduser()
    if spec == EMBEDDED or not folder.is_dir():
        return spec
    manifest = folder / MANIFEST
    if manifest.is_file():
        return json.dumps(json.loads(manifest.read_text(encoding="utf-8"))["fingerprint"], sort_keys=True)
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return repr([(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files])


class ScoreFile:
    """Scores of lists, a line each, added to and read again: what was scored before a break is not scored anew.

    Args:
        path: The file, made if need be; a last line that a break cut off is dropped.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, list[float]] = {}
        if path.exists():
            whole = path.read_bytes().rpartition(b"\n")[0]
            for line in whole.splitlines():
                key, scores = json.loads(line)
                self._known[key] = scores
            if len(whole) + 1 < path.stat().st_size:
                os.truncate(path, len(whole) + 1 if whole else 0)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: str) -> list[float] | None:
        """The scores kept under a key."""
        return self._known.get(key)

    def add(self, found: Sequence[tuple[str, list[float]]]) -> None:
        """Keep scores and write them through to the disk."""
        self._known.update(found)
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps([key, scores]) + "\n" for key, scores in found)
            file.flush()
            os.fsync(file.fileno())


def scores(
    teacher: Teacher, listed: Sequence[Listed], products: Sequence[Product], cache: Path, progress: Progress
) -> list[Doubles]:
    """What a teacher says of every list's texts, a row for each list.

    Args:
        teacher: Asked only of lists whose scores are not in the cache.
        listed: Queries with the places of their texts in ``products``.
        products: One for each distinct text.
        cache: A folder; scores of each teacher are in a file of their own there.
        progress: Told of the stage ``teacher NAME``.
    """
    cache.mkdir(parents=True, exist_ok=True)
    digest = blake2b(f"{teacher.name}\0{teacher.fingerprint}".encode(), digest_size=8).hexdigest()
    file = ScoreFile(cache / f"scores-{digest}.jsonl")
    found: list[Doubles] = []
    fresh: list[tuple[str, list[float]]] = []
    for done, one in enumerate(listed, start=1):
        asked = [products[text] for text in one.texts]
        key = _key(one.asked.text, asked)
        known = file.get(key)
        if known is None:
            known = [float(score) for score in teacher.reranker.score(one.asked.text, asked)]
            _check(known, teacher.name, one.asked.text)
            fresh.append((key, known))
        found.append(np.array(known, np.float64))
        if len(fresh) >= _EVERY or (fresh and done == len(listed)):
            file.add(fresh)
            fresh = []
        progress(f"teacher {Path(teacher.name).name}", done, len(listed))
    if fresh:
        file.add(fresh)
    return found


def _check(found: Sequence[float], name: str, query: str) -> None:
    if not np.isfinite(found).all():
        raise RecipeError(
            f"the teacher {name!r} gives a text of query {query[:60]!r} a score that is no number",
            fix="see what is wrong with that model",
        )


def _key(query: str, products: Sequence[Product]) -> str:
    content = "\0".join([query, *(f"{product.title}\1{product.description}" for product in products)])
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def together(each: Sequence[Sequence[Doubles]], weights: Sequence[float]) -> list[Doubles]:
    """One row for each list: the weighted mean of the teachers' z-scores over it, itself with mean 0 and deviation 1.

    A teacher that scores a whole list alike says nothing of it; where all do, the row is 0.

    Raises:
        RecipeError: There are more or fewer weights than teachers, or they are all 0.
    """
    if not weights:
        weights = [1.0] * len(each)
    if len(weights) != len(each) or not sum(weights):
        raise RecipeError(
            f"weights {list(weights)} of {len(each)} teachers", allowed="one for each teacher, not all 0, or none"
        )
    return [
        standardised(sum((w * standardised(row) for w, row in zip(weights, rows, strict=True)), np.zeros(len(rows[0]))))
        for rows in zip(*each, strict=True)
    ]


def standardised(row: Doubles) -> Doubles:
    """With mean 0 and standard deviation 1; of equal values zeros."""
    away = row - row.mean()
    spread = away.std()
    return away / spread if spread > _FLAT else np.zeros_like(away)
