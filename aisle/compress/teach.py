"""Layers that stay, trained to say what the whole model says. PyTorch; knows encoders and cross-encoders."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aisle.artifacts import Manifest
from aisle.compress.material import Material
from aisle.compress.model import Served, pair_tokenizer, tokenizer_of
from aisle.compress.recover import EncoderLesson, Lesson, PairLesson, Recovery
from aisle.compress.recovery_settings import RecoverySettings
from aisle.encoders.weights import EncoderWeights
from aisle.rerankers.cross_encoder import Pair
from aisle.rerankers.cross_export import CrossWeights
from aisle.training.relevance.compute import give_back
from aisle.training.relevance.cross_model import CrossModel
from aisle.training.relevance.model import TunedEncoder, seed_everything

_BESIDE = 1
"""For each pair so many other texts are scored for its query: what is far from it is there to be learnt too."""
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True, slots=True)
class Course:
    """A smaller model and what its layers learn from.

    Attributes:
        student: The smaller model.
        lengths: Tokens of each text, or pair, as the student reads it.
        said: What the whole model says of those that are named.
        lesson: Of what was said of all.
        finished: The smaller model with the student's weights.
        learnt_from: "texts" or "pairs".
    """

    student: TunedEncoder | CrossModel
    lengths: Sequence[int]
    said: Callable[[Sequence[int]], NDArray[np.float32]]
    lesson: Callable[[NDArray[np.float32]], Lesson]
    finished: Callable[[], Served]
    learnt_from: str


def taught(
    whole: Served,
    smaller: Served,
    material: Material,
    settings: RecoverySettings,
    folder: Path,
    progress: Progress,
) -> tuple[Served, dict[str, Any]]:
    """Train the smaller model's layers; returns the model with them, and how it went.

    Args:
        whole: The teacher, with all its layers and its own limit of tokens.
        smaller: The student, cut as it will be served.
        material: Its texts, queries and pairs are learnt from; grades are not.
        settings: How.
        folder: Of checkpoints; what the teacher said is kept beside it, for all students.
        progress: Told step, steps and loss.
    """
    seed_everything(settings.seed, settings.threads)
    course = course_of(whole, smaller, material, folder)
    rows = range(len(course.lengths))
    wanted = _kept(folder.with_name(f"teacher-{fingerprint(whole, material)}.npy"), lambda: course.said(rows))
    how = Recovery(course.student, course.lesson(wanted), settings, folder).run(progress)
    give_back()  # what follows, a graph with every activation among its outputs, needs much itself
    return course.finished(), {**how.to_dict(), course.learnt_from: len(rows)}


def course_of(whole: Served, smaller: Served, material: Material, folder: Path) -> Course:
    """What `taught` goes through; nothing is learnt yet."""
    return (_encoder if whole.cross is None else _cross)(whole, smaller, material, folder)


def fingerprint(whole: Served, material: Material) -> str:
    """A hash of the model and of what is learnt from."""
    digest = blake2b(digest_size=8)
    for name, value in sorted(whole.weights.items()):
        digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    digest.update(
        repr((whole.tokenizers, material.texts, material.queries, material.learnt)).encode("utf-8", "replace")
    )
    return digest.hexdigest()


def _encoder(whole: Served, smaller: Served, material: Material, folder: Path) -> Course:
    texts = [*material.texts, *material.queries]
    ids = tokenizer_of(smaller, folder / "tokenizer").ids(texts)
    student = TunedEncoder(_weights(smaller))

    def said(rows: Sequence[int]) -> NDArray[np.float32]:
        read = tokenizer_of(whole, folder / "tokenizer").ids([texts[row] for row in rows])
        found: NDArray[np.float32] = TunedEncoder(_weights(whole)).vectors(read)
        return found

    return Course(
        student,
        [len(text) for text in ids],
        said,
        lambda wanted: EncoderLesson(student, ids, wanted),
        lambda: dataclasses.replace(smaller, weights=student.weights()),
        "texts",
    )


def _cross(whole: Served, smaller: Served, material: Material, folder: Path) -> Course:
    pairs = _with_others(material)
    ids = _pair_ids(smaller, pairs, folder)
    student = CrossModel(_cross_weights(smaller))
    groups: dict[str, list[int]] = {}
    for row, (query, _) in enumerate(pairs):
        groups.setdefault(query, []).append(row)

    def said(rows: Sequence[int]) -> NDArray[np.float32]:
        read = _pair_ids(whole, [pairs[row] for row in rows], folder)
        found: NDArray[np.float32] = CrossModel(_cross_weights(whole)).scores(read)
        return found

    def made(rows: Sequence[int]) -> Tensor:
        return student.outputs([ids[row] for row in rows])

    def finished() -> Served:
        trained = student.weights()
        return dataclasses.replace(smaller, weights=trained.weights, cross=trained)

    return Course(
        student,
        [len(pair) for pair in ids],
        said,
        lambda wanted: PairLesson(made, wanted, list(groups.values())),
        finished,
        "pairs",
    )


def _with_others(material: Material) -> list[tuple[str, str]]:
    """The pairs, and for each of them its query with texts drawn from the whole shop."""
    chance = np.random.default_rng(0)
    drawn = chance.integers(0, len(material.texts), (len(material.learnt), _BESIDE))
    others = [
        (query, material.texts[place]) for (query, _), row in zip(material.learnt, drawn, strict=True) for place in row
    ]
    return list(dict.fromkeys([*material.learnt, *others]))


def _pair_ids(model: Served, pairs: Sequence[tuple[str, str]], folder: Path) -> list[Pair]:
    tokenizer = pair_tokenizer(model, folder / "tokenizer")
    queries = list(dict.fromkeys(query for query, _ in pairs))
    known = dict(zip(queries, tokenizer.ids(queries), strict=True))
    texts = tokenizer.ids([text for _, text in pairs])
    return [tokenizer.pair(known[query], text) for (query, _), text in zip(pairs, texts, strict=True)]


def _weights(model: Served) -> EncoderWeights:
    return EncoderWeights(_own(model), model.shape, dict(model.tokenizers), model.words, Manifest("encoder", 1, {}))


def _cross_weights(model: Served) -> CrossWeights:
    assert model.cross is not None
    return dataclasses.replace(model.cross, weights=_own(model), shape=model.shape)


def _own(model: Served) -> dict[str, NDArray[np.float32]]:
    """Copies of the weights: those of a file that was read may not be written to, which PyTorch wants to."""
    return {name: np.array(value) for name, value in model.weights.items()}


def _kept(path: Path, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """What the teacher said, from the file if it is there."""
    if not path.exists():
        part = path.with_name(f".{path.name}.part.npy")
        np.save(part, make())
        part.replace(path)
    found: NDArray[np.float32] = np.load(path)
    return found
