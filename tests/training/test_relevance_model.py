"""The embedded encoder read back into PyTorch: the same vectors as its file, and the same file again."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aisle.encoders.embedded import FOLDER, EmbeddedEncoder  # noqa: E402
from aisle.encoders.export import write_encoder  # noqa: E402
from aisle.encoders.onnx import OnnxEncoder  # noqa: E402
from aisle.encoders.weights import read_weights  # noqa: E402
from aisle.errors import ArtifactError  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

TEXTS = [
    "手机",
    "小米手机 8+128G 全网通",
    "iPhone 15 手机壳",
    "wireless mouse",
    "a",
    "Sony WH-1000XM5 headphones, black",
    "!",
]


@pytest.fixture(scope="module")
def weights():
    return read_weights(FOLDER)


@pytest.fixture(scope="module")
def model(weights):
    from aisle.training.relevance.model import TunedEncoder

    return TunedEncoder(weights)


def test_sizes_are_those_of_the_model(weights):
    shape = weights.shape
    assert (shape.hidden, shape.heads, shape.layers, shape.max_tokens) == (384, 12, 6, 256)
    assert shape.epsilon == pytest.approx(1e-12)
    assert weights.weights["embeddings.word_embeddings.weight"].shape[0] > 50_000
    assert set(weights.tokenizers) == {"tokenizer.json", "han.json"}
    assert weights.words is not None
    assert weights.words.length == pytest.approx(0.5**0.5)


def test_vectors_are_those_of_the_file(model):
    embedded = EmbeddedEncoder(threads=1)
    ids = embedded.tokenizer(256).ids(TEXTS)
    with torch.no_grad():
        found = model.eval()(ids).numpy()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    cosine = (found * embedded.encode(TEXTS, "query")).sum(1)
    assert cosine.min() > 0.97  # activations are in 8 bits there and in float here
    assert cosine.mean() > 0.985
    one_by_one = np.concatenate([model([text]).detach().numpy() for text in ids])
    np.testing.assert_allclose(one_by_one, found, atol=1e-5, err_msg="padding must not count")


def test_written_again_without_training_it_is_the_same_encoder(weights, model, tmp_path):
    details = {"han_offset": weights.manifest.details["han_offset"]}
    write_encoder(model.weights(), weights.shape, weights.tokenizers, tmp_path / "again", details, weights.words)
    again = OnnxEncoder(tmp_path / "again", threads=1)
    cosine = (again.encode(TEXTS, "query") * EmbeddedEncoder(threads=1).encode(TEXTS, "query")).sum(1)
    np.testing.assert_allclose(cosine, 1, atol=1e-4)


def test_layers_below_learn_more_slowly_and_word_rows_not_at_all(model):
    groups = model.groups(1e-4, 0.01, 0.5)
    rates = sorted({group["lr"] for group in groups})
    assert rates == pytest.approx([1e-4 * 0.5**power for power in (6, 5, 4, 3, 2, 1, 0)])
    grouped = sum(value.numel() for group in groups for value in group["params"])
    assert grouped == sum(value.numel() for value in model.trained().values())
    assert grouped < 12_000_000
    assert "rows" not in model.trained()


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no such folder"):
        read_weights(tmp_path / "none")


def test_tokens_are_the_last_layers_and_the_vectors_the_same_as_without_them(model):
    ids = EmbeddedEncoder(threads=1).tokenizer(256).ids(TEXTS)
    model.eval()
    with torch.no_grad():
        vectors, tokens = model.with_tokens(ids, budget=16)
        np.testing.assert_allclose(vectors.numpy(), model.by_length(ids, 16).numpy(), atol=1e-6)
        assert tokens.shape == (len(TEXTS), max(map(len, ids)), 384)
        for text, row in zip(ids, tokens, strict=True):
            hidden = model.bert(inputs_embeds=model.rows[torch.tensor([text])]).last_hidden_state[0, 1:-1]
            wanted = hidden / hidden.norm(dim=1, keepdim=True)
            np.testing.assert_allclose(row[1 : len(text) - 1].numpy(), wanted.numpy(), atol=1e-5)
            others = [0, *range(len(text) - 1, len(row))]
            assert not row[others].any(), "special tokens and padding count as none"
