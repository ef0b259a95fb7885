"""From a trained student to the folder of an encoder: rows added up, weights in 8 bits, card and manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aisle.artifacts import Manifest
from aisle.encoders.export import WordsPart, read_shape, write_encoder
from aisle.encoders.tokenise import ENGLISH_FILE, HAN_FILE, BilingualTokenizer
from aisle.errors import ArtifactError
from aisle.training.bilingual.model import WORDS_SHARE, Student
from aisle.training.bilingual.train import CHECKPOINT
from aisle.training.bilingual.vocabulary import Vocabulary

SCRIPTS = ("Han", "Latin")
"""What the encoder reads; digits and punctuation belong to no script."""


def weights(student: Student) -> dict[str, np.ndarray]:
    """The student as a plain BERT: names of transformers, Chinese rows after the English ones."""
    found = {name: value.detach().float().numpy() for name, value in student.bert.state_dict().items()}
    rows = [student.english.weight.detach().numpy(), student.rows()]
    return found | {"embeddings.word_embeddings.weight": np.concatenate(rows).astype(np.float32)}


def average(student: Student, shares: Mapping[Path, float]) -> None:
    """Make the student the weighted mean of the checkpoints in these folders (Wortsman et al. 2022, "Model soups").

    Raises:
        ArtifactError: A folder has no checkpoint.
    """
    states = []
    for folder in shares:
        path = folder / CHECKPOINT
        if not path.is_file():
            raise ArtifactError(f"no checkpoint in {str(folder)!r}", fix="train the stage first")
        states.append(torch.load(path, weights_only=True)["student"])
    total = sum(shares.values())
    mean = {
        name: sum(state[name] * (share / total) for state, share in zip(states, shares.values(), strict=True))
        for name, value in states[-1].items()
        if value.is_floating_point() and all(name in state for state in states)
    }
    student.load_state_dict(mean, strict=False)
    student.eval()


def words_part(student: Student, english_json: str) -> WordsPart:
    """What the graph needs for the part of words; special tokens are none."""
    rarity = student.rarity.numpy().copy()
    gate = (np.arange(len(rarity)) >= student.offset).astype(np.float32)
    ids = json.loads(english_json)["model"]["vocab"]
    rarity[[ids[special] for special in ("[PAD]", "[CLS]", "[SEP]")]] = 0
    return WordsPart(rarity, gate, student.centre.numpy(), WORDS_SHARE**0.5)


def golden(student: Student, tokenizer: BilingualTokenizer, texts: Sequence[str], path: Path) -> None:
    """Write texts with the student's vectors in float, ``(n, dim)``: what the 8-bit file is compared with."""
    with torch.no_grad():
        vectors = np.concatenate([student.joined(student([ids])).numpy() for ids in tokenizer.ids(texts)])
    np.savez_compressed(path, texts=np.array(texts), vectors=vectors.astype(np.float32))


def export(
    student: Student,
    vocabulary: Vocabulary,
    english_json: str,
    source: Path,
    out: Path,
    details: Mapping[str, Any],
) -> Manifest:
    """Write the folder that `aisle.encoders.onnx.OnnxEncoder` reads.

    Args:
        student: After training.
        vocabulary: Its Chinese words.
        english_json: The English tokenizer with the ids that the student has.
        source: The folder of the English model, for its sizes.
        out: The folder to write.
        details: What else the manifest should say: name, licence, data, command.
    """
    tokenizers = {ENGLISH_FILE: english_json, HAN_FILE: vocabulary.tokenizer_json()}
    more = {"han_offset": student.offset, "scripts": list(SCRIPTS), **details}
    return write_encoder(weights(student), read_shape(source), tokenizers, out, more, words_part(student, english_json))
