"""How near two models are, by hand; vectors that are remembered; directions against a slow obvious version."""

import numpy as np
import pytest

from aisle.compress.agreement import agreement, quality
from aisle.compress.dimensions import principal
from aisle.compress.layers import choices
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.encoders.kept import KeptVectors
from aisle.errors import ArtifactError, RecipeError


def test_agreement_by_hand():
    before = np.array([3.0, 2.0, 1.0, 5.0, 4.0])
    after = np.array([3.1, 0.5, 1.0, 5.0, 4.0])
    found = agreement({"a": [0, 1, 2], "b": [3, 4]}, before, after)
    assert found.concordance == pytest.approx(3 / 4)  # of (0,1) (0,2) (1,2) (3,4) the third changed sides
    assert found.identical == 0.5
    assert found.top == 1.0
    assert found.largest == pytest.approx(1.5)
    assert found.mean == pytest.approx((0.1 + 1.5) / 5)


def test_the_first_ten_are_compared_as_sets():
    before = -np.arange(20.0)
    after = before.copy()
    after[[9, 10]] = after[[10, 9]]
    assert agreement({"a": range(20)}, before, after).top == 0.9


def test_quality_by_hand():
    levels = np.array([1.0, 0.0, 1.0, 0.0])
    good, bad = np.array([2.0, 1.0, 2.0, 1.0]), np.array([2.0, 1.0, 1.0, 2.0])
    found = quality({"a": [0, 1], "b": [2, 3]}, levels, good, bad)
    assert found["before"] == 1.0
    assert found["after"] == pytest.approx((1 + 1 / np.log2(3)) / 2)
    assert found["difference"] == pytest.approx((1 / np.log2(3) - 1) / 2)


def test_ungraded_pairs_have_no_quality():
    scores = np.arange(4.0)
    assert quality({"a": [0, 1], "b": [2, 3]}, np.full(4, np.nan), scores, scores) is None


def test_directions_keep_dot_products_as_the_singular_vectors_do():
    chance = np.random.default_rng(0)
    vectors = (chance.normal(size=(200, 12)) * np.linspace(3, 0.1, 12)).astype(np.float32)
    matrix = principal(vectors, 4)
    assert np.allclose(matrix.T @ matrix, np.eye(4), atol=1e-5)
    right = np.linalg.svd(vectors.astype(np.float64))[2][:4].T
    assert np.allclose(vectors @ matrix @ matrix.T, vectors @ right @ right.T, atol=1e-4)


def test_more_dimensions_than_the_texts_span_are_refused():
    with pytest.raises(ArtifactError, match="vectors of 9 dimensions from 5 texts of 12"):
        principal(np.ones((5, 12), np.float32), 9)


def test_the_layers_that_each_choice_keeps():
    assert choices(6, 3) == {"first": (0, 1, 2), "last": (0, 4, 5), "spread": (0, 2, 5)}
    assert choices(6, 2) == {"first": (0, 1), "last": (0, 5), "spread": (0, 5)}
    assert choices(6, 1) == {"first": (0,), "last": (0,), "spread": (0,)}
    assert choices(6, 6)["spread"] == choices(6, 6)["last"] == (0, 1, 2, 3, 4, 5)
    with pytest.raises(RecipeError, match="7 layers of a model with 6"):
        choices(6, 7)


class Counting:
    """An encoder that notes what it is asked for."""

    def __init__(self, encoder):
        self.encoder, self.asked = encoder, []
        self.dim, self.fingerprint, self.count_tokens = encoder.dim, encoder.fingerprint, encoder.count_tokens

    def encode(self, texts, kind):
        self.asked += texts
        return self.encoder.encode(texts, kind)


def test_known_products_are_not_encoded_again_and_have_the_same_vectors():
    plain = EmbeddedEncoder()
    counting = Counting(plain)
    kept = KeptVectors(counting, size=3)
    texts = ["usb hub", "red shoes", "usb hub"]
    assert (kept.encode(texts, "product") == plain.encode(texts, "product")).all()
    assert counting.asked == ["usb hub", "red shoes"]
    assert (kept.encode(["red shoes", "lamp"], "product") == plain.encode(["red shoes", "lamp"], "product")).all()
    assert counting.asked[2:] == ["lamp"]
    kept.encode(["pan", "usb hub"], "product")  # four texts: the least recently used one, usb hub, was still there
    assert counting.asked[3:] == ["pan"]
    kept.encode(["red shoes"], "product")
    assert counting.asked[4:] == ["red shoes"]
    kept.encode(["red shoes"], "query")
    assert counting.asked[5:] == ["red shoes"], "queries are not kept"
    assert kept.encode([], "product").shape == (0, 384)
