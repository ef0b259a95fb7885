"""Queries, candidates and teachers' scores of a distillation, on real products. No PyTorch."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import JudgmentError, RecipeError
from aisle.indexes import segment
from aisle.indexes.segment import icu_words
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.judgments.split import query_key
from aisle.language.script import joined
from aisle.ranking.pool_bm25 import PoolBm25
from aisle.training.distil.candidates import Near, lists, write_provenance
from aisle.training.distil.material import Material, distinct, divide, material_of, pair_products
from aisle.training.distil.queries import Asked, HeldOut, made_queries, real_queries
from aisle.training.distil.recipe import DistilRecipe, PairSettings, load_distil_recipe
from aisle.training.distil.teachers import Seen, Teacher, load_teacher, scores, standardised, together
from aisle.types import Product
from tests.llm.conftest import judge, server

__all__ = ["judge", "server"]

TITLES = [
    "Apple MacBook Air 13 inch laptop silver",
    "Lenovo ThinkPad 14 inch laptop black",
    "Apple iPhone 12 smartphone black",
    "Samsung Galaxy S21 smartphone silver",
    "Sony wireless headphones black",
    "Bose wireless headphones silver",
    "Apple wireless keyboard silver",
    "Logitech wireless mouse black",
    "华为 手机 充电器 黑色",
    "小米 手机 充电器 白色",
]
PRODUCTS = [
    Product(f"p{number}", title, brand=title.split()[0], category=("Electronics", title.split()[-2].title()))
    for number, title in enumerate(TITLES)
]


def logged(queries, held=()):
    return real_queries([(query, "log") for query in queries], HeldOut(held))


def made(count=60, held=(), seed=0, phrases=0.3, like=()):
    return made_queries(PRODUCTS, count, phrases, seed, words=icu_words, held=HeldOut(held), like=logged(like))


def test_made_queries_are_words_of_the_product_they_are_from():
    found = made()
    assert {one.kind for one in found} == {"title", "phrase"}
    for one in found:
        product = PRODUCTS[one.place]
        assert product.id == one.source
        said = f"{product.title} {product.brand} {' '.join(product.category)}".lower()
        assert all(word in said for word in icu_words(one.text)), one
    assert len({query_key(one.text) for one in found}) == len(found)


def test_the_same_seed_gives_the_same_queries_and_another_one_others():
    assert made(20) == made(20)
    assert made(20) != made(20, seed=1)


def test_a_held_out_query_never_comes_up_in_any_spelling():
    before = {query_key(one.text) for one in made()}
    held = ["Headphones, WIRELESS", "smartphones", "laptop black"]
    assert query_key("wireless headphones") in before, "the guard would have nothing to do"
    found = {query_key(one.text) for one in made(held=held)}
    assert found
    assert not found & {query_key(query) for query in held}
    assert logged(["wireless  headphone", "usb hub", "hubs (USB)"], held) == [Asked("usb hub", "real", "log")]


def test_made_queries_are_as_long_as_real_ones_and_repeat_none():
    found = made(40, phrases=0, like=["wireless mouse", "apple keyboard"])
    assert max(len(icu_words(one.text)) for one in found) == 2
    assert not {query_key("wireless mouse"), query_key("apple keyboard")} & {query_key(one.text) for one in found}


def test_chinese_words_are_joined_without_blanks():
    assert joined(["华为", "手机", "usb", "线"]) == "华为手机 usb 线"


@pytest.fixture(scope="module")
def near_and_asked():
    encoder = EmbeddedEncoder(1)
    asked = made(12)
    near = Near(encoder.encode(TITLES, "product"), encoder.encode([one.text for one in asked], "query"))
    return near, asked


def test_bm25_against_all_is_bm25_pair_by_pair():
    bm25 = PoolBm25([*TITLES, TITLES[0]], segment=segment)
    queries = ["apple laptop", "手机充电器", "nothing of it"]
    found = bm25.against_all(queries)
    assert found.shape == (3, 11)
    for row, query in enumerate(queries):
        np.testing.assert_allclose(found[row], bm25.score([query] * 11, range(11)), rtol=1e-5)
    assert found[1, 8] > 0
    assert not found[2].any()


def test_every_text_of_a_list_says_what_found_it(near_and_asked):
    near, asked = near_and_asked
    settings = PairSettings(dense=2, words=2, depth=3, chance=1)
    known = {place: [TITLES.index(title)] for place, title in enumerate([TITLES[4]] * len(asked))}
    found = lists(asked, TITLES, known, near, settings, segment=segment)
    assert [one.asked for one in found] == asked
    bm25 = PoolBm25(TITLES, segment=segment).against_all([one.text for one in asked])
    for row, one in enumerate(found):
        assert len(set(one.texts)) == len(one.texts) == len(one.found_by)
        assert (one.texts[0], one.found_by[0]) == (4, "own")
        cosine = near.texts @ near.queries[row]
        for text, name in zip(one.texts, one.found_by, strict=True):
            if name == "dense":
                assert (cosine > cosine[text]).sum() < 3
            if name == "words":
                assert bm25[row, text] > 0
                assert (bm25[row] > bm25[row, text]).sum() < 3
    assert lists(asked, TITLES, known, near, settings, segment=segment) == found


def test_provenance_tells_every_pair_and_equal_pairs_give_equal_bytes(near_and_asked, tmp_path):
    near, asked = near_and_asked
    found = lists(asked, TITLES, {}, near, PairSettings(dense=2, words=2, depth=3, chance=1), segment=segment)
    ids = [product.id for product in PRODUCTS]
    rows = [np.linspace(-1, 1, len(one.texts)) for one in found]
    for name in ("a", "b"):
        write_provenance(tmp_path / name, found, ids, rows)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    lines = [json.loads(line) for line in gzip.decompress((tmp_path / "a").read_bytes()).decode().splitlines()]
    assert len(lines) == len(found)
    assert lines[0]["query"] == asked[0].text
    assert lines[0]["ids"] == [ids[text] for text in found[0].texts]
    assert len(lines[0]["scores"]) == len(lines[0]["found_by"]) == len(lines[0]["ids"])


# --- teachers ----------------------------------------------------------------------------------------------


class StoppedError(Exception):
    """Ctrl-C, as it were."""


class CountedReranker:
    """Cosines of the packaged encoder, counting how often it is asked; stops where it is told to."""

    def __init__(self, stop_at: int = 0) -> None:
        self.teacher = load_teacher("embedded", PRODUCTS, segment).reranker
        self.asked, self.stop_at = 0, stop_at

    def score(self, query, products):
        self.asked += 1
        if self.asked == self.stop_at:
            raise StoppedError("Ctrl-C")
        return self.teacher.score(query, products)


def test_scores_are_kept_on_disk_and_a_break_costs_only_what_was_not_written(near_and_asked, tmp_path, monkeypatch):
    from aisle.training.distil import teachers

    monkeypatch.setattr(teachers, "_EVERY", 3)
    near, asked = near_and_asked
    found = lists(asked, TITLES, {}, near, PairSettings(dense=2, words=2, depth=3, chance=1), segment=segment)
    whole = scores(Teacher("t", CountedReranker(), "1"), found, PRODUCTS, tmp_path / "whole", lambda *_: None)
    with pytest.raises(StoppedError, match="Ctrl-C"):
        scores(Teacher("t", CountedReranker(8), "1"), found, PRODUCTS, tmp_path / "parts", lambda *_: None)
    (file,) = (tmp_path / "parts").iterdir()
    with file.open("a", encoding="utf-8") as cut:
        cut.write('["half a li')  # the machine stopped here
    again = CountedReranker()
    resumed = scores(Teacher("t", again, "1"), found, PRODUCTS, tmp_path / "parts", lambda *_: None)
    assert again.asked == len(found) - 6
    assert all(np.array_equal(one, other) for one, other in zip(whole, resumed, strict=True))
    third = CountedReranker()
    scores(Teacher("t", third, "1"), found, PRODUCTS, tmp_path / "parts", lambda *_: None)
    assert third.asked == 0
    other = CountedReranker()
    scores(Teacher("t", other, "2"), found, PRODUCTS, tmp_path / "parts", lambda *_: None)
    assert other.asked == len(found), "another model of the same name is another teacher"


def test_a_language_model_is_another_teacher_when_it_is_asked_otherwise(near_and_asked, server, tmp_path):
    near, asked = near_and_asked
    found = lists(asked[:2], TITLES, {}, near, PairSettings(dense=2, words=1, depth=2, chance=0), segment=segment)
    examples = tmp_path / "examples.csv"
    examples.write_text("query,title,relevance\nusb hub,Xerox USB HUB,3\nusb hub,shoe,0\n", encoding="utf-8")

    def teacher(kind="pointwise", model="judge", shots=0):
        file = tmp_path / "llm.toml"
        more = f'shots = {shots}\njudgments = "examples.csv"\n' if shots else ""
        llm = f'[llm]\nmodel = "{model}"\nendpoint = "{server.url}"\n'
        file.write_text(f'kind = "{kind}"\n{more}{llm}', encoding="utf-8")
        return load_teacher(str(file), PRODUCTS, segment)

    scores(teacher(), found, PRODUCTS, tmp_path / "scores", lambda *_: None)
    many = len(server.bodies)
    scores(teacher(), found, PRODUCTS, tmp_path / "scores", lambda *_: None)
    assert len(server.bodies) == many > 0
    prints = [teacher().fingerprint, teacher("graded").fingerprint, teacher(model="other").fingerprint]
    prints.append(teacher(shots=1).fingerprint)
    examples.write_text("query,title,relevance\nusb hub,Xerox USB HUB,3\nusb hub,boot,0\n", encoding="utf-8")
    prints.append(teacher(shots=1).fingerprint)
    assert len(set(prints)) == len(prints)
    scores(teacher("graded"), found, PRODUCTS, tmp_path / "scores", lambda *_: None)
    assert len(server.bodies) > many


def test_teachers_together_are_the_mean_of_their_z_scores():
    one, other = np.array([1.0, 2.0, 6.0]), np.array([30.0, 10.0, 20.0])
    # By hand: (1, 2, 6) has mean 3 and variance 14/3; (30, 10, 20) has mean 20 and variance 200/3.
    z = np.array([-2, -1, 3]) / (14 / 3) ** 0.5
    y = np.array([10, -10, 0]) / (200 / 3) ** 0.5
    mean = 3 * z + y
    (found,) = together([[one], [other]], [3.0, 1.0])
    np.testing.assert_allclose(found, mean / mean.std())
    assert found.std() == pytest.approx(1)
    (flat,) = together([[one], [np.array([5.0, 5.0, 5.0])]], [])
    np.testing.assert_allclose(flat, z)
    assert not standardised(np.full(4, 0.3)).any()


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0]])
def test_weights_that_do_not_fit_the_teachers_are_refused(weights):
    with pytest.raises(RecipeError, match="of 2 teachers"):
        together([[np.ones(2)], [np.ones(2)]], weights)


def test_a_teacher_that_gives_no_number_is_named(near_and_asked, tmp_path):
    class Broken:
        def score(self, query, products):
            return np.full(len(products), np.nan, np.float32)

    near, asked = near_and_asked
    found = lists(asked[:1], TITLES, {}, near, PairSettings(), segment=segment)
    with pytest.raises(RecipeError, match="teacher 'broken' gives a text of query"):
        scores(Teacher("broken", Broken(), ""), found, PRODUCTS, tmp_path, lambda *_: None)


def test_bm25_is_a_teacher():
    teacher = load_teacher("bm25", PRODUCTS, segment)
    found = teacher.reranker.score("apple laptop", PRODUCTS[:3])
    expected = PoolBm25(TITLES, segment=segment).score(["apple laptop"] * 3, [0, 1, 2])
    np.testing.assert_allclose(found, expected)


def test_vectors_that_are_there_are_used_for_the_same_encoder_alone():
    encoder = EmbeddedEncoder(1)
    odd = {"query" + "usb hub": np.eye(384, dtype=np.float32)[0]}
    odd |= {"product" + title: np.eye(384, dtype=np.float32)[row] for row, title in enumerate(TITLES)}
    known = load_teacher("embedded", PRODUCTS, segment, Seen(encoder.fingerprint, odd)).reranker
    assert known.score("usb hub", PRODUCTS[:3]).tolist() == [1, 0, 0]
    other = load_teacher("embedded", PRODUCTS, segment, Seen("another", odd)).reranker
    own = encoder.encode(TITLES[:3], "product") @ encoder.encode(["usb hub"], "query")[0]
    np.testing.assert_allclose(other.score("usb hub", PRODUCTS[:3]), own, rtol=1e-5)


# --- material ----------------------------------------------------------------------------------------------


def pairs(count=40) -> PairSet:
    items = [
        TextPair(f"q{q}", f"wish number {'abcdefghij'[q % 10]} {q}", f"d{q}{t}", TITLES[(q + t) % 10], grade=float(t))
        for q in range(count)
        for t in range(3)
    ]
    return PairSet(tuple(items), Scale(0, 2), "file.csv")


def test_judgments_are_divided_by_query_and_the_gates_part_is_held_out():
    found = material_of(pair_products([pairs()]), pairs(), DistilRecipe())
    assert found.judged is not None
    assert found.held is not None
    learnt, held = ({query_key(pair.query) for pair in part} for part in (found.judged, found.held))
    assert not learnt & held
    assert len(learnt | held) == 40
    assert all(pair.query in found.held_out for pair in found.held)
    assert not any(pair.query in found.held_out for pair in found.judged)


def test_named_queries_are_what_the_gate_judges_by():
    judged, held = divide(pairs(), ["Wish 3 number D", "wish number e 4"], 0.2, 0)
    assert sorted({pair.query_id for pair in held}) == ["q3", "q4"]
    assert len(judged) + len(held) == len(pairs())
    with pytest.raises(JudgmentError, match="none of the held-out queries is judged"):
        divide(pairs(), ["something else"], 0.2, 0)


def test_ungraded_pairs_are_no_judgments():
    items = tuple(TextPair(pair.query_id, pair.query, pair.doc_id, pair.title) for pair in pairs())
    found = material_of(pair_products([pairs()]), PairSet(items, None, "log.csv"), DistilRecipe())
    assert found.judged is found.held is None
    assert found.pairs is not None


def test_texts_that_read_alike_count_once():
    products, texts = distinct([Product("a", "Mouse"), Product("b", "Mouse", "red"), Product("c", "Hub")], False)
    assert ([product.id for product in products], texts) == (["a", "c"], ["Mouse", "Hub"])


def test_recipes_round_trip_and_refuse_what_they_do_not_know(tmp_path):
    recipe = load_distil_recipe(None, ["layers=3", "weights=[1.0, 2.0]", "fit.margin=0.5", "pairs.made=10"])
    assert DistilRecipe.from_dict(recipe.to_dict()) == recipe
    assert (recipe.layers, recipe.weights, recipe.fit.margin, recipe.pairs.made) == (3, (1.0, 2.0), 0.5, 10)
    with pytest.raises(RecipeError, match=r"fit\.margins"):
        load_distil_recipe(None, ["fit.margins=1"])
    with pytest.raises(RecipeError, match="nothing is learnt from a teacher"):
        load_distil_recipe(None, ["fit.listwise=0"])
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_distil_recipe(tmp_path / "none.toml")


def test_material_knows_its_held_out_queries_and_forbidden_ones():
    assert "usb hub" in Material([], forbidden=["Hubs, USB"]).held_out
    assert len(Material([]).held_out) == 0
