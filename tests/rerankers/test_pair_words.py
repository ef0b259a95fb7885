"""Features of the words of a query and a text, against values worked out by hand and a shop written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aisle.indexes import segment
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.pair_words import NAMES, of_pairs, word_features

SHOP = ["black usb hub", "usb cable", "red mouse", "华为手机"]


@pytest.fixture(scope="module")
def words() -> WordStatistics:
    return WordStatistics.of(SHOP, segment)


def idf(carriers: int) -> float:
    return math.log(1 + (len(SHOP) - carriers + 0.5) / (carriers + 0.5))


def features(query: str, text: str, words: WordStatistics) -> dict[str, float]:
    return dict(zip(NAMES, map(float, word_features(query, [text], words)[0]), strict=True))


def test_by_hand(words):
    """usb stands in two texts, hub in one, 3 and mac in none; "hubs" is compared as "hub"."""
    found = features("USB 3 hubs for mac", "Anker USB Hub, 4 ports", words)
    usb, hub, none = idf(2), idf(1), idf(0)
    total = usb + hub + 3 * none  # 3, for, mac
    assert found["words"] == pytest.approx(2 / 5)
    assert found["words:rare"] == pytest.approx((usb + hub) / total)
    # Pieces of the text: " an ank nke ker er ", " us usb sb ", " hu hub ub ", " 4 ", " po por ort rt ".
    three, four, mac = 0, 0, 0
    assert found["pieces"] == pytest.approx((1 + three + 1 + four + mac) / 5)
    assert found["pieces:rare"] == pytest.approx((usb + hub) / total)
    assert found["pieces:least"] == 0
    assert found["pairs"] == 0  # "usb 3", "3 hub", "hub for", "for mac"
    assert (found["last"], found["last:ahead"], found["last:thing"], found["last:pieces"]) == (0, 0, 0, 0)
    assert (found["first"], found["first:pieces"]) == (1, 1)
    assert found["asked"] == pytest.approx(2 / 3)  # anker usb hub
    assert found["asked:thing"] == 1
    assert (found["numbers"], found["number_count"]) == (0, 1)
    assert (found["query_length"], found["text_length"]) == (5, 5)
    assert found["lacks"] == found["rarest"] == pytest.approx(none)
    assert found["rarity"] == pytest.approx(total / 5)
    assert (found["place:first"], found["place:last"]) == (1, 2)
    assert found["joined"] == pytest.approx(2 / 5)
    assert (found["joined:all"], found["begins"]) == (0, 0)


def test_pieces_of_a_misspelt_word_and_blanks_that_are_lost(words):
    found = features("wireles", "wireless mouse", words)
    # Compared as "wirele": " wi", "wir", "ire", "rel", "ele" are there, "le " is not.
    assert found["pieces"] == pytest.approx(5 / 6)
    assert found["words"] == 0
    assert features("usbhub", "USB hub", words)["joined:all"] == 1
    assert features("usb hub", "usbhub", words)["joined"] == 1


@pytest.mark.parametrize(
    ("query", "text", "thing"),
    [
        ("phone case", "Leather Case for Phone", 1),
        ("phone case", "Phone Case (Black)", 1),
        ("phone case", "Case Phone, black", 0),
        ("phone cases", "Black case - 5 in", 1),
        ("toothbrush", "Toothbrushes with cap", 1),
        ("tool boxes", "Red Tool Box", 1),
        ("batteries", "Battery", 1),
        ("glass", "Wine glasses", 1),
        ("手机壳", "透明手机壳，苹果", 1),
    ],
)
def test_the_thing_is_the_last_word_of_the_first_phrase(words, query, text, thing):
    assert features(query, text, words)["last:thing"] == thing


def test_chinese_is_compared_by_its_pairs(words):
    found = features("华为手机", "华为 手机 壳", words)
    assert found["query_length"] == 3  # 华为, 为手, 手机
    assert found["words"] == pytest.approx(2 / 3)
    assert found["joined:all"] == 0


def test_what_has_nothing_to_say_is_unknown(words):
    assert np.isnan(word_features("", ["usb hub"], words)).all()
    assert np.isnan(word_features("!!", ["usb hub", "x"], words)).all()
    found = features("5", "", words)
    for name in ("pairs", "last", "first", "asked", "asked:thing", "place:first", "begins"):
        assert math.isnan(found[name]), name
    assert found["words"] == found["text_length"] == found["joined"] == 0
    assert math.isnan(features("usb", "usb", words)["numbers"])
    assert word_features("usb", [], words).shape == (0, len(NAMES))


def test_a_text_has_the_same_numbers_alone_in_company_and_in_other_letters(words):
    queries, texts = ["usb hubs", "usb hubs", "手机"], ["Black USB hub, 4 ports", "red mouse", "华为手机"]
    together = of_pairs(queries, texts, words)
    for row, (query, text) in enumerate(zip(queries, texts, strict=True)):
        np.testing.assert_array_equal(together[row], word_features(query, [text], words)[0])
    np.testing.assert_array_equal(word_features(queries[0], texts[:2], words), together[:2])
    np.testing.assert_array_equal(word_features("ＵＳＢ　ｈｕｂｓ", ["black usb hub, 4 ports"], words)[0], together[0])
