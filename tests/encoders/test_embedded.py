"""The embedded encoder's contract: Chinese and English, unit rows in order, alike in any company, clear errors."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from aisle.encoders.embedded import FOLDER, EmbeddedEncoder
from aisle.encoders.load import load_encoder
from aisle.encoders.onnx import OnnxEncoder
from aisle.errors import ArtifactError
from aisle.types import Encoder

TEXTS = [
    "wireless mouse",
    "",
    "Logitech M185 mouse RF Wireless Optical 1000 DPI Ambidextrous",
    "小米手机 12 Pro",
    "适用iPhone15ProMax手机壳液态硅胶磁吸全包防摔",
    "【現貨】手機殼🔥",
    "😀",
    "toner " * 400,
    "充电器" * 400,
    "ink",
    "笔",
    *(f"product number {number} with {'very ' * (number % 17)}long name" for number in range(40)),
]


FILES = ("model.onnx", "tokenizer.json", "han.json")


@pytest.fixture(scope="module")
def encoder() -> EmbeddedEncoder:
    return EmbeddedEncoder()


@pytest.fixture(scope="module")
def vectors(encoder) -> np.ndarray:
    return encoder.encode(TEXTS, "product")


@pytest.fixture
def copy(tmp_path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "encoder"))


def test_it_is_an_encoder_of_384_dimensions(encoder, vectors):
    assert isinstance(encoder, Encoder)
    assert encoder.dim == 384
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_company_order_kind_or_threads(encoder, vectors):
    alone = np.concatenate([encoder.encode([text], "query") for text in TEXTS])
    np.testing.assert_array_equal(alone, vectors)
    np.testing.assert_array_equal(encoder.encode(TEXTS[::-1], "product")[::-1], vectors)
    np.testing.assert_array_equal(EmbeddedEncoder(threads=3).encode(TEXTS, "product"), vectors)


def test_texts_beyond_one_chunk_keep_their_order(encoder, vectors):
    many = (TEXTS * 30)[:1100]
    found = encoder.encode(many, "product")
    np.testing.assert_array_equal(found, np.tile(vectors, (30, 1))[:1100])


def test_no_texts_give_no_rows(encoder):
    found = encoder.encode([], "query")
    assert found.shape == (0, 384)
    assert found.dtype == np.float32


def test_a_text_is_read_up_to_256_tokens(encoder):
    # [CLS] and [SEP] take two, and "mouse" is one token: words from the 255th on change nothing.
    cut, longer, shorter = encoder.encode(["mouse " * 254, "mouse " * 254 + "sofa " * 2000, "mouse " * 253], "product")
    np.testing.assert_array_equal(cut, longer)
    assert not np.array_equal(cut, shorter)
    assert encoder.count_tokens("mouse " * 254) == encoder.max_tokens == 256
    assert encoder.count_tokens("mouse " * 1000) == 1002


def test_chinese_is_read_as_far(encoder):
    # 手机 is one token too.
    cut, longer, shorter = encoder.encode(["手机" * 254, "手机" * 254 + "沙发" * 2000, "手机" * 253], "product")
    np.testing.assert_array_equal(cut, longer)
    assert not np.array_equal(cut, shorter)
    assert encoder.count_tokens("手机" * 254) == 256
    assert encoder.count_tokens("手机 mouse " * 500) == 1002


def test_meaning_is_closer_than_words(encoder):
    query, same, other = encoder.encode(["notebook computer", "laptop", "notebook paper"], "query")
    assert query @ same > query @ other


def test_a_chinese_word_is_near_its_translation(encoder):
    phone, english, gloves = encoder.encode(["手机", "mobile phone", "手套"], "query")
    assert phone @ english > 0.75
    assert phone @ gloves < 0.45


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [("手機", "手机"), ("紅色手機殼 iPhone", "红色手机壳 iPhone"), ("行動電源", "移动电源")],
)
def test_traditional_has_the_vector_of_simplified(encoder, traditional, simplified):
    one, other = encoder.encode([traditional, simplified], "query")
    np.testing.assert_array_equal(one, other)
    assert encoder.count_tokens(traditional) == encoder.count_tokens(simplified)


@pytest.mark.parametrize("name", ["tokenizer.json", "han.json"])
def test_the_shipped_tokenizers_neither_cut_nor_pad(name):
    tokenizer = Tokenizer.from_file(str(FOLDER / name))
    assert tokenizer.truncation is None
    assert tokenizer.padding is None


def test_the_manifest_says_what_is_shipped():
    from hashlib import sha256

    manifest = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    details = manifest["details"]
    for name in FILES:
        content = (FOLDER / name).read_bytes()
        assert manifest["fingerprint"][name] == sha256(content).hexdigest()
        assert details["sizes"][name] == len(content)
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(["manifest.json", *FILES])
    assert "Apache-2.0" in details["licence"]
    assert details["han_offset"] == Tokenizer.from_file(str(FOLDER / "tokenizer.json")).get_vocab_size()


def test_it_reads_chinese_and_english(encoder):
    assert encoder.scripts == {"Han", "Latin"}


def test_the_model_has_a_row_for_every_piece():
    import onnxruntime

    session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"])
    names = ("tokenizer.json", "han.json")
    rows = sum(Tokenizer.from_file(str(FOLDER / name)).get_vocab_size() for name in names)
    (vector,) = session.run(None, {"input_ids": np.array([[rows - 1]])})[0]
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    with pytest.raises(Exception, match="out of data bounds"):
        session.run(None, {"input_ids": np.array([[rows]])})


def test_a_folder_without_chinese_rows_is_read_as_english(encoder, copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    del manifest["details"]["han_offset"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    english = OnnxEncoder(copy)
    assert english.count_tokens("手机壳") == 5, "[UNK] for each character"
    np.testing.assert_array_equal(english.encode(TEXTS[:3], "query"), encoder.encode(TEXTS[:3], "query"))


@pytest.mark.parametrize("name", FILES)
def test_fingerprint_follows_the_manifest(encoder, copy, name):
    assert OnnxEncoder(copy).fingerprint == encoder.fingerprint
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    manifest["fingerprint"][name] = "another"
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert OnnxEncoder(copy).fingerprint != encoder.fingerprint


def test_the_manifest_may_say_which_scripts_it_reads(copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["details"].pop("scripts", None)
    path.write_text(json.dumps(manifest))
    assert OnnxEncoder(copy).scripts is None
    manifest["details"]["scripts"] = ["Latin", "Han"]
    path.write_text(json.dumps(manifest))
    assert OnnxEncoder(copy).scripts == {"Latin", "Han"}


def test_an_unfinished_folder_is_refused(copy):
    (copy / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"has no manifest\.json"):
        OnnxEncoder(copy)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("shortened", [True, False])
def test_a_shortened_or_missing_file_is_refused(copy, name, shortened):
    if shortened:
        with (copy / name).open("r+b") as file:
            file.truncate(100_000)
    else:
        (copy / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{re.escape(name)}' is missing or incomplete"):
        OnnxEncoder(copy)


def test_a_damaged_model_is_one_clear_error(copy):
    size = (copy / "model.onnx").stat().st_size
    (copy / "model.onnx").write_bytes(b"\0" * size)
    with pytest.raises(ArtifactError, match=r"cannot load .*model\.onnx"):
        OnnxEncoder(copy).encode(["a"], "query")


@pytest.mark.parametrize("name", ["tokenizer.json", "han.json"])
def test_a_damaged_tokenizer_is_one_clear_error(copy, name):
    size = (copy / name).stat().st_size
    (copy / name).write_bytes(b"{" * size)
    with pytest.raises(ArtifactError, match=rf"cannot read .*{re.escape(name)}"):
        OnnxEncoder(copy).count_tokens("a")


def test_half_a_surrogate_pair_is_a_question_mark(encoder):
    broken, plain = encoder.encode(["mouse \ud800", "mouse ?"], "query")
    np.testing.assert_array_equal(broken, plain)
    assert encoder.count_tokens("mouse \ud800") == encoder.count_tokens("mouse ?")
    broken, plain = encoder.encode(["手机\ud800壳", "手机?壳"], "query")
    np.testing.assert_array_equal(broken, plain)


def test_an_exported_folder_loads_by_its_path(copy, vectors):
    found = load_encoder(str(copy))
    assert type(found) is OnnxEncoder
    np.testing.assert_array_equal(found.encode(TEXTS[:3], "product"), vectors[:3])


def test_importing_the_encoder_loads_no_runtime():
    code = "import sys, aisle.encoders.load, aisle.encoders.embedded; aisle.encoders.embedded.EmbeddedEncoder()\n"
    code += "print([name for name in ('onnxruntime', 'tokenizers', 'torch') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
