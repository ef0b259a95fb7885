"""A combination that looks at the list: its sum written out, and what caches, searches and explanations make of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from aisle.artifacts import Manifest, write_manifest
from aisle.cli.rank import scorer_of
from aisle.config import Recipe, SearchSettings
from aisle.encoders.embedded import FOLDER, EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, FingerprintError
from aisle.explain import explain
from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, TextPair
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.cached import CachedReranker
from aisle.rerankers.combination import Combination, CombinationReranker, fingerprint, word_signals
from aisle.rerankers.echoes import Echoes
from aisle.rerankers.head import FORMAT, KIND
from aisle.rerankers.listwise import among, together
from aisle.rerankers.load import load_reranker
from aisle.rerankers.pair_words import word_features
from aisle.rerankers.word_trees import WordTrees
from aisle.types import Product, Reranker, SearchRequest
from tests.rerankers.trees import grown

THINGS = (
    "USB hub",
    "USB cable",
    "wireless mouse",
    "mouse pad",
    "ink cartridge",
    "手机壳",
    "desk lamp",
    "hub for USB C",
)
TITLES = [f"{thing} {colour}" for thing in THINGS for colour in ("black", "red")]
PRODUCTS = [Product(str(number), title) for number, title in enumerate(TITLES)]
WEIGHTS = {"cosine": 1.0, "wording": 0.25, "bm25": 0.125, "trees": 0.5, "neighbours": 0.4}


def write(folder, weights=WEIGHTS):
    folder.mkdir()
    shutil.copytree(FOLDER, folder / "encoder")
    words = WordStatistics.of([product.title for product in PRODUCTS], segment)
    Combination(weights, words).save(folder / "combination.json")
    if "trees" in weights:
        WordTrees(grown()).save(folder)
    write_manifest(folder, Manifest(KIND, FORMAT, fingerprint(folder), {"architecture": "combination"}))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One that no test changes."""
    return write(tmp_path_factory.mktemp("models") / "shop")


@pytest.fixture(scope="module")
def model(folder):
    found = load_reranker(folder)
    assert isinstance(found, CombinationReranker)
    return found


def written_out(model, query, products):
    """Every signal by itself; the neighbours as Rocchio's mean over the ten highest cosines."""
    import lightgbm

    titles = [product.title for product in products]
    encoder = EmbeddedEncoder(threads=1)
    vectors = encoder.encode(titles, "product").astype(np.float64)
    cosine = vectors @ encoder.encode([query], "query")[0]
    first = sorted(range(len(products)), key=lambda row: -cosine[row])[:10]
    mean = sum(vectors[row] for row in first)
    near = vectors @ mean / np.sqrt(mean @ mean)
    words = model.combination.words
    trees = lightgbm.Booster(model_str=grown()).predict(word_features(query, titles, words))
    signals = np.column_stack([cosine, word_signals(words, query, titles), trees, near])
    return signals @ list(WEIGHTS.values())


@pytest.mark.parametrize("query", ["usb hub", "mouse", "手机", "zebra"])
def test_the_score_is_the_sum_written_out(model, query):
    assert isinstance(model, Reranker)
    np.testing.assert_allclose(model.score(query, PRODUCTS), written_out(model, query, PRODUCTS), atol=1e-5)
    some = PRODUCTS[3:6]
    np.testing.assert_allclose(model.score(query, some), written_out(model, query, some), atol=1e-5)
    assert model.score(query, []).shape == (0,)


def test_two_texts_are_no_neighbours_of_each_other(model, tmp_path):
    plain = load_reranker(write(tmp_path / "plain", {name: WEIGHTS[name] for name in list(WEIGHTS)[:4]}))
    assert together(model)
    assert not together(plain)
    pair = [PRODUCTS[0], PRODUCTS[6]]
    one, other = model.score("usb hub", pair) - plain.score("usb hub", pair)
    assert one == pytest.approx(other, abs=1e-6)
    alone = [float(plain.score("usb hub", [product])[0]) for product in PRODUCTS]
    np.testing.assert_allclose(alone, plain.score("usb hub", PRODUCTS), atol=1e-6)


def test_among_a_list_each_is_scored_by_itself(model):
    whole = model.score("usb hub", PRODUCTS)
    each = among(CachedReranker(model), "usb hub", PRODUCTS)
    np.testing.assert_allclose([each.score("usb hub", [one])[0] for one in PRODUCTS], whole, atol=1e-6)
    assert abs(float(model.score("usb hub", PRODUCTS[4:5])[0]) - float(whole[4])) > 0.01, "else this says little"


def test_of_a_list_that_changed_nothing_is_remembered(model):
    cached = CachedReranker(model)
    assert together(cached)
    whole = cached.score("usb", PRODUCTS)
    np.testing.assert_array_equal(cached.score("usb", PRODUCTS), whole)
    assert (cached.hits, cached.misses) == (len(PRODUCTS), len(PRODUCTS))
    some = cached.score("usb", PRODUCTS[:5])
    assert cached.misses == len(PRODUCTS) + 5
    np.testing.assert_array_equal(some, model.score("usb", PRODUCTS[:5]))


def test_a_list_that_is_partly_forgotten_is_scored_whole(model):
    cached = CachedReranker(model, size=12)
    first, other = PRODUCTS[:8], PRODUCTS[8:]
    wanted = cached.score("usb", first)
    cached.score("usb", other)  # forgets some of the first list
    np.testing.assert_array_equal(cached.score("usb", first), wanted)
    np.testing.assert_array_equal(cached.score("usb", first), wanted)
    assert (cached.hits, cached.misses) == (8, 24)


def test_a_search_gives_it_the_whole_list_and_an_explanation_keeps_it(folder, model, tmp_path):
    recipe = Recipe(search=SearchSettings(rerank_depth=12, rerank_slack=1.0))
    SearchEngine.build(PRODUCTS, tmp_path / "index").close()
    with SearchEngine.open(tmp_path / "index", recipe, reranker=load_reranker(folder)) as engine:
        hits = engine.search(SearchRequest("usb hub", k=16)).hits
        read = [hit for hit in hits if "rerank" in hit.parts]
        third = read[2]
        found = explain(engine, SearchRequest("usb hub"), third.product_id)
    assert len(read) == 12 < len(hits)
    scores = model.score("usb hub", [hit.product for hit in read])
    np.testing.assert_allclose([hit.parts["rerank"].score for hit in read], scores, atol=1e-5)
    assert found.words is not None
    assert found.words.model == "reranker"
    assert found.words.score == pytest.approx(third.parts["rerank"].score, abs=1e-5)


def test_trees_are_those_that_it_was_trained_with(tmp_path):
    made = write(tmp_path / "shop")
    (made / "trees.txt").write_text((made / "trees.txt").read_text().replace("leaf_value=", "leaf_value=1", 1))
    with pytest.raises(FingerprintError, match="not those that were trained together"):
        load_reranker(made)
    (made / "trees.txt").unlink()
    with pytest.raises(FingerprintError, match="not those that were trained together"):
        load_reranker(made)
    with pytest.raises(ArtifactError, match=r"trees\.txt.*FileNotFoundError"):
        WordTrees.load(made)
    (made / "trees.txt").write_text("no trees")
    with pytest.raises(ArtifactError, match=r"cannot read .*trees\.txt"):
        WordTrees.load(made)
    (made / "trees.txt").write_text(grown().replace("query_length", "length"))
    with pytest.raises(ArtifactError, match="read other features"):
        WordTrees.load(made)


def test_an_echo_is_read_neither_by_words_nor_by_the_encoder_where_echoes_are_ignored(folder, model, tmp_path):
    other = write(tmp_path / "shop")
    usual = Echoes.of(["garden lamp usb hub", "old lamp usb hub", "garden hose"])
    Combination(WEIGHTS, model.combination.words, echoes=usual).save(other / "combination.json")
    write_manifest(other, Manifest(KIND, FORMAT, fingerprint(other), {"architecture": "combination"}))
    ignoring = load_reranker(other)
    assert isinstance(ignoring, CombinationReranker)
    assert ignoring.combination.echoes == usual
    assert model.combination.echoes is None
    np.testing.assert_array_equal(ignoring.score("usb hub", PRODUCTS), model.score("usb hub", PRODUCTS))
    stuffed, bare = ([*PRODUCTS[:3], Product("x", title)] for title in ("desk chair usb hub", "desk chair"))
    np.testing.assert_array_equal(ignoring.score("usb hub", stuffed), model.score("usb hub", bare))
    beside = ignoring.among("usb hub", stuffed).score("usb hub", stuffed)
    np.testing.assert_array_equal(beside, model.among("usb hub", bare).score("usb hub", bare))
    assert model.score("usb hub", stuffed)[3] > model.score("usb hub", bare)[3] + 0.2
    own = [*PRODUCTS[:3], Product("x", "desk lamp usb hub")]
    np.testing.assert_array_equal(ignoring.score("usb hub", own), model.score("usb hub", own))


def test_echoes_are_of_the_query_as_it_is_read(model, tmp_path):
    other = write(tmp_path / "shop")
    words = model.combination.words
    words = replace(words, carriers={word: 2 * count for word, count in words.carriers.items()})
    Combination(WEIGHTS, words, correct=True, echoes=Echoes({})).save(other / "combination.json")
    write_manifest(other, Manifest(KIND, FORMAT, fingerprint(other), {"architecture": "combination"}))
    both = load_reranker(other)
    word = max((one for one in words.carriers if one.isascii() and one.isalpha()), key=len)
    slip = word[:2] + word[3] + word[2] + word[4:]
    assert slip not in words.carriers
    stuffed, bare = ([Product("x", title), *PRODUCTS[:2]] for title in (f"desk chair {word}", "desk chair"))
    np.testing.assert_array_equal(both.score(slip, stuffed), both.score(word, stuffed))
    np.testing.assert_array_equal(both.score(slip, stuffed), both.score(slip, bare))


def test_weights_of_an_earlier_way_to_ignore_echoes_are_refused(folder, tmp_path):
    data = json.loads((folder / "combination.json").read_text())
    (tmp_path / "combination.json").write_text(json.dumps(data | {"ignore_echo": True}))
    with pytest.raises(ArtifactError, match="an earlier way to ignore echoes"):
        Combination.load(tmp_path / "combination.json")


def test_weights_of_signals_come_back(folder):
    assert Combination.load(folder / "combination.json").weights == WEIGHTS
    assert json.loads((folder / "combination.json").read_text())["weights"] == WEIGHTS


def test_a_pair_is_scored_in_the_list_of_its_query_where_lists_are_given(folder, model):
    items = tuple(TextPair("q", "usb hub", product.id, product.title) for product in PRODUCTS)
    pairs = PairSet(items, None, "rows")
    whole = model.score("usb hub", PRODUCTS)
    scored = scorer_of(str(folder), pairs)
    changed = replace(items[3], title="Garden hose", query_id="q\nanother")
    alone = scored(replace(pairs, items=(items[2], changed)), lambda *_: None)
    assert alone[0] == pytest.approx(whole[2], abs=1e-6)
    wanted = model.among("usb hub", PRODUCTS).score("usb hub", [Product("x", "Garden hose")])
    assert alone[1] == pytest.approx(wanted[0], abs=1e-6)
    without = scorer_of(str(folder))(replace(pairs, items=(items[2],)), lambda *_: None)
    assert abs(without[0] - whole[2]) > 0.01, "by itself it is another list"
