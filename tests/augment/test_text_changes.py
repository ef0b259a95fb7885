"""Changes of text against an edit distance of another library, hand-written words and what must not move."""

from __future__ import annotations

import re
from collections import Counter
from random import Random

import pytest
from rapidfuzz.distance import OSA

from aisle.augment.text import typos
from aisle.augment.text.brands import BrandDropped, Brands, BrandSwapped
from aisle.augment.text.clutter import Stuffed
from aisle.augment.text.table import CHANGES

QUERIES = (
    "wireless mouse for mac",
    "cuisinart coffee maker 12 cup",
    "screen protector samsung galaxy s4",
    "men's running shoes",
    "usb to hdmi adapter",
    "philips hue",
)
TITLE = "Sony PlayStation 4 Console, 500 GB, with DualShock Wireless Controller - Jet Black (CUH-1115A)"
SLIPS = ("adjacent-key", "transposed", "missing-letter", "doubled-letter", "typos")


def changed(name: str, text: str, draws: int = 60) -> set[str]:
    found = (CHANGES[name].apply(text, Random(seed)) for seed in range(draws))
    return {text for text in found if text is not None}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_the_same_seed_gives_the_same_text_and_never_the_text_itself(name):
    for text in (*QUERIES, TITLE, "无线鼠标 充电", "3 4", "", "  "):
        for seed in range(5):
            found = CHANGES[name].apply(text, Random(seed))
            assert found == CHANGES[name].apply(text, Random(seed))
            assert found is None or (found != text and found.strip())


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_one_edit_in_one_spelled_word(name):
    for text in (*QUERIES, TITLE):
        for found in changed(name, text):
            assert OSA.distance(text, found) == 1, (text, found)  # optimal string alignment counts a swap as one
            (before, after), *more = [
                (one, other) for one, other in zip(text.split(), found.split(), strict=True) if one != other
            ]
            assert not more
            assert before[0] == after[0] or name == "doubled-letter" or not before[0].isalpha()
            assert not any(letter.isdigit() for letter in before), "codes and sizes stay"


def test_each_slip_does_what_its_name_says():
    assert changed("missing-letter", "mouse") == {"muse", "mose", "moue", "mous"}
    assert changed("doubled-letter", "mouse") == {"mmouse", "moouse", "mouuse", "mousse", "mousee"}
    assert changed("transposed", "mouse") == {"muose", "mosue", "moues"}
    beside = {"i", "p", "l"}  # of o on an English keyboard; l is right below it
    found = changed("adjacent-key", "mouse", 400)
    assert {text[1] for text in found if text[2:] == "use"} == beside
    assert changed("missing-letter", "tv mouse lamp") >= {"tv muse lamp", "tv mouse lmp"}, (
        "any word that is long enough"
    )
    assert changed("missing-letter", "tv lcd") == set(), "words of three letters are too short to be recognised"


def test_neighbours_on_the_keyboard_are_mutual():
    assert sorted(typos.KEYS["g"]) == sorted("fhtvb")
    assert all(one in typos.KEYS[other] for one, others in typos.KEYS.items() for other in others)


def test_spelling_by_ear():
    assert "filips hue" in changed("phonetic", "philips hue")
    assert changed("phonetic", "knife") >= {"nife"}
    assert "Filips" in changed("phonetic", "Philips")
    assert all("4" in text for text in changed("phonetic", "playstation 4"))


def test_typos_are_drawn_as_often_as_they_are_counted():
    kinds: Counter[int] = Counter()
    for seed in range(2000):
        found = CHANGES["typos"].apply("charger", Random(seed))
        kinds[len(found) - len("charger")] += 1
    assert kinds[-1] / 2000 == pytest.approx(0.35, abs=0.04)
    assert kinds[1] / 2000 == pytest.approx(0.2, abs=0.04)


def test_order_keeps_the_words_and_what_binds_them():
    for text in (*QUERIES, TITLE):
        for found in changed("order", text):
            assert sorted(found.split()) == sorted(text.split())
    assert changed("order", "usb to hdmi") == set(), "the other way round is another adapter"
    assert changed("order", "wireless mouse for mac") == {"mouse wireless for mac"}
    assert all("galaxy 4 case" in text for text in changed("order", "samsung galaxy 4 case cheap"))


def test_blanks():
    assert changed("joined", "wireless mouse") == {"wirelessmouse"}
    assert changed("joined", "galaxy s4") == set(), "a code is left alone"
    assert changed("torn", "headphones") == {"hea dphones", "head phones", "headp hones", "headph ones", "headpho nes"}
    for text in (*QUERIES, TITLE):
        for name in ("joined", "torn"):
            assert all(found.replace(" ", "") == text.replace(" ", "") for found in changed(name, text))


def test_words_left_out():
    assert changed("deletion", "red usb hub") == {"usb hub", "red hub", "red usb"}
    assert changed("filler", "the best usb hub") == {"best usb hub", "the usb hub"}
    assert changed("filler", "usb hub") == set()
    assert changed("filler", "best buy") == set(), "a query of fillers asks for just these"
    pieces = TITLE.split()
    for found in changed("truncated", TITLE):
        assert found == " ".join(pieces[: len(found.split())])
        assert len(pieces) > len(found.split()) >= 0.4 * len(pieces) - 1
    for found in changed("dropped", TITLE):
        rest = iter(pieces)
        assert all(piece in rest for piece in found.split()), "what is left stands in its order"
        assert len(pieces) > len(found.split()) > len(pieces) / 2
    assert changed("dropped", "red usb hub") >= {"usb hub", "red hub", "red usb"}
    assert changed("dropped", "usb hub") == set()


def test_clutter_leaves_the_words_of_the_title_in_their_order():
    for found in changed("markup", TITLE):
        assert "<" in found or "&" in found
        assert re.sub(r"</?\w+/?>|&\w+;", " ", found).split() == TITLE.split()
    found = changed("wordy", "usb hub")
    assert all("usb hub" in text for text in found)
    assert {text.startswith("usb hub") for text in found} == {True, False}, "before it, and behind it"
    attack = [Stuffed(("wall clock",), "usb hub").apply(TITLE, Random(seed)) for seed in range(40)]
    assert {text.removeprefix(TITLE) for text in attack} >= {" usb hub", " wall clock"}


def test_effects_are_what_the_documentation_says():
    unknown = {name for name, change in CHANGES.items() if change.effect == "unknown"}
    assert {"deletion"} <= unknown
    assert not unknown & {"typos", "order", "joined", "truncated", "dropped", "filler", "stuffed"}
    assert CHANGES["truncated"].sides == {"title"}, "a shorter query asks for more"


BRANDS = Brands(("Nike", "New Balance", "Balance", "Adidas"))


def test_brands_are_whole_words_the_longest_first():
    assert [word.text for word in BRANDS.found("new balance shoes, NIKE and snikers")] == ["new balance", "NIKE"]
    assert BrandDropped(BRANDS, "query").apply("red new balance shoes", Random(0)) == "red shoes"
    assert BrandDropped(BRANDS, "query").apply("nike", Random(0)) is None
    swapped = {BrandSwapped(BRANDS).apply("nike shoes", Random(seed)) for seed in range(40)}
    assert swapped == {"new balance shoes", "balance shoes", "adidas shoes"}
    assert BrandSwapped(BRANDS).apply("running shoes", Random(0)) is None
    assert (BrandDropped(BRANDS, "query").effect, BrandDropped(BRANDS, "title").effect) == ("unknown", "keeps")
    assert BrandSwapped(BRANDS).effect == "lowers"
