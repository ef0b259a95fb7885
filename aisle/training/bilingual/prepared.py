"""What a run draws from, kept on disk so that an interrupted run need not ask the teacher again. NumPy and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from aisle.training.bilingual.compose import Example
from aisle.training.bilingual.train import Aligned, Corpus, Pairs
from aisle.training.bilingual.vocabulary import Vocabulary

FILE = "prepared"
_ALIGNED = ("names", "sentences", "anchors")
_PAIRS = ("query_vectors", "title_vectors", "keys", "weight", "later_weight")


def save(folder: Path, inputs: str, vocabulary: Vocabulary, first: np.ndarray, corpus: Corpus) -> None:
    """Write everything; the JSON file comes last and says that the rest is whole."""
    arrays: dict[str, Any] = {"first": first}
    texts: dict[str, Any] = {}
    for part in _ALIGNED:
        aligned: Aligned = getattr(corpus, part)
        arrays |= {f"{part}.vectors": aligned.vectors, f"{part}.weight": aligned.weight}
        texts[f"{part}.ids"] = aligned.ids
    arrays |= {f"pairs.{name}": getattr(corpus.pairs, name) for name in _PAIRS}
    texts |= {"pairs.query_ids": corpus.pairs.query_ids, "pairs.title_ids": corpus.pairs.title_ids}
    texts["pairs.examples"] = [
        asdict(example) | {"wanted": sorted(example.wanted), "has": sorted(example.has)}
        for example in corpus.pairs.examples
    ]
    np.savez(folder / f"{FILE}.npz", **arrays)
    about = {"inputs": inputs, "words": vocabulary.words, "scores": vocabulary.scores}
    part_file = folder / f".{FILE}.json.part"
    part_file.write_text(json.dumps(about | texts, ensure_ascii=False), encoding="utf-8")
    part_file.replace(folder / f"{FILE}.json")


def load(folder: Path, inputs: str) -> tuple[Vocabulary, np.ndarray, Corpus] | None:
    """Read what ``save`` wrote for the same inputs; None where there is nothing or it was made from others."""
    path = folder / f"{FILE}.json"
    if not path.exists():
        return None
    texts = json.loads(path.read_text(encoding="utf-8"))
    if texts["inputs"] != inputs:
        return None
    arrays = np.load(folder / f"{FILE}.npz")
    aligned = [Aligned(texts[f"{part}.ids"], arrays[f"{part}.vectors"], arrays[f"{part}.weight"]) for part in _ALIGNED]
    examples = [
        Example(**(row | {"wanted": frozenset(row["wanted"]), "has": frozenset(row["has"])}))
        for row in texts["pairs.examples"]
    ]
    pairs = Pairs(
        examples,
        texts["pairs.query_ids"],
        texts["pairs.title_ids"],
        *(arrays[f"pairs.{name}"] for name in _PAIRS),
    )
    names, sentences, anchors = aligned
    corpus = Corpus(names, sentences, anchors, pairs)
    return Vocabulary(tuple(texts["words"]), tuple(texts["scores"])), arrays["first"], corpus
