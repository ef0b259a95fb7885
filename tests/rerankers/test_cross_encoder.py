"""A small cross-encoder as it is served, without PyTorch, against scores that transformers computed of its weights.

tests/data/cross_encoder holds it twice (2 layers of 16 dimensions, random weights), and the scores.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from aisle.errors import ArtifactError, FingerprintError
from aisle.rerankers.cross_encoder import OnnxCrossEncoder, Pair, joined
from aisle.rerankers.load import load_reranker
from aisle.types import Product

DATA = Path(__file__).parent.parent / "data" / "cross_encoder"
GOLDEN = json.loads((DATA / "scores.json").read_text(encoding="utf-8"))
QUERIES, TEXTS = [row["query"] for row in GOLDEN], [row["text"] for row in GOLDEN]
WANTED = [row["score"] for row in GOLDEN]


@pytest.mark.parametrize(("precision", "away"), [("float32", 1e-4), ("int8", 0.1)])
def test_scores_are_those_of_transformers(precision, away):
    model = OnnxCrossEncoder(DATA / precision, threads=2)
    np.testing.assert_allclose(model.score_pairs(QUERIES, TEXTS), WANTED, atol=away)


def test_query_and_text_are_cut_apart():
    tokenizer = OnnxCrossEncoder(DATA / "int8").tokenizer
    pairs = [tokenizer.pair(*tokenizer.ids([query, text])) for query, text in zip(QUERIES, TEXTS, strict=True)]
    assert [(len(pair), pair.start) for pair in pairs] == [(row["tokens"], row["start"]) for row in GOLDEN]
    # [CLS] 1, [SEP] 2: the query keeps 3 of its 5 tokens, the text 2 of its 4.
    assert joined([1, 11, 12, 13, 14, 15, 2], [1, 21, 22, 23, 24, 2], 3, 8) == Pair([1, 11, 12, 13, 2, 21, 22, 2], 5)
    assert joined([1, 11, 2], [1, 2], 3, 8) == Pair([1, 11, 2, 2], 3)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_score_depends_on_its_pair_alone(threads):
    model = OnnxCrossEncoder(DATA / "int8", threads=threads)
    company = model.score_pairs(QUERIES * 5, TEXTS * 5)
    alone = [OnnxCrossEncoder(DATA / "int8", 1).score_pairs([q], [t])[0] for q, t in zip(QUERIES, TEXTS, strict=True)]
    assert company.tolist() == alone * 5


def test_products_are_read_by_their_titles():
    model = load_reranker(DATA / "int8")
    assert isinstance(model, OnnxCrossEncoder)
    products = [Product(str(row), text, "a description") for row, text in enumerate(TEXTS[:3])]
    assert model.score("usb hub", products).tolist() == model.score_texts("usb hub", TEXTS[:3]).tolist()
    assert model.score("usb hub", []).shape == (0,)
    half = model.score_texts("usb \ud83d", ["hub"])  # half a surrogate pair, as JSON can hold
    assert np.isfinite(half).all()


def test_a_folder_that_is_another_is_refused(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(DATA / "int8", folder)
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(FingerprintError, match="not those it was made with"):
        OnnxCrossEncoder(folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["details"]["architecture"] = "head"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtifactError, match="no complete cross-encoder"):
        OnnxCrossEncoder(folder)
