"""What is remembered equals what would be scored anew, and only what is new is read."""

from dataclasses import replace

import numpy as np

from aisle.encoders.embedded import FOLDER
from aisle.rerankers.cached import CachedReranker
from aisle.rerankers.cosine import CosineReranker
from aisle.types import Product

PRODUCTS = [Product("1", "USB hub", price=9.0), Product("2", "Black mouse"), Product("3", "手机壳")]


class Counting(CosineReranker):
    def __init__(self):
        super().__init__(FOLDER)
        self.read = []

    def score(self, query, products):
        self.read += [(query, product.id) for product in products]
        return super().score(query, products)


def test_scores_are_those_of_the_reranker_and_nothing_is_read_twice():
    plain, counting = CosineReranker(FOLDER), Counting()
    cached = CachedReranker(counting)
    np.testing.assert_allclose(cached.score("usb", PRODUCTS[:2]), plain.score("usb", PRODUCTS[:2]), rtol=1e-6)
    np.testing.assert_allclose(cached.score("usb", PRODUCTS[::-1]), plain.score("usb", PRODUCTS[::-1]), rtol=1e-6)
    assert counting.read == [("usb", "1"), ("usb", "2"), ("usb", "3")]
    assert (cached.hits, cached.misses) == (2, 3)
    assert cached.score("usb", []).shape == (0,)


def test_another_query_or_a_changed_product_is_read_anew():
    counting = Counting()
    cached = CachedReranker(counting)
    cached.score("usb", PRODUCTS[:1])
    cached.score("hub", PRODUCTS[:1])
    cached.score("usb", [replace(PRODUCTS[0], price=8.0)])
    cached.score("usb", PRODUCTS[:1])
    assert counting.read == [("usb", "1"), ("hub", "1"), ("usb", "1")]


def test_the_least_recently_used_is_forgotten_and_one_call_may_exceed_the_size():
    counting = Counting()
    cached = CachedReranker(counting, size=2)
    cached.score("a", PRODUCTS[:2])
    cached.score("a", PRODUCTS[:1])
    cached.score("a", PRODUCTS[2:])  # forgets 2
    cached.score("a", PRODUCTS[:2])
    assert [key for _, key in counting.read] == ["1", "2", "3", "2"]
    np.testing.assert_allclose(cached.score("b", PRODUCTS), CosineReranker(FOLDER).score("b", PRODUCTS), rtol=1e-6)
