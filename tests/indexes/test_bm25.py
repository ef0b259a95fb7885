"""BM25 beside one written by hand: Robertson and Zaragoza's formula with k1 = 1.2, b = .75 and Lucene's idf."""

import math
import re
from collections import Counter
from dataclasses import replace

import pytest

from aisle.config import IndexSettings
from aisle.indexes.lance import LanceIndex
from aisle.language.normalise import normalise
from aisle.types import Product, SearchRequest
from tests.contracts.rows import DIM, real_products, records

K1, B = 1.2, 0.75
WEIGHTS = {"title": 3.0, "brand": 0.5}
QUERIES = [
    "black cable",
    "hp",
    "notebook with intel core duo",
    "usb 2 m",
    "toner cartridge cartridge original",
    "zebra",
]


def plain(text):
    """Only ASCII letters and digits, so that cutting into words leaves no room for opinion."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def bm25_by_hand(query, texts):
    documents = [text.split() for text in texts]
    average = sum(map(len, documents)) / len(documents)
    scores = [0.0] * len(documents)
    for word in set(query.split()):
        carriers = sum(word in document for document in documents)
        idf = math.log(1 + (len(documents) - carriers + 0.5) / (carriers + 0.5))
        for place, document in enumerate(documents):
            count = Counter(document)[word]
            length = 1 - B + B * len(document) / average
            scores[place] += idf * count * (K1 + 1) / (count + K1 * length)
    return scores


@pytest.fixture(scope="module")
def products():
    found = [Product(p.id, plain(p.title), brand=plain(p.brand or "none")) for p in real_products()]
    return [replace(p, title=plain(normalise(p.title))) for p in found]  # "5mm" is cut as "5 mm"


@pytest.fixture(scope="module")
def index(tmp_path_factory, products):
    settings = IndexSettings(field_weights=WEIGHTS, fuzziness=0)
    index = LanceIndex.create(tmp_path_factory.mktemp("bm25") / "index", settings, {"text": DIM})
    index.upsert(records(products))
    index.optimize()
    yield index
    index.close()


@pytest.mark.parametrize("query", QUERIES)
def test_scores_are_the_weighted_sum_of_bm25_by_hand(index, products, query):
    by_field = {
        "title": bm25_by_hand(query, [p.title for p in products]),
        "brand": bm25_by_hand(query, [p.brand for p in products]),
    }
    want = {
        product.id: total
        for place, product in enumerate(products)
        if (total := sum(WEIGHTS[field] * scores[place] for field, scores in by_field.items())) > 0
    }
    got = dict(index.search(SearchRequest(query, mode="bm25"), {}, len(products)).lists["bm25"])
    assert got == pytest.approx(want, rel=2e-3, abs=1e-3)

    ids = [product.id for product in products]
    table = index.features(ids, SearchRequest(query), {})
    for field, scores in by_field.items():
        assert table[f"bm25:{field}"].to_pylist() == pytest.approx(scores, rel=2e-3, abs=1e-3)
