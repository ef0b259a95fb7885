"""The task-adaptation layer as a re-ranker: the cosine of frozen embeddings, corrected by what judged pairs taught.

Scores pairs of unit vectors, with how much of the query's wording a text has, and knows nothing of how the corrections
were found; ``aisle.training.head`` does. A folder of it holds ``head.npz`` and a manifest with the encoder, the
encoder's fingerprint and how products become text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from aisle.artifacts import MANIFEST, Manifest, read_manifest, write_manifest
from aisle.catalogue.render import Renderer
from aisle.config import RenderSettings
from aisle.encoders.load import EMBEDDED, load_encoder
from aisle.errors import ArtifactError, FingerprintError, InputError
from aisle.language.normalise import normalise
from aisle.rerankers.cosine import product_text
from aisle.types import Array, Encoder, Product

ARCHITECTURE, KIND, FORMAT = "head", "reranker", 1
HEAD_FILE = "head.npz"
CENTRE = 0.5
"""How far the second cosine moves the origin towards the centre."""
ZERO_SHOT_SLOPE = 14.0
"""Logits from the lowest grade to the highest for one unit of cosine, as three shops' judgments have it."""

RUNS = range(2, 9)
"""Lengths, in characters, of the runs by which wording is compared."""

Doubles = NDArray[np.float64]
_WORD = regex.compile(r"\w+")
_BESIDE_CJK = regex.compile(r"(?<=[\p{Han}\p{Hiragana}\p{Katakana}]) | (?=[\p{Han}\p{Hiragana}\p{Katakana}])")


@dataclass(frozen=True)
class TaskHead:
    """``softmax(W [x_q; x_i; |x_q - x_i|; x_q x_i'; wording] + b)`` over unit vectors x_q of a query and x_i of a text.

    The classes are grades on one scale, so one row of weights serves them all: class k has ``place_k`` times it, from
    0 for the lowest grade to 1 for the highest (the adjacent-categories model; Agresti 2010). More correction then
    never means less expected gain, and within a query ``score`` and ``gain`` order alike, whatever the gains are.

    ``score`` is the cosine plus corrections, in units of cosine. Without corrections it is the cosine, bit for bit.

    Attributes:
        grades: ``(levels,)`` ascending.
        gains: ``(levels,)`` what a product of that grade is worth; never falling.
        bias: ``(levels,)`` of the softmax; its first is 0.
        slope: Logits from the lowest grade to the highest for one unit of score; above 0.
        centre_query: ``(dim,)`` mean query.
        centre_text: ``(dim,)`` mean text.
        centred: Weight of the cosine seen from half way to the centres, less the plain one.
        wording: Weight of how much of the query's wording the text has.
        query: ``(dim,)`` weights of x_q: how much queries differ in what they find. Moves probabilities, not ranks.
        text: ``(dim,)`` weights of x_i.
        basis: ``(dim, rank)`` orthonormal directions in which the following two see the vectors.
        distance: ``(rank,)`` weights of ``|x_q - x_i|``.
        bilinear: ``(rank, rank)`` weights of each product of a coordinate of x_q and one of x_i.
    """

    grades: Doubles
    gains: Doubles
    bias: Doubles
    slope: float
    centre_query: Doubles
    centre_text: Doubles
    centred: float
    wording: float
    query: Doubles
    text: Doubles
    basis: Doubles
    distance: Doubles
    bilinear: Doubles

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return len(self.text)

    def score(self, queries: Array, texts: Array, wording: Array | None = None) -> Array:
        """Relevance of each text to the query in the same row, ``(n,)``: a corrected cosine, higher is better.

        Args:
            queries: ``(n, dim)`` unit rows.
            texts: ``(n, dim)`` unit rows.
            wording: ``(n,)`` as the function of this name gives it; a head that gives it no weight needs none.

        Raises:
            InputError: Shapes do not fit this head or each other, or the wording is missing.
        """
        return self._score(*self._doubles(queries, texts, wording)).astype(np.float32)

    def probabilities(self, queries: Array, texts: Array, wording: Array | None = None) -> Doubles:
        """The probability of each grade, ``(n, levels)``; rows sum to 1.

        Raises:
            InputError: As ``score``.
        """
        q, t, words = self._doubles(queries, texts, wording)
        place = (self.grades - self.grades[0]) / (self.grades[-1] - self.grades[0])
        return softmax(np.outer(self.slope * (self._score(q, t, words) + q @ self.query), place) + self.bias)

    def gain(self, queries: Array, texts: Array, wording: Array | None = None) -> Doubles:
        """The expected gain, ``(n,)``: the gains weighted by their probabilities.

        Raises:
            InputError: As ``score``.
        """
        return np.asarray(self.probabilities(queries, texts, wording) @ self.gains)

    def _score(self, q: Doubles, t: Doubles, words: Doubles) -> Doubles:
        cosine = np.einsum("ij,ij->i", q, t)
        low_q, low_t = q @ self.basis, t @ self.basis
        moved = centred_cosine(q, t, self.centre_query, self.centre_text) - cosine
        linear = t @ self.text + np.abs(low_q - low_t) @ self.distance
        products = np.einsum("ij,ij->i", low_q @ self.bilinear, low_t)
        return np.asarray(cosine + (self.centred * moved + self.wording * words + linear + products))

    def _doubles(self, queries: Array, texts: Array, wording: Array | None) -> tuple[Doubles, Doubles, Doubles]:
        q, t = np.asarray(queries, np.float64), np.asarray(texts, np.float64)
        if q.ndim != 2 or q.shape != t.shape or q.shape[1] != self.dim:
            raise InputError(
                f"queries of shape {q.shape} and texts of shape {t.shape}", allowed=f"both (n, {self.dim})"
            )
        if wording is None and self.wording:
            raise InputError("this head was trained with wording, and got none", fix="pass wording(query, texts)")
        words = np.zeros(len(q)) if wording is None else np.asarray(wording, np.float64)
        if words.shape != (len(q),):
            raise InputError(f"wording of shape {words.shape}", allowed=f"({len(q)},), one for each pair")
        return q, t, words

    def save(self, path: Path) -> None:
        """Write the arrays as ``.npz``, without pickle: equal heads give equal bytes."""
        with path.open("wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    @classmethod
    def load(cls, path: Path) -> TaskHead:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The file is missing, damaged or no head.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {field.name: arrays[field.name].astype(np.float64) for field in dataclasses.fields(cls)}
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ArtifactError(f"cannot read the head {str(path)!r}: {error}", fix="train it again") from None
        dim, rank, levels = found["text"].size, found["distance"].size, found["grades"].size
        shapes = {"basis": (dim, rank), "bilinear": (rank, rank), "distance": (rank,)}
        shapes |= dict.fromkeys(("slope", "centred", "wording"), ())
        shapes |= dict.fromkeys(("grades", "gains", "bias"), (levels,))
        shapes |= dict.fromkeys(("text", "query", "centre_query", "centre_text"), (dim,))
        wrong = [name for name, shape in shapes.items() if found[name].shape != shape]
        if wrong or not all(np.isfinite(array).all() for array in found.values()):
            what = f"array {wrong[0]!r} of shape {found[wrong[0]].shape}" if wrong else "numbers that are not finite"
            raise ArtifactError(f"the head {str(path)!r} has {what}", fix="train it again")
        slope, centred, words = (float(found.pop(name)) for name in ("slope", "centred", "wording"))
        return cls(slope=slope, centred=centred, wording=words, **found)


def zero_shot(dim: int, grades: Sequence[float] = (0.0, 1.0), gains: Sequence[float] = (0.0, 1.0)) -> TaskHead:
    """The head that nothing was taught: its score is the cosine.

    Args:
        dim: Length of a vector.
        grades: At least two, ascending.
        gains: As many, never falling.
    """
    scale, worth = np.asarray(grades, np.float64), np.asarray(gains, np.float64)
    place = (scale - scale[0]) / (scale[-1] - scale[0])
    none = np.zeros(dim)
    return TaskHead(
        grades=scale,
        gains=worth,
        bias=-ZERO_SHOT_SLOPE / 2 * place,  # the lowest and the highest grade are equally likely at cosine .5
        slope=ZERO_SHOT_SLOPE,
        centre_query=none,
        centre_text=none,
        centred=0.0,
        wording=0.0,
        query=none,
        text=none,
        basis=np.zeros((dim, 0)),
        distance=np.zeros(0),
        bilinear=np.zeros((0, 0)),
    )


def centred_cosine(q: Doubles, t: Doubles, centre_query: Doubles, centre_text: Doubles) -> Doubles:
    """Cosines ``(n,)`` seen from half way to the centres, which takes out part of what all texts share."""
    q, t = q - CENTRE * centre_query, t - CENTRE * centre_text
    lengths = np.linalg.norm(q, axis=1) * np.linalg.norm(t, axis=1)  # at least 1/4: the rows are unit, centres shorter
    return np.asarray(np.einsum("ij,ij->i", q, t) / lengths)


def softmax(logits: Doubles) -> Doubles:
    """Rows to probabilities."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def wording(query: str, texts: Sequence[str]) -> Array:
    """How much of the query's wording each text has, ``(n,)`` from 0 to 1, whatever the language.

    The share of the query's distinct runs of characters that occur in the text, averaged over runs of 2 to 8. Word
    boundaries count as characters, so that words in the same order share more than the same words apart; case and
    punctuation do not count, and Chinese and Japanese have no boundaries.
    """
    asked = _plain(query)
    runs = _runs(asked)
    return np.array([_shared(asked, runs, _plain(text)) if asked else 0.0 for text in texts], np.float32)


def _runs(asked: str) -> list[tuple[list[str], list[float]]]:
    """For each place of a text the runs that begin there, each longer by one, and what the first n are worth together.

    A run is worth its share of the distinct ones of its length, over the number of lengths; where it stands first.
    """
    count = len(asked)
    sizes = range(min(RUNS.start, count), min(RUNS.stop, count + 1))
    kinds = {size: len({asked[at : at + size] for at in range(count - size + 1)}) for size in sizes}
    seen: set[str] = set()
    found = []
    for at in range(count):
        own = [asked[at : at + size] for size in sizes if at + size <= count]
        worth = [0.0 if run in seen else 1 / kinds[len(run)] / len(sizes) for run in own]
        seen.update(own)
        found.append((own, [0.0, *accumulate(worth)]))
    return found


def _shared(asked: str, runs: Sequence[tuple[Sequence[str], Sequence[float]]], plain: str) -> float:
    """What the runs that are in a text are worth. One place on, at most one character less is found than here."""
    if asked in plain:
        return 1.0
    total, longest = 0.0, 0
    for own, worth in runs:
        longest = max(0, longest - 1)
        while longest < len(own) and own[longest] in plain:
            longest += 1
        total += worth[longest]
    return total


@lru_cache(maxsize=20_000)  # the same products come again and again
def _plain(text: str) -> str:
    """Words in lower case between single blanks, with one before and after; none beside Chinese and Japanese."""
    words = _WORD.findall(normalise(text).casefold())
    return _BESIDE_CJK.sub("", f" {' '.join(words)} ") if words else ""


# --- the re-ranker -----------------------------------------------------------------------------------------


class HeadReranker:
    """A folder of kind "reranker" and architecture "head".

    Args:
        folder: What ``write_head`` wrote.
        encoder: The encoder in use, where the caller has it; else the one that the manifest names is loaded.

    Raises:
        ArtifactError: The folder is missing, incomplete or of another kind, or the encoder cannot be loaded.
        FingerprintError: The encoder is another than the one the head was trained on.
    """

    def __init__(self, folder: Path, encoder: Encoder | None = None) -> None:
        self.folder = folder
        manifest = read_manifest(folder, KIND, FORMAT)
        details = manifest.details
        if details.get("architecture") != ARCHITECTURE or not {"encoder", "render"} <= details.keys():
            raise ArtifactError(f"{str(folder)!r} is no complete {ARCHITECTURE}", fix="train it again")
        path = folder / HEAD_FILE
        if not path.is_file() or _hash(path) != manifest.fingerprint.get("head"):
            raise ArtifactError(f"{str(path)!r} is missing or not the one the manifest names", fix="train it again")
        self.head = TaskHead.load(path)
        self.encoder = encoder if encoder is not None else load_encoder(str(details["encoder"]))
        if self.encoder.fingerprint != manifest.fingerprint.get("encoder"):
            raise FingerprintError(
                f"re-ranker {str(folder)!r} was trained on other vectors than {details['encoder']!r} gives now",
                fix="train the head again, or name the encoder that it was trained on",
            )
        self._render = details["render"]
        self._description = details.get("description")

    @cached_property
    def _renderer(self) -> Renderer:
        settings = RenderSettings(tuple(self._render["fields"]), int(self._render["max_tokens"]))
        return Renderer(settings, self.encoder.count_tokens)

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32, a corrected cosine; higher is better."""
        if not products:
            return np.empty(0, np.float32)
        if self._description is None:
            texts = [self._renderer.text(product) for product in products]
        else:  # trained on pairs, not on a catalogue's rendered products
            texts = [product_text(query, product, self._description) for product in products]
        queries = np.repeat(self.encoder.encode([query], "query"), len(products), axis=0)
        return self.head.score(queries, self.encoder.encode(texts, "product"), wording(query, texts))


def write_head(
    folder: Path,
    head: TaskHead,
    encoder_spec: str,
    encoder: Encoder,
    render: RenderSettings,
    details: Mapping[str, Any],
) -> None:
    """Write a folder that ``HeadReranker`` reads; the manifest comes last.

    Args:
        folder: Made where there is none.
        head: What was trained.
        encoder_spec: What ``load_encoder`` takes; the path of a folder is kept as an absolute one.
        encoder: The encoder itself.
        render: How products became the texts that were encoded.
        details: Anything else worth keeping in the manifest: data, metrics, settings.

    Raises:
        InputError: The head is for vectors of another length than the encoder's.
    """
    if head.dim != encoder.dim:
        raise InputError(f"a head for {head.dim} dimensions, an encoder of {encoder.dim}", fix="train the head again")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    head.save(folder / HEAD_FILE)
    path = Path(encoder_spec).expanduser()
    own = {
        "architecture": ARCHITECTURE,
        "encoder": str(path.resolve()) if encoder_spec != EMBEDDED and path.is_dir() else encoder_spec,
        "render": {"fields": list(render.fields), "max_tokens": render.max_tokens},
    }
    fingerprint = {"encoder": encoder.fingerprint, "head": _hash(folder / HEAD_FILE)}
    write_manifest(folder, Manifest(KIND, FORMAT, fingerprint, {**details, **own}))


def _hash(path: Path) -> str:
    return blake2b(path.read_bytes(), digest_size=16).hexdigest()
