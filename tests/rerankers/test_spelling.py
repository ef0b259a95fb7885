"""Correcting a query by a shop's words, on words of a few titles written out."""

from __future__ import annotations

import pytest

from aisle.rerankers.spelling import Speller

CARRIERS = {
    "wireless": 9,
    "mouse": 7,
    "mousse": 1,
    "charger": 5,
    "changer": 3,
    "headphones": 4,
    "philips": 3,
    "hue": 3,
    "hard": 6,
    "drive": 6,
    "wall": 4,
    "clocks": 4,
    "pen": 5,
    "driver": 2,
    "once": 1,
}
SPELLER = Speller(CARRIERS)


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("wireles mouse", "wireless mouse"),  # a letter left out
        ("wirelessmouse", "wireless mouse"),  # a blank lost
        ("head phones", "headphones"),  # a blank too many: neither piece is a word of the shop
        ("hard drive", "hard drive"),
        ("moues", "mouse"),  # two letters swapped are one edit
        ("chatger", "charger"),
        ("chanjer", "changer"),
        ("filips hue", "filips hue"),  # two edits, in a word of six letters
        ("phillipss hue", "philips hue"),  # the same in one of nine
        ("wall clock", "wall clock"),  # the singular of a word of the shop
        ("oncee", "oncee"),  # one title alone may be a slip itself
        ("Wirelss Mouse 2TB", "wireless Mouse 2TB"),
        ("wifi x200 hub", "wifi x200 hub"),  # short words and codes stay
        ("无线 鼠标", "无线 鼠标"),
        ("", ""),
    ],
)
def test_a_query_is_read_in_the_spelling_of_the_shop(query, read):
    assert SPELLER.corrected(query) == read


def test_the_commoner_word_is_taken_and_a_split_only_where_it_is_commoner():
    assert Speller({"cable": 5, "table": 8, "caple": 0}).corrected("cabke") == "cable", "the first letter is right"
    assert Speller({"cane": 2, "cape": 6}).corrected("cafe") == "cape"
    assert Speller({"hard": 6, "drive": 6, "harddrives": 9}).corrected("harddrive") == "harddrive", (
        "known in the plural"
    )
    assert Speller({"red": 9, "wine": 9}).corrected("redwine") == "red wine"
    assert Speller({}).corrected("redwine") == "redwine"
