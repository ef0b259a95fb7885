"""BM25 of pairs: by hand, beside a slow obvious version, and equal to what the index gives the same texts."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from aisle.config import IndexSettings
from aisle.indexes import segment
from aisle.indexes.lance import LanceIndex
from aisle.indexes.segment import CHARACTER_WEIGHT, product_tokens, query_characters, query_tokens
from aisle.language.normalise import normalise
from aisle.ranking.pool_bm25 import PoolBm25
from aisle.types import Product, SearchRequest
from tests.contracts.rows import CHINESE, DIM, real_products, records

TITLES = [product.title for product in real_products()] + [f"{title} 5G {n}" for n, title in enumerate(CHINESE)]
QUERIES = [
    "black cable",
    "hp toner cartridge cartridge",
    "notebook with intel core duo",
    "zebra",
    "手机壳 5g",
    "华为",
    "",
]


def slow(query, text, texts, k1=1.2, b=0.75):
    """The formula as it is written, one pair at a time."""
    documents = [product_tokens(each) for each in set(texts)]
    average = sum(map(len, documents)) / len(documents)
    document = product_tokens(text)
    counts = Counter(document)

    def part(token):
        carriers = sum(token in each for each in documents)
        idf = math.log(1 + (len(documents) - carriers + 0.5) / (carriers + 0.5))
        f = counts[token]
        return idf * f * (k1 + 1) / (f + k1 * (1 - b + b * len(document) / average))

    words = sum(part(token) for token in query_tokens(query))
    characters = sum(part(token) for token in query_characters(query))
    return words + CHARACTER_WEIGHT * characters if words else 0.0


def test_hand_worked_example():
    # two distinct texts of 4 and 2 words, average 3; "red" is in both, "cable" in one, twice
    bm25 = PoolBm25(["red usb cable cable", "red hub", "red hub"], segment=segment)
    red, cable = math.log(1 + 0.5 / 2.5), math.log(1 + 1.5 / 1.5)
    long, short = 1.2 * (0.25 + 0.75 * 4 / 3), 1.2 * (0.25 + 0.75 * 2 / 3)
    want = [red * 2.2 / (1 + long) + cable * 2 * 2.2 / (2 + long), red * 2.2 / (1 + short), 0.0]
    got = bm25.score(["red cable", "Red RED cable", "mouse"], [0, 2, 1])
    assert got == pytest.approx(want)
    assert got.dtype == np.float32


def test_characters_count_only_where_a_word_has_matched():
    bm25 = PoolBm25(["手机壳", "机手", "耳机"], segment=segment)
    both, reversed_pair, none = bm25.score(["手机"] * 3, [0, 1, 2])
    assert both > 0
    assert (reversed_pair, none) == (0, 0)
    assert both == pytest.approx(slow("手机", "手机壳", ["手机壳", "机手", "耳机"]))


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (2.0, 0.0), (1.2, 1.0)])
def test_against_a_slow_obvious_version(k1, b):
    rng = random.Random(7)
    texts = [rng.choice(TITLES) for _ in range(60)]  # some come several times
    rows = [rng.randrange(len(texts)) for _ in range(80)]
    queries = [rng.choice([*QUERIES, *(text[:20] for text in texts)]) for _ in rows]
    got = PoolBm25(texts, k1, b, segment=segment).score(queries, rows)
    assert got == pytest.approx([slow(q, texts[row], texts, k1, b) for q, row in zip(queries, rows, strict=True)])


def test_the_index_gives_the_same_texts_the_same_scores(tmp_path):
    titles = list(dict.fromkeys(map(normalise, TITLES)))  # as the index reads them
    products = [Product(str(row), title) for row, title in enumerate(titles)]
    index = LanceIndex.create(
        tmp_path / "index", IndexSettings(field_weights={"title": 1.0}, fuzziness=0), {"text": DIM}
    )
    index.upsert(records(products))
    index.optimize()
    bm25 = PoolBm25(titles, segment=segment)
    for query in filter(None, QUERIES):
        want = dict(index.search(SearchRequest(query, mode="bm25"), {}, len(titles)).lists["bm25"])
        scores = bm25.score([query] * len(titles), range(len(titles)))
        got = {str(row): float(score) for row, score in enumerate(scores) if score > 0}
        assert got == pytest.approx(want, rel=2e-3, abs=1e-3), query
    index.close()


def test_a_score_depends_neither_on_order_nor_on_company():
    bm25 = PoolBm25(TITLES, segment=segment)
    queries, rows = [QUERIES[row % len(QUERIES)] for row in range(300)], list(range(300))
    together = bm25.score(queries, rows)
    assert bm25.score(queries[::-1], rows[::-1])[::-1].tolist() == together.tolist()
    assert [bm25.score([queries[row]], [row])[0] for row in (0, 7, 299)] == [together[row] for row in (0, 7, 299)]


def test_nothing_to_compare():
    assert PoolBm25(["a"], segment=segment).score([], []).shape == (0,)
    assert PoolBm25(["", "!!"], segment=segment).score(["", "usb"], [0, 1]).tolist() == [0, 0]
    assert PoolBm25(["", "usb hub"], segment=segment).score(["usb", "usb"], [0, 1])[0] == 0


def test_one_row_for_each_query():
    with pytest.raises(ValueError, match="2 queries for 1 rows"):
        PoolBm25(["a"], segment=segment).score(["a", "b"], [0])
