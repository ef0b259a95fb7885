"""The layer against sums written out, its folder, and the re-ranker on real products."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from aisle.config import RenderSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import ArtifactError, FingerprintError, InputError
from aisle.rerankers.head import HEAD_FILE, HeadReranker, TaskHead, wording, write_head, zero_shot
from aisle.rerankers.load import load_reranker
from aisle.types import Product, Reranker

RENDER = RenderSettings(("title", "attributes.colour"), 32)
PRODUCTS = (
    Product("1", "Logitech wireless mouse", attributes={"colour": "black"}),
    Product("2", "USB keyboard", brand="Cherry", attributes={"colour": "white"}),
    Product("3", "华为手机 5G"),
)


def unit_rows(count: int, dim: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def a_head(dim: int, seed: int = 0, rank: int = 2) -> TaskHead:
    """One with a number in every place."""
    generator = np.random.default_rng(seed)
    return TaskHead(
        grades=np.array([0.0, 1.0, 3.0]),
        gains=np.array([0.0, 1.0, 7.0]),
        bias=np.array([0.0, 0.5, -1.0]),
        slope=4.0,
        centre_query=generator.normal(size=dim) * 0.1,
        centre_text=generator.normal(size=dim) * 0.1,
        centred=0.3,
        wording=0.2,
        query=generator.normal(size=dim),
        text=generator.normal(size=dim),
        basis=np.linalg.qr(generator.normal(size=(dim, rank)))[0],
        distance=generator.normal(size=rank),
        bilinear=generator.normal(size=(rank, rank)),
    )


@pytest.fixture(scope="module")
def encoder() -> EmbeddedEncoder:
    return EmbeddedEncoder(threads=1)


# --- scores ------------------------------------------------------------------------------------------------


def test_without_corrections_the_score_is_the_cosine_bit_for_bit():
    queries, texts = unit_rows(500, 384, 1), unit_rows(500, 384, 2)
    cosines = np.einsum("ij,ij->i", queries, texts)
    for words in (None, np.ones(500, np.float32)):
        scores = zero_shot(384).score(queries, texts, words)
        assert scores.dtype == np.float32
        np.testing.assert_array_equal(scores, cosines.astype(np.float32))


def test_score_and_probabilities_are_the_sums_written_out():
    head, queries, texts = a_head(6), unit_rows(4, 6, 1), unit_rows(4, 6, 2)
    words = np.array([0.0, 0.25, 0.5, 1.0])
    scores, chances = head.score(queries, texts, words), head.probabilities(queries, texts, words)
    for q, t, word, score, chance in zip(queries, texts, words, scores, chances, strict=True):
        cosine = sum(q[i] * t[i] for i in range(6))
        p, r = q - head.centre_query / 2, t - head.centre_text / 2
        moved = sum(p[i] * r[i] for i in range(6)) / math.sqrt(sum(p**2)) / math.sqrt(sum(r**2))
        expected = cosine + 0.3 * (moved - cosine) + 0.2 * word + sum(t[i] * head.text[i] for i in range(6))
        a, b = ([sum(v[i] * head.basis[i, j] for i in range(6)) for j in range(2)] for v in (q, t))
        for j in range(2):
            expected += abs(a[j] - b[j]) * head.distance[j]
            expected += sum(a[j] * head.bilinear[j, k] * b[k] for k in range(2))
        assert score == pytest.approx(expected, rel=1e-6)
        logit = 4.0 * (expected + sum(q[i] * head.query[i] for i in range(6)))
        powers = [math.exp(place * logit + bias) for place, bias in ((0, 0), (1 / 3, 0.5), (1, -1))]
        assert chance == pytest.approx([power / sum(powers) for power in powers], rel=1e-9)


def test_expected_gain_of_grades_and_of_four_classes_by_hand():
    """Slope 6 and cosine .5 are 3 logits from the lowest grade to the highest, 1 from each of four to the next."""
    vectors = np.array([[1.0, 0.0]]), np.array([[0.5, math.sqrt(0.75)]])
    graded = dataclasses.replace(
        zero_shot(2, (0, 1, 2, 3), (0, 1, 3, 7)), slope=6.0, bias=np.array([0.0, 0.0, math.log(2), 0.0])
    )
    weights = [1.0, math.e, 2 * math.e**2, math.e**3]  # exp(0), exp(1), exp(2 + log 2), exp(3)
    assert graded.probabilities(*vectors)[0] == pytest.approx([weight / sum(weights) for weight in weights])
    expected = (1 * math.e + 3 * 2 * math.e**2 + 7 * math.e**3) / sum(weights)
    assert graded.gain(*vectors)[0] == pytest.approx(expected)
    assert expected == pytest.approx(187.65 / 38.582, abs=1e-3)

    irrelevant_to_exact = dataclasses.replace(
        zero_shot(2, (0, 1, 2, 3), (0.0, 0.01, 0.1, 1.0)), slope=6.0, bias=np.zeros(4)
    )
    weights = [1.0, math.e, math.e**2, math.e**3]
    expected = (0.01 * math.e + 0.1 * math.e**2 + math.e**3) / sum(weights)
    assert irrelevant_to_exact.gain(*vectors)[0] == pytest.approx(expected)
    assert expected == pytest.approx(20.852 / 31.193, abs=1e-4)


@pytest.mark.parametrize("gains", [(0.0, 1.0, 7.0), (0.0, 0.01, 1.0), (0.0, 0.0, 1.0)])
def test_score_and_expected_gain_order_the_texts_of_a_query_alike(gains):
    head = dataclasses.replace(a_head(6), gains=np.array(gains))
    queries, texts, words = np.repeat(unit_rows(1, 6, 1), 200, axis=0), unit_rows(200, 6, 2), np.linspace(0, 1, 200)
    order = np.argsort(head.score(queries, texts, words))
    assert (np.diff(head.gain(queries, texts, words)[order]) > -1e-6).all()


def test_what_does_not_fit_is_an_error():
    head, rows = a_head(6), unit_rows(3, 6, 1)
    with pytest.raises(InputError, match=r"queries of shape \(3, 6\) and texts of shape \(2, 6\)"):
        head.score(rows, rows[:2], np.zeros(3))
    with pytest.raises(InputError, match=r"queries of shape \(3, 5\)"):
        head.score(rows[:, :5], rows[:, :5], np.zeros(3))
    with pytest.raises(InputError, match="trained with wording, and got none"):
        head.score(rows, rows)
    with pytest.raises(InputError, match=r"wording of shape \(2,\)"):
        head.probabilities(rows, rows, np.zeros(2))


# --- wording -----------------------------------------------------------------------------------------------


def test_wording_by_hand():
    """ " ab " has the runs of two " a", "ab", "b "; of three " ab", "ab "; of four " ab ". " abc " has 2, 1, 0."""
    assert wording("ab", ["abc"])[0] == pytest.approx((2 / 3 + 1 / 2 + 0 / 1) / 3)
    assert wording("AB!", ["x (ab) y"])[0] == 1.0
    assert wording("ab", ["cd"])[0] == 0.0


def test_wording_prefers_the_same_words_in_order():
    order, apart, some, none = wording("red wine rack", ["Red Wine Rack, oak", "rack for red wine", "wine", "chair"])
    assert 1.0 == order > apart > some > none


def test_chinese_wording_has_no_word_boundaries():
    assert wording("手机", ["华为手机5G"])[0] == 1.0
    assert wording("苹果手机", ["苹果 手机 壳"])[0] == 1.0
    assert wording("机", ["手机", "电脑"]).tolist() == [1.0, 0.0]


def test_wording_of_nothing_is_zero():
    assert wording("", ["anything", ""]).tolist() == [0.0, 0.0]
    assert wording("?!", ["?!"]).tolist() == [0.0]
    assert wording("mouse", [""]).tolist() == [0.0]
    assert wording("mouse", []).shape == (0,)


# --- on disk -----------------------------------------------------------------------------------------------


def test_a_new_process_gives_the_same_scores(tmp_path, encoder):
    write_head(tmp_path / "head", a_head(384), "embedded", encoder, RENDER, {})
    here = load_reranker(tmp_path / "head")
    assert isinstance(here, HeadReranker)
    assert isinstance(here, Reranker)
    code = (
        "import sys; from pathlib import Path; from aisle.rerankers.load import load_reranker;"
        "from tests.rerankers.test_head import PRODUCTS;"
        "print(load_reranker(Path(sys.argv[1])).score('wireless mouse', PRODUCTS).tobytes().hex())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "head"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert there == here.score("wireless mouse", PRODUCTS).tobytes().hex()


def test_equal_heads_give_equal_bytes_and_come_back_equal(tmp_path):
    for name in "ab":
        a_head(6).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    back = TaskHead.load(tmp_path / "a")
    for field in dataclasses.fields(TaskHead):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(a_head(6), field.name))


def test_the_reranker_scores_the_rendered_text_of_each_product(tmp_path, encoder):
    write_head(tmp_path, a_head(384), "embedded", encoder, RENDER, {"queries": 12})
    found = HeadReranker(tmp_path).score("black mouse", PRODUCTS)
    texts = ["Logitech wireless mouse colour black", "USB keyboard colour white", "华为手机 5G"]
    queries = np.repeat(encoder.encode(["black mouse"], "query"), 3, axis=0)
    expected = a_head(384).score(queries, encoder.encode(texts, "product"), wording("black mouse", texts))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32
    assert HeadReranker(tmp_path).score("black mouse", ()).shape == (0,)


def test_zero_shot_on_disk_ranks_by_cosine(tmp_path, encoder):
    write_head(tmp_path, zero_shot(384), "embedded", encoder, RenderSettings(("title",)), {})
    found = load_reranker(tmp_path).score("手机", PRODUCTS)
    titles = encoder.encode([product.title for product in PRODUCTS], "product").astype(np.float64)
    query = encoder.encode(["手机"], "query").astype(np.float64)[0]
    np.testing.assert_allclose(found, titles @ query, rtol=1e-6)
    assert found.argmax() == 2


def test_the_manifest_says_what_the_folder_is_and_keeps_details(tmp_path, encoder):
    write_head(tmp_path, zero_shot(384), "embedded", encoder, RENDER, {"queries": 12})
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["kind"], manifest["format"]) == ("reranker", 1)
    assert manifest["fingerprint"]["encoder"] == encoder.fingerprint
    assert manifest["details"] == {
        "queries": 12,
        "architecture": "head",
        "encoder": "embedded",
        "render": {"fields": ["title", "attributes.colour"], "max_tokens": 32},
    }


def test_an_encoder_in_a_folder_is_found_from_anywhere(tmp_path, encoder, monkeypatch):
    (tmp_path / "minilm").symlink_to(encoder.folder)
    monkeypatch.chdir(tmp_path)
    write_head(tmp_path / "head", zero_shot(384), "minilm", encoder, RENDER, {})
    monkeypatch.chdir("/")
    assert HeadReranker(tmp_path / "head").encoder.fingerprint == encoder.fingerprint


class OtherEncoder(EmbeddedEncoder):
    @property
    def fingerprint(self) -> str:
        return "another"


def test_another_encoder_is_refused(tmp_path, encoder):
    write_head(tmp_path, zero_shot(384), "embedded", OtherEncoder(), RENDER, {})
    with pytest.raises(FingerprintError, match="other vectors than 'embedded' gives now"):
        load_reranker(tmp_path)
    assert HeadReranker(tmp_path, OtherEncoder()).head.dim == 384
    with pytest.raises(InputError, match="a head for 6 dimensions, an encoder of 384"):
        write_head(tmp_path, zero_shot(6), "embedded", encoder, RENDER, {})


def test_a_folder_without_end_is_refused(tmp_path, encoder):
    with pytest.raises(ArtifactError, match=r"no such re-ranker: .*nowhere' is not a folder"):
        load_reranker(tmp_path / "nowhere")
    write_head(tmp_path, zero_shot(384), "embedded", encoder, RENDER, {})
    manifest = (tmp_path / "manifest.json").read_text(encoding="utf-8")
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="never finished"):
        load_reranker(tmp_path)
    other = manifest.replace('"architecture": "head"', '"architecture": "crystal ball"')
    (tmp_path / "manifest.json").write_text(other, encoding="utf-8")
    with pytest.raises(ArtifactError, match="architecture 'crystal ball'") as caught:
        load_reranker(tmp_path)
    assert "head" in (caught.value.allowed or "")
    (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    whole = (tmp_path / HEAD_FILE).read_bytes()
    for damaged in (whole[:-100], whole.replace(b"slope", b"slopf")):
        (tmp_path / HEAD_FILE).write_bytes(damaged)
        with pytest.raises(ArtifactError, match="is missing or not the one the manifest names"):
            load_reranker(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("bias", np.zeros(2), r"array 'bias' of shape \(2,\)"),
        ("basis", np.zeros((5, 2)), r"array 'basis' of shape \(5, 2\)"),
        ("text", np.full(6, np.nan), "numbers that are not finite"),
        ("slope", np.zeros(3), r"array 'slope' of shape \(3,\)"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(tmp_path, name, value, message):
    dataclasses.replace(a_head(6), **{name: value}).save(tmp_path / "head.npz")
    with pytest.raises(ArtifactError, match=message):
        TaskHead.load(tmp_path / "head.npz")


def test_a_file_with_other_content_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    for path in (tmp_path / "other.npz", tmp_path / "none.npz"):
        with pytest.raises(ArtifactError, match="cannot read the head"):
            TaskHead.load(path)
    (tmp_path / "text.npz").write_text("not an archive", encoding="utf-8")
    with pytest.raises(ArtifactError, match="cannot read the head"):
        TaskHead.load(tmp_path / "text.npz")
    np.savez(tmp_path / "pickle.npz", text=np.array([{}], dtype=object))
    with pytest.raises(ArtifactError, match="cannot read the head"):
        TaskHead.load(tmp_path / "pickle.npz")
