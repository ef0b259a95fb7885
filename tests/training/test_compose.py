"""Pseudo-titles: the same from the same seed, and each says what its query asks for."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from pathlib import Path

import pytest

from aisle.training.bilingual import sources
from aisle.training.bilingual.compose import Composer, Example, fragment, from_titles, translated
from aisle.training.bilingual.sources import Term, Title

DATA = Path(__file__).parents[2] / "data"
TERMS = sources.shop_terms(DATA)
NOUNS = [term for term in TERMS if term.kind == "noun"]
ATTRIBUTES = [term for term in TERMS if term.kind == "attr"]
BRANDS = [term for term in TERMS if term.kind == "brand"]
SLOGANS = [(row["zh"], row["en"]) for row in sources.rows(DATA / "noise.tsv")]


def composer(seed: int) -> Composer:
    return Composer([(term, 1.0) for term in NOUNS], ATTRIBUTES, BRANDS, SLOGANS, seed)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return composer(7).examples(3_000)


def test_the_same_seed_gives_the_same_examples(examples):
    assert composer(7).examples(3_000) == examples
    assert composer(8).examples(3_000) != examples
    assert len(examples) == 3_000


def test_query_and_title_name_the_thing(examples):
    for example in examples:
        noun = NOUNS[example.thing]
        assert example.query.startswith(noun.zh) or example.query.endswith(noun.zh), example
        assert any(name in example.title for name in noun.zh), example
        assert any(name in example.title_en for name in noun.en), example
        assert not example.query_en or any(name in example.query_en for name in noun.en), example


def test_a_title_has_all_that_its_own_query_wants(examples):
    names = {term.en[0]: term.zh for term in [*ATTRIBUTES, *BRANDS]}
    for example in examples:
        assert example.wanted <= example.has
        assert example.satisfied_by(example)
        for quality in example.wanted - names.keys():  # a size, or a made-up brand: it is written as it is
            assert quality in example.query, example
            assert quality in example.title, example
    assert sum(bool(example.wanted) for example in examples) > 1_000


def test_things_come_again_so_that_a_batch_has_hard_negatives(examples):
    again = sum(a.thing == b.thing for a, b in pairwise(examples))
    assert 0.3 < again / len(examples) < 0.4, "with probability .35, and by chance in one of thousands"


def test_titles_have_sizes_and_slogans_and_latin_words_apart(examples):
    words = {zh for zh, _ in SLOGANS}
    assert sum(any(word in example.title for word in words) for example in examples) > 2_000
    assert sum(bool(re.search(r"\d", example.title)) for example in examples) > 1_500
    term = Term("noun", "f", ("USB hub",), ("USB hub",))
    latin = [Term("attr", "f", (name,), (name,)) for name in ("RGB", "Pro")]
    made = Composer([(term, 1.0)], latin, [Term("brand", "f", ("Xiaomi小",), ("Xiaomi",))], SLOGANS[:4], 1)
    for example in made.examples(300):
        for name in ("RGB", "Pro", "USB hub"):
            for found in re.finditer(name, example.title):
                around = example.title[: found.start()][-1:] + example.title[found.end() :][:1]
                assert not re.search(r"[\x21-\x7e]", around), example.title


def test_what_satisfies_a_query():
    def example(thing: int, wanted: str, has: str) -> Example:
        return Example("q", "t", "", "", thing, frozenset(wanted.split()), frozenset(has.split()))

    red = example(1, "red", "red big")
    assert red.satisfied_by(red)
    assert red.satisfied_by(example(1, "", "red"))
    assert not red.satisfied_by(example(1, "red", "big"))
    assert not red.satisfied_by(example(2, "red", "red big"))
    assert example(1, "", "").satisfied_by(example(1, "blue", "blue"))
    assert not example(1, "red big", "red big").satisfied_by(example(1, "", "red"))
    assert not example(-1, "", "").satisfied_by(example(-1, "", "")), "written titles: nothing is known of them"


# --- written titles and pieces of them --------------------------------------------------------------------


def test_a_written_title_goes_with_each_query_and_a_piece_of_itself():
    title = Title("小米无线鼠标静音", ("静音鼠标", "mouse"), "Xiaomi Silent Mouse")
    *queries, piece = from_titles([title], 3)
    assert queries == [
        Example("静音鼠标", "小米无线鼠标静音", "", "Xiaomi Silent Mouse"),
        Example("mouse", "小米无线鼠标静音", "", "Xiaomi Silent Mouse"),
    ]
    assert piece.query in title.zh
    assert (piece.title, piece.title_en, piece.thing) == (title.zh, title.en, -1)
    titles = sources.shop_titles(DATA)
    assert from_titles(titles, 3) == from_titles(titles, 3) != from_titles(titles, 4)


def test_a_piece_of_an_english_title_is_consecutive_words():
    chance = random.Random(1)
    titles = [title.en for title in sources.shop_titles(DATA) if title.en.isascii()]
    for title in titles[:500]:
        words = re.findall(r"[A-Za-z0-9][A-Za-z0-9.\-]*", title)
        piece = fragment(title, chance).split(" ")
        assert 1 <= len(piece) <= 3
        assert any(words[at : at + len(piece)] == piece for at in range(len(words))), (title, piece)


def test_a_piece_of_a_chinese_text_has_two_to_six_characters():
    text = "液态硅胶磁吸全包防摔男女款"
    found = {fragment(text, random.Random(seed)) for seed in range(300)}
    assert all(piece in text for piece in found)
    assert {len(piece) for piece in found} == {2, 3, 4, 5, 6}


def test_a_piece_of_a_text_with_blanks_keeps_its_order():
    text = "红色 液态硅胶磁吸全包防摔 手机壳 M185"
    found = {fragment(text, random.Random(seed)) for seed in range(400)}
    assert {"红色", "手机壳", "M185", "手机壳M185"} <= found
    for piece in found:
        rest = iter(text)
        assert all(c in rest for c in piece), piece
        assert not re.search(r"[\u4e00-\u9fff]{12,}", piece)


@pytest.mark.parametrize("text", ["", "!!", "😀"])
def test_a_text_without_words_is_its_own_piece(text):
    assert fragment(text, random.Random(0)) == text


def test_chinese_after_a_latin_word_is_cut_too():
    text = "适用iPhone15ProMax手机壳液态硅胶磁吸全包防摔苹果新款男女款"
    for seed in range(50):
        assert not re.search(r"[\u4e00-\u9fff]{7,}", fragment(text, random.Random(seed)))


def test_words_of_an_english_title_with_a_sign_keep_their_blanks():
    text = "Intel Core i7 notebook 8 GB black ™"
    for seed in range(50):
        assert fragment(text, random.Random(seed)) in text


# --- English titles with Chinese words --------------------------------------------------------------------

NAMES = {
    "wireless mouse": ["无线鼠标"],
    "mouse": ["鼠标"],
    "mouse pad": ["鼠标垫"],
    "pad": ["垫"],
    "black": ["黑色", "黑"],
    "tv": ["电视"],
}


def titles_of(text: str) -> set[str]:
    return {example.title for seed in range(40) for example in translated([text], NAMES, seed)}


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("Wireless Mouse", {"无线鼠标"}),
        ("wireless mouse pad", {"无线鼠标垫", "无线鼠标 垫"}),
        ("Big Mouse Pad", {"Big鼠标垫", "Big 鼠标垫"}),
        ("mouse pads, large", {"鼠标垫large", "鼠标垫 large"}),
        ("Logitech M185 (Mouse) for Mac OS", {"Logitech M185鼠标for Mac OS", "Logitech M185 鼠标 for Mac OS"}),
        ("Acme Pro Black", {"Acme Pro黑色", "Acme Pro 黑色", "Acme Pro黑", "Acme Pro 黑"}),
        ("Smart TV", set()),  # names of one or two letters mean too many things
        ("Mousetrap", set()),
        ("", set()),
    ],
)
def test_the_longest_known_name_is_put_into_chinese(text, titles):
    assert titles_of(text) == titles


def test_the_english_title_is_the_twin():
    (example,) = translated(["Logitech Wireless Mouse", "nothing known"], NAMES, 3)
    assert example.title_en == "Logitech Wireless Mouse"
    assert example.query in example.title_en
    assert example.query_en == ""
    assert example.thing == -1
    texts = [title.en for title in sources.shop_titles(DATA)]
    assert translated(texts, NAMES, 3) == translated(texts, NAMES, 3) != translated(texts, NAMES, 4)
