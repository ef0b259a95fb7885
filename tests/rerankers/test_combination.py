"""A combination on disk: its scores are the sums written out, and its folder serves `aisle rank` and indexing alike."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.artifacts import Manifest, write_manifest
from aisle.cli.main import cli
from aisle.encoders.embedded import FOLDER, EmbeddedEncoder
from aisle.encoders.load import load_encoder
from aisle.errors import ArtifactError, FingerprintError
from aisle.indexes import segment
from aisle.judgments import read_run
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import ARCHITECTURE, FILE, Combination, CombinationReranker, fingerprint
from aisle.rerankers.cosine import CosineReranker
from aisle.rerankers.head import FORMAT, KIND, wording
from aisle.rerankers.load import load_reranker
from aisle.types import Product, Reranker

PRODUCTS = (
    Product("1", "Logitech wireless mouse", "A black mouse with a USB receiver."),
    Product("2", "USB keyboard black", brand="Cherry"),
    Product("3", "华为手机 5G"),
    Product("4", "HP toner cartridge, black", "For laser printers."),
)
SHOP = [*(product.title for product in PRODUCTS), "USB hub with USB cable", "mouse pad", "mouse mat black"]
WEIGHTS = {"cosine": 1.0, "wording": 0.25, "bm25": 0.125}
QUERIES = ["black mouse", "usb hub", "手机", "zebra", "", "mouse mouse"]


def write_combination(folder: Path, combination: Combination) -> Path:
    """As training does: encoder, weights and, last, the manifest."""
    folder.mkdir()
    shutil.copytree(FOLDER, folder / "encoder")
    combination.save(folder / "combination.json")
    write_manifest(folder, Manifest(KIND, FORMAT, fingerprint(folder), {"architecture": "combination"}))
    return folder


def words_of_the_shop() -> WordStatistics:
    return WordStatistics.of(SHOP, segment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One that no test changes."""
    return write_combination(tmp_path_factory.mktemp("models") / "shop", Combination(WEIGHTS, words_of_the_shop()))


@pytest.fixture(scope="module")
def encoder() -> EmbeddedEncoder:
    return EmbeddedEncoder(threads=1)


def slow_bm25_share(query: str, text: str) -> float:
    """BM25 of the text over what the query's words are worth, as the formulas are written."""
    documents = [segment.product_tokens(title) for title in SHOP]
    average = sum(map(len, documents)) / len(documents)
    tokens = segment.product_tokens(text)
    counts = Counter(tokens)
    total = found = 0.0
    for token in segment.query_tokens(query):
        carriers = sum(token in document for document in documents)
        idf = math.log(1 + (len(documents) - carriers + 0.5) / (carriers + 0.5))
        total += idf
        found += idf * counts[token] * 2.2 / (counts[token] + 1.2 * (0.25 + 0.75 * len(tokens) / average))
    return found / total if total else 0.0


def expected(encoder, query: str, texts: list[str], weights=WEIGHTS) -> list[float]:
    asked = encoder.encode([query], "query")[0].astype(np.float64)
    scores = []
    for text, vector in zip(texts, encoder.encode(texts, "product").astype(np.float64), strict=True):
        cosine = sum(a * b for a, b in zip(asked, vector, strict=True))
        words = float(wording(query, [text])[0])
        scores.append(cosine + weights["wording"] * words + weights["bm25"] * slow_bm25_share(query, text))
    return scores


# --- scores ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", QUERIES)
def test_the_score_is_the_sum_written_out(folder, encoder, query):
    model = load_reranker(folder)
    assert isinstance(model, CombinationReranker)
    assert isinstance(model, Reranker)
    found = model.score(query, PRODUCTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(encoder, query, [product.title for product in PRODUCTS]), atol=1e-5)


def test_the_words_change_the_order_somewhere(folder, encoder):
    """Else the test above would say little."""
    none = dict.fromkeys(WEIGHTS, 0.0)
    titles = [product.title for product in PRODUCTS]
    corrected = [expected(encoder, query, titles) for query in QUERIES]
    plain = [expected(encoder, query, titles, none) for query in QUERIES]
    assert max(np.abs(np.subtract(corrected, plain)).max(axis=0)) > 0.1


def test_with_a_description_both_are_read(tmp_path, encoder):
    folder = write_combination(tmp_path / "shop", Combination(WEIGHTS, words_of_the_shop(), description=True))
    texts = [f"{product.title} {product.description}".strip() for product in PRODUCTS]
    found = load_reranker(folder).score("black mouse", PRODUCTS)
    np.testing.assert_allclose(found, expected(encoder, "black mouse", texts), atol=1e-5)
    bare = [Product(product.id, product.title) for product in PRODUCTS]
    assert load_reranker(folder).score("black mouse", bare)[0] != found[0]


def test_without_weights_it_is_the_cosine(tmp_path, folder):
    weights = {"cosine": 1.0, "wording": 0.0, "bm25": 0.0}
    plain = write_combination(tmp_path / "plain", Combination(weights, words_of_the_shop()))
    cosines = CosineReranker(folder / "encoder").score("black mouse", PRODUCTS)
    np.testing.assert_allclose(load_reranker(plain).score("black mouse", PRODUCTS), cosines, atol=1e-6)


@pytest.mark.parametrize("query", QUERIES)
def test_scores_depend_neither_on_order_nor_on_company(folder, query):
    model = load_reranker(folder)
    together = model.score(query, PRODUCTS)
    np.testing.assert_allclose(model.score(query, PRODUCTS[::-1])[::-1], together, atol=1e-6)
    alone = [float(model.score(query, [product])[0]) for product in PRODUCTS]
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_nothing_to_score(folder):
    for model in (load_reranker(folder), load_reranker(folder / "encoder")):
        found = model.score("mouse", [])
        assert found.shape == (0,)
        assert found.dtype == np.float32


# --- the folder --------------------------------------------------------------------------------------------


def test_to_an_index_it_is_the_encoder_inside(folder, encoder):
    inside = load_encoder(str(folder))
    assert inside.fingerprint == encoder.fingerprint == load_encoder(str(folder / "encoder")).fingerprint
    np.testing.assert_array_equal(inside.encode(["usb hub"], "query"), encoder.encode(["usb hub"], "query"))


def test_an_encoder_as_a_reranker_gives_cosines(folder, encoder):
    model = load_reranker(folder / "encoder")
    assert isinstance(model, CosineReranker)
    assert isinstance(model, Reranker)
    none = dict.fromkeys(WEIGHTS, 0.0)
    wanted = expected(encoder, "black mouse", [product.title for product in PRODUCTS], none)
    np.testing.assert_allclose(model.score("black mouse", PRODUCTS), wanted, atol=1e-5)


def test_an_encoder_that_was_trained_on_descriptions_reads_them(tmp_path, encoder):
    shutil.copytree(FOLDER, tmp_path / "encoder")
    manifest = json.loads((tmp_path / "encoder" / "manifest.json").read_text(encoding="utf-8"))
    manifest["details"]["recipe"] = {"description": True}
    (tmp_path / "encoder" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    texts = [f"{product.title} {product.description}".strip() for product in PRODUCTS]
    wanted = expected(encoder, "usb", texts, dict.fromkeys(WEIGHTS, 0.0))
    np.testing.assert_allclose(load_reranker(tmp_path / "encoder").score("usb", PRODUCTS), wanted, atol=1e-5)


@pytest.mark.parametrize("description", [False, True])
def test_what_is_saved_comes_back_equal(tmp_path, description):
    made = Combination({"cosine": 1.0, "wording": 1 / 3, "bm25": -2e-7}, words_of_the_shop(), description)
    for name in "ab":
        made.save(tmp_path / name)
    assert Combination.load(tmp_path / "a") == made
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "手机" in (tmp_path / "a").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{", "", "JSONDecodeError"),
        ('"wording": 0.25', '"wordings": 0.25', "KeyError 'wording'"),
        ('"bm25": 0.125', '"bm25": "much"', "ValueError"),
        ('"bm25": 0.125', '"bm25": null', "TypeError"),
        ('"average_length"', '"length"', "KeyError 'average_length'"),
        ('"carriers": {', '"carriers": 3, "other": {', "AttributeError"),
        ('"description": false,', "", "KeyError 'description'"),
    ],
)
def test_damaged_weights_are_refused(tmp_path, old, new, message):
    folder = write_combination(tmp_path / "shop", Combination(WEIGHTS, words_of_the_shop()))
    whole = (folder / FILE).read_text(encoding="utf-8")
    assert whole.count(old) >= 1
    (folder / FILE).write_text(whole.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ArtifactError, match=rf"cannot read .*combination\.json': {message}") as caught:
        load_reranker(folder)
    assert caught.value.fix == "train it again"


def test_incomplete_folders_are_refused(tmp_path):
    folder = write_combination(tmp_path / "shop", Combination(WEIGHTS, words_of_the_shop()))
    (folder / FILE).rename(tmp_path / "kept.json")
    with pytest.raises(ArtifactError, match=r"combination\.json': FileNotFoundError"):
        load_reranker(folder)
    (tmp_path / "kept.json").rename(folder / FILE)
    (folder / "encoder" / "model.onnx").unlink()
    with pytest.raises(ArtifactError, match=r"model\.onnx' is missing or incomplete"):
        load_reranker(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="never finished"):
        load_reranker(folder)


def test_another_architecture_is_refused(folder, tmp_path):
    write_manifest(tmp_path, Manifest(KIND, FORMAT, {}, {"architecture": "head"}))
    with pytest.raises(ArtifactError, match=f"is no complete {ARCHITECTURE}"):
        CombinationReranker(tmp_path)
    with pytest.raises(ArtifactError, match="is of kind 'encoder'"):
        CombinationReranker(folder / "encoder")
    write_manifest(tmp_path, Manifest(KIND, FORMAT, {}, {"architecture": "crystal ball"}))
    with pytest.raises(ArtifactError, match="architecture 'crystal ball'") as caught:
        load_reranker(tmp_path)
    assert caught.value.allowed == "head, combination, cross-encoder"


# --- the command -------------------------------------------------------------------------------------------


def test_the_command_ranks_by_it(folder, tmp_path, encoder):
    lines = ["id,query,title"]
    for query in ("black mouse", "usb hub"):
        lines += [f'{number},{query},"{title}"' for number, title in enumerate(SHOP)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    given = ["rank", "--pairs", tmp_path / "pairs.csv", "--model", folder, "--out", tmp_path / "run.trec"]
    result = CliRunner().invoke(cli, [str(word) for word in given])
    assert result.exit_code == 0, result.output
    run = read_run(tmp_path / "run.trec")
    assert set(run) == {"black_mouse", "usb_hub"}
    for name, hits in run.items():
        scores = dict(enumerate(expected(encoder, name.replace("_", " "), SHOP)))
        assert [int(hit) for hit, _ in hits] == sorted(scores, key=lambda row: -scores[row])
        assert [score for _, score in hits] == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-5)


def test_parts_that_were_not_trained_together_are_refused(tmp_path):
    folder = write_combination(tmp_path / "model", Combination(WEIGHTS, words_of_the_shop()))
    Combination(WEIGHTS | {"bm25": 0.5}, words_of_the_shop()).save(folder / "combination.json")
    with pytest.raises(FingerprintError, match="not those that were trained together"):
        load_reranker(folder)


def test_a_combination_that_corrects_reads_queries_in_the_spelling_of_the_shop(tmp_path):
    words = words_of_the_shop()
    words = WordStatistics(
        words.texts, words.average_length, {word: 2 * count for word, count in words.carriers.items()}
    )
    word = max((word for word in words.carriers if word.isalpha() and len(word) >= 6), key=lambda w: words.carriers[w])
    slip = word[:-2] + word[-1] + word[-2] if word[-1] != word[-2] else word[:-1]
    texts = [f"{word} black", "something else"]
    plain = CombinationReranker(write_combination(tmp_path / "plain", Combination(WEIGHTS, words)))
    correcting = CombinationReranker(
        write_combination(tmp_path / "correcting", Combination(WEIGHTS, words, correct=True))
    )
    assert correcting.combination.correct
    assert not plain.combination.correct
    assert slip not in words.carriers
    np.testing.assert_array_equal(correcting.score_texts(slip, texts), plain.score_texts(word, texts))
    assert not np.array_equal(plain.score_texts(slip, texts), plain.score_texts(word, texts))
