"""Statistics kept with a model: beside BM25 of the whole pool, by hand, and the same for a text in any company."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from aisle.indexes import segment
from aisle.indexes.segment import query_tokens
from aisle.ranking.pool_bm25 import PoolBm25
from aisle.ranking.word_statistics import WordStatistics
from tests.contracts.rows import real_products

TITLES = [product.title for product in real_products() if product.title.isascii()]
QUERIES = [
    "black cable",
    "hp toner cartridge cartridge",
    "notebook with intel core duo",
    "Notebook!",
    "zebra",
    "hp zebra xylophone",
]


def share_of(statistics: WordStatistics, query: str) -> float:
    return sum(statistics.idf(token) for token in query_tokens(query))


# --- beside the pool ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [*QUERIES, *(title[:25] for title in TITLES[::40])])
def test_it_is_bm25_of_the_pool_over_the_idf_of_the_query(query):
    assert len(TITLES) > 100
    texts = TITLES + TITLES[::3]  # some come twice, and count once
    statistics = WordStatistics.of(texts, segment)
    pool = PoolBm25(texts, segment=segment).score([query] * len(texts), range(len(texts)))
    found = statistics.bm25(query, texts, segment)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found * share_of(statistics, query), pool, atol=1e-5)
    assert (pool > 0).any() == (query != "zebra")
    assert 0 <= found.min() <= found.max() <= 2.2


def test_by_hand():
    # two distinct texts of 4 and 2 words, average 3; "red" is in both, "cable" in one, twice; "mouse" in none
    statistics = WordStatistics.of(["red usb cable cable", "red hub", "red hub"], segment)
    assert statistics == WordStatistics(2, 3.0, {"cable": 1, "hub": 1, "red": 2, "usb": 1})
    red, cable, mouse = math.log(1 + 0.5 / 2.5), math.log(1 + 1.5 / 1.5), math.log(1 + 2.5 / 0.5)
    assert [statistics.idf(token) for token in ("red", "cable", "mouse")] == pytest.approx([red, cable, mouse])
    long = 1.2 * (0.25 + 0.75 * 4 / 3)
    want = (red * 2.2 / (1 + long) + cable * 2 * 2.2 / (2 + long)) / (red + cable + mouse)
    found = statistics.bm25("Red RED cable, mouse", ["red usb cable cable", "", "hub"], segment)
    assert found == pytest.approx([want, 0.0, 0.0])


def test_texts_that_were_not_counted_are_scored_by_the_same_statistics():
    # one word of an average of three: 1 * 2.2 / (1 + 1.2 * (.25 + .75 / 3)), whatever its idf
    statistics = WordStatistics.of(["red usb cable cable", "red hub"], segment)
    assert statistics.bm25("lamp", ["lamp", "red"], segment) == pytest.approx([2.2 / 1.6, 0.0])


# --- company -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [*QUERIES, "手机壳 5g", ""])
def test_a_text_scores_alike_alone_and_in_any_company(query):
    statistics = WordStatistics.of([*TITLES, "华为手机壳 5G"], segment)
    texts = [*TITLES[:60], "华为手机壳 5G", "", "hp toner"]
    random.Random(1).shuffle(texts)
    together = statistics.bm25(query, texts, segment)
    alone = [float(statistics.bm25(query, [text], segment)[0]) for text in texts]
    assert together.tolist() == alone
    assert statistics.bm25(query, texts[::-1], segment)[::-1].tolist() == alone


def test_the_order_of_the_texts_does_not_count():
    shuffled = random.Random(2).sample(TITLES, len(TITLES))
    one, other = WordStatistics.of(TITLES, segment), WordStatistics.of(shuffled, segment)
    assert one == other
    assert list(one.carriers) == list(other.carriers) == sorted(one.carriers)


# --- nothing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "   ", "?!"])
def test_an_empty_query_finds_nothing(query):
    found = WordStatistics.of(TITLES, segment).bm25(query, TITLES[:5], segment)
    assert found.tolist() == [0.0] * 5
    assert found.dtype == np.float32


def test_nothing_to_score_and_nothing_counted():
    assert WordStatistics.of(TITLES, segment).bm25("usb", [], segment).shape == (0,)
    none = WordStatistics.of([], segment)
    assert (none.texts, none.average_length, none.carriers) == (0, 0.0, {})
    # without statistics every word is as rare as the next, and a text of one word is as long as the average
    assert none.bm25("usb hub", ["usb", "lamp"], segment) == pytest.approx([0.5, 0.0])


def test_a_word_of_every_text_still_counts():
    statistics = WordStatistics.of(["red hub", "red lamp"], segment)
    assert 0 < statistics.idf("red") < statistics.idf("hub") < statistics.idf("zebra")
