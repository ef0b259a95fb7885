"""The graphs written node by node, against transformers' BERT and the functions they stand for."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aisle.encoders.embedded import FOLDER, EmbeddedEncoder  # noqa: E402
from aisle.encoders.export import write_encoder  # noqa: E402
from aisle.encoders.graph import BertShape, Real, Whole  # noqa: E402
from aisle.encoders.onnx import OnnxEncoder  # noqa: E402
from aisle.encoders.weights import read_weights  # noqa: E402
from aisle.rerankers.cross_encoder import OnnxCrossEncoder  # noqa: E402
from aisle.rerankers.cross_export import CrossWeights, read_cross_encoder, write_cross_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

TEXTS = ["手机", "小米手机 8+128G 全网通", "wireless mouse", "a", "Sony WH-1000XM5 headphones, black"]


@pytest.fixture(scope="module")
def embedded():
    return read_weights(FOLDER)


@pytest.fixture(scope="module")
def bert():
    """A random BERT with weights large enough that every part tells, and two types of token."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=48,
        attn_implementation="eager",
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(4).add_(torch.randn_like(value) * 0.05)
    return model


def cross_weights(bert, embedded, readings):
    weights = {name: value.numpy() for name, value in bert.state_dict().items()}
    chance = np.random.default_rng(0)
    head = {name: chance.normal(size=1 if name == "late" else 32).astype(np.float32) for name in readings}
    english = {"tokenizer.json": embedded.tokenizers["tokenizer.json"]}
    return CrossWeights(weights, BertShape(32, 4, 2, 1e-12, 48), head, 0.25, english, 4, 20, {})


def reference(bert, readings, ids, start):
    types = torch.tensor([[0] * start + [1] * (len(ids) - start)])
    with torch.no_grad():
        hidden = bert(input_ids=torch.tensor([ids]), token_type_ids=types).last_hidden_state[0].numpy()
    query, text = hidden[:start], hidden[start:]
    units = [part.mean(0) / np.linalg.norm(part.mean(0)) for part in (query, text)]
    cosine = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (query, text)]
    read = {
        "cls": hidden[0],
        "mean": hidden.mean(0),
        "match": units[0] * units[1],
        "late": np.array([(cosine[0] @ cosine[1].T).max(1).mean()]),
    }
    return 0.25 + sum(read[name] @ weight for name, weight in readings.items())


@pytest.mark.parametrize("readings", [("cls",), ("mean",), ("match",), ("late",), ("mean", "match", "late")])
@pytest.mark.parametrize(("arithmetic", "away"), [(Real(), 2e-4), (Whole(), 0.5)])
def test_a_cross_encoder_scores_as_transformers_does(bert, embedded, tmp_path, readings, arithmetic, away):
    weights = cross_weights(bert, embedded, readings)
    write_cross_encoder(weights, tmp_path / "model", arithmetic)
    served = OnnxCrossEncoder(tmp_path / "model", threads=2)
    queries = ["usb mouse", "hammer", "a very long query about garden hoses and pumps", "mouse"]
    texts = ["Logitech wireless mouse", "", "hose " * 40, "usb mouse"]
    tokenizer = served.tokenizer
    pairs = [tokenizer.pair(q, t) for q, t in zip(tokenizer.ids(queries), tokenizer.ids(texts), strict=True)]
    wanted = [reference(bert, weights.readings, pair.ids, pair.start) for pair in pairs]
    assert np.std(wanted) > 0.01, "scores that hardly differ would prove nothing"
    np.testing.assert_allclose(served.score_pairs(queries, texts), wanted, atol=away * np.std(wanted))


@pytest.mark.parametrize("arithmetic", [Real(), Whole()])
def test_a_cross_encoder_read_back_and_written_again_is_the_same_file(bert, embedded, tmp_path, arithmetic):
    first, again = tmp_path / "first", tmp_path / "again"
    write_cross_encoder(cross_weights(bert, embedded, ("mean", "match", "late")), first, arithmetic)
    read = read_cross_encoder(first)
    assert (read.query_tokens, read.max_tokens, read.bias) == (4, 20, 0.25)
    write_cross_encoder(read, again, arithmetic)
    one, other = (OnnxCrossEncoder(folder, threads=1).score_texts("usb mouse", TEXTS) for folder in (first, again))
    np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("small_rows", [False, True])
def test_the_embedded_encoder_in_float32_is_the_trainable_module(embedded, tmp_path, small_rows):
    from aisle.training.relevance.model import TunedEncoder

    details = {"han_offset": embedded.manifest.details["han_offset"]}
    write_encoder(
        embedded.weights,
        embedded.shape,
        embedded.tokenizers,
        tmp_path / "real",
        details,
        embedded.words,
        Real(small_rows),
    )
    served = OnnxEncoder(tmp_path / "real", threads=1)
    ids = EmbeddedEncoder(threads=1).tokenizer(256).ids(TEXTS)
    with torch.no_grad():
        wanted = TunedEncoder(embedded).eval()(ids).numpy()
    np.testing.assert_allclose(served.encode(TEXTS, "query"), wanted, atol=2e-5)
    read = read_weights(tmp_path / "real")
    for name, value in embedded.weights.items():
        np.testing.assert_allclose(read.weights[name], value, atol=1e-6, err_msg=name)
    assert read.shape == embedded.shape
    assert ((tmp_path / "real" / "model.onnx").stat().st_size < 80e6) == small_rows


def test_whole_numbers_are_written_as_the_packaged_file_was(embedded, tmp_path):
    details = {"han_offset": embedded.manifest.details["han_offset"]}
    written = write_encoder(
        embedded.weights, embedded.shape, embedded.tokenizers, tmp_path / "whole", details, embedded.words
    )
    assert written.fingerprint["model.onnx"] == embedded.manifest.fingerprint["model.onnx"]


def test_float32_graphs_have_standard_operators_only(bert, embedded, tmp_path):
    import onnx

    write_cross_encoder(cross_weights(bert, embedded, ("cls", "late")), tmp_path / "model", Real())
    model = onnx.load(tmp_path / "model" / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {""}
