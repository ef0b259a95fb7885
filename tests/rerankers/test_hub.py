"""A Hugging Face cross-encoder, small and random, from a folder: the scores that transformers itself computes."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import ArtifactError
from aisle.rerankers.load import load_reranker
from aisle.types import Product

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "black",
    "mouse",
    "usb",
    "hub",
    "wireless",
    "with",
    "four",
    "ports",
]
PRODUCTS = [
    Product("1", "Black mouse", "wireless"),
    Product("2", "USB hub", "with four ports"),
    Product("3", "hub"),
]


def write_model(folder, labels):
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, num_labels=labels, initializer_range=1.0,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_it_scores_as_transformers_does(tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = write_model(tmp_path / "ce", 1)
    found = load_reranker(folder).score("usb hub", PRODUCTS)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    texts = [f"{product.title} {product.description}".strip() for product in PRODUCTS]
    with torch.no_grad():
        given = tokenizer(["usb hub"] * 3, texts, padding=True, return_tensors="pt")
        logits = model(**given).logits[:, 0]
    np.testing.assert_allclose(found, torch.sigmoid(logits).numpy(), atol=1e-5)
    assert found.dtype == np.float32
    assert len(set(found.round(6))) == 3
    assert load_reranker(str(folder)).score("usb hub", []).shape == (0,)


def test_a_model_of_several_scores_or_none_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="gives 3 scores a pair"):
        load_reranker(write_model(tmp_path / "three", 3))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match="cannot load the re-ranker"):
        load_reranker(tmp_path / "broken")
