"""Layers that stay, trained to say what the whole model says. PyTorch; knows encoders and cross-encoders."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aisle.artifacts import Manifest
from aisle.compress.material import Material
from aisle.compress.model import Served, pair_tokenizer, tokenizer_of
from aisle.compress.recover import EncoderLesson, PairLesson, recover
from aisle.compress.recovery_settings import RecoverySettings
from aisle.encoders.weights import EncoderWeights
from aisle.rerankers.cross_encoder import Pair
from aisle.training.relevance.cross_model import CrossModel
from aisle.training.relevance.model import TunedEncoder

_BESIDE = 1
"""For each pair so many other texts are scored for its query: what is far from it is there to be learnt too."""
Progress = Callable[[int, int, float], None]


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
    folder.mkdir(parents=True, exist_ok=True)
    make = _encoder if whole.cross is None else _cross
    return make(whole, smaller, material, settings, folder, progress)


def fingerprint(whole: Served, material: Material) -> str:
    """A hash of the model and of what is learnt from."""
    digest = blake2b(digest_size=8)
    for name, value in sorted(whole.weights.items()):
        digest.update(name.encode() + np.ascontiguousarray(value).tobytes())
    digest.update(
        repr((whole.tokenizers, material.texts, material.queries, material.learnt)).encode("utf-8", "replace")
    )
    return digest.hexdigest()


def _encoder(
    whole: Served, smaller: Served, material: Material, settings: RecoverySettings, folder: Path, progress: Progress
) -> tuple[Served, dict[str, Any]]:
    texts = [*material.texts, *material.queries]

    def vectors() -> NDArray[np.float32]:
        ids = tokenizer_of(whole, folder / "tokenizer").ids(texts)
        found: NDArray[np.float32] = TunedEncoder(_weights(whole)).vectors(ids)
        return found

    wanted = _kept(folder.with_name(f"teacher-{fingerprint(whole, material)}.npy"), vectors)
    student = TunedEncoder(_weights(smaller))
    lesson = EncoderLesson(student, tokenizer_of(smaller, folder / "tokenizer").ids(texts), wanted)
    how = recover(student, lesson, settings, folder, progress)
    return dataclasses.replace(smaller, weights=student.weights()), {**how.to_dict(), "texts": len(texts)}


def _cross(
    whole: Served, smaller: Served, material: Material, settings: RecoverySettings, folder: Path, progress: Progress
) -> tuple[Served, dict[str, Any]]:
    pairs = _with_others(material)
    assert smaller.cross is not None

    def scores() -> NDArray[np.float32]:
        assert whole.cross is not None
        teacher = dataclasses.replace(whole.cross, weights=_own(whole), shape=whole.shape)
        found: NDArray[np.float32] = CrossModel(teacher).scores(_pair_ids(whole, pairs, folder))
        return found

    wanted = _kept(folder.with_name(f"teacher-{fingerprint(whole, material)}.npy"), scores)
    cross = dataclasses.replace(smaller.cross, weights=_own(smaller), shape=smaller.shape)
    student = CrossModel(cross)
    ids = _pair_ids(smaller, pairs, folder)
    groups: dict[str, list[int]] = {}
    for row, (query, _) in enumerate(pairs):
        groups.setdefault(query, []).append(row)

    def made(rows: Sequence[int]) -> Tensor:
        return student.outputs([ids[row] for row in rows])

    lesson = PairLesson(made, wanted, list(groups.values()))
    how = recover(student, lesson, settings, folder, progress)
    trained = student.weights()
    return (
        dataclasses.replace(smaller, weights=trained.weights, cross=trained),
        {**how.to_dict(), "pairs": len(pairs)},
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
