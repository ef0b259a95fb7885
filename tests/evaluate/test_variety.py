"""Variety: alpha-nDCG worked by hand and beside the definition's own words, distances beside a loop over pairs."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.errors import MetricError
from aisle.evaluate.variety import Variety, alpha_ndcg, distinct, intra_list_distance, most_of_one, variety
from aisle.metrics import ndcg
from aisle.types import Product

LOG3 = math.log2(3)


def test_hand_worked_alpha_ndcg():
    judged = [{"hp", "ink"}, {"hp", "ink"}, {"epson", "ink"}, set()]
    # Ranked: two of HP, then nothing relevant. Gains 1 + 1, then .5 + .5, then 0: 2/1 + 1/log2(3).
    # Ideal: hp+ink 2, then epson+ink 1 + .5, then hp+ink .5 + .25: 2 + 1.5/log2(3) + .75/2.
    found = alpha_ndcg([judged[0], judged[1], judged[3]], judged, 3)
    assert found == pytest.approx((2 + 1 / LOG3) / (2 + 1.5 / LOG3 + 0.375))


def test_the_value_that_ndeval_gives():
    # The example in the tests of pyndeval, which runs TREC's own ndeval: alpha-nDCG@5, @10 and @20 are .7868.
    aspects = {"A": {"a"}, "B": {"b"}, "D": {"b"}, "C": {"c"}}
    ranked = [aspects.get(product) for product in "ADEB"]  # E is not judged
    for cutoff in (5, 10, 20):
        assert alpha_ndcg(ranked, list(aspects.values()), cutoff) == pytest.approx(0.7868, abs=1e-4)


def test_a_longer_example_by_hand():
    ranked = [{"2", "5"}, {"2"}, {"2"}, set(), {"1", "3", "6"}, {"1"}, {"4"}, {"1"}]
    gains = [2, 0.5, 0.25, 0, 3, 0.5, 1, 0.25]
    ideal = [3, 2, 1, 0.5, 0.5, 0.25, 0.25]  # 136, 25, 4, then 1 and 2 for the second time, then for the third
    discounts = [1 / math.log2(rank + 1) for rank in range(1, 9)]
    for cutoff in (1, 3, 5, 8):
        found = sum(g * d for g, d in zip(gains[:cutoff], discounts, strict=False))
        best = sum(g * d for g, d in zip(ideal[:cutoff], discounts, strict=False))
        assert alpha_ndcg(ranked, ranked, cutoff) == pytest.approx(found / best)


def test_unjudged_products_both_ways():
    judged = [{"a"}, {"b"}]
    ranked = [None, {"a"}, {"b"}]
    ideal = 1 + 1 / LOG3
    assert alpha_ndcg(ranked, judged, 2) == pytest.approx((1 / LOG3) / ideal)
    assert alpha_ndcg(ranked, judged, 2, unjudged="removed") == pytest.approx(1.0)
    assert alpha_ndcg([], judged) == 0.0
    assert alpha_ndcg([{"a"}], [set()]) == 0.0


def test_without_a_price_on_repetition_it_is_ndcg_of_counts():
    rng = np.random.default_rng(2)
    for _ in range(20):
        judged = [set(rng.choice(list("abcd"), size=rng.integers(0, 4), replace=False)) for _ in range(8)]
        ranked = [judged[i] for i in rng.permutation(8)]
        counts = [float(len(aspects)) for aspects in ranked]
        want = ndcg(counts, counts, 5, lambda grade: grade)
        assert alpha_ndcg(ranked, judged, 5, alpha=0.0) == pytest.approx(want)


def definition(ranked, alpha):
    """The formula as printed: the sum over k of sum_i J(d_k, i) (1 - alpha)^r(i, k-1) / log2(1 + k)."""
    return sum(
        sum((1 - alpha) ** sum(aspect in above for above in ranked[:place]) for aspect in aspects)
        / math.log2(2 + place)
        for place, aspects in enumerate(ranked)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sets(st.sampled_from("abc")), min_size=1, max_size=5), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_no_order_is_much_above_the_greedy_ideal(judged, alpha):
    best = max(definition(order, alpha) for order in permutations(judged))
    for order in list(permutations(judged))[:10]:
        found = alpha_ndcg(list(order), judged, None, alpha)
        if best == 0:
            assert found == 0.0
        else:
            # greedy gives at least 1 - 1/e of the best order, usually the best itself
            assert definition(order, alpha) / best - 1e-9 <= found <= definition(order, alpha) / best * 1.6


def test_alpha_out_of_range():
    with pytest.raises(MetricError, match=r"alpha is 1\.5"):
        alpha_ndcg([], [], alpha=1.5)


def test_distance_is_the_mean_over_pairs():
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(7, 5))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pairs = [1 - float(vectors[i] @ vectors[j]) for i in range(7) for j in range(i)]
    assert intra_list_distance(list(vectors)) == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)
    assert intra_list_distance([vectors[0]] * 3) == pytest.approx(0.0, abs=1e-6)
    assert intra_list_distance([np.array([1.0, 0.0]), np.array([0.0, 1.0])]) == 1.0
    assert intra_list_distance([vectors[0]]) is None


def test_keys():
    assert distinct(["a", "b", "a", "", ""]) == 2
    assert most_of_one(["a", "b", "a", "", ""]) == 2
    assert most_of_one(["", ""]) == 1
    assert most_of_one([]) == 0


def test_variety_by_hand():
    one, two = np.array([1.0, 0.0], np.float32), np.array([0.8, 0.6], np.float32)
    rows = [("HP", "f", one), ("hp ", "f", one), ("Epson", "f", one), ("", "", two), ("HP", "g", two), ("HP", "h", one)]
    products = [Product(str(place), "", brand=brand, family=family) for place, (brand, family, _) in enumerate(rows)]
    found = variety(products, [vector for *_, vector in rows], cutoff=5)
    # near: the second looks like the first; Epson's is of another brand, the fifth has cosine .8 only.
    # pairs of five: three alike (0), one between the two last (0), six of distance .2.
    assert found == Variety(5, 2, 3, 3, 2, 1, pytest.approx(0.12))
    assert variety(products) == Variety(6, 2, 4, 3, 2, 0, None)
    assert variety([]) == Variety(0, 0, 0, 0, 0, 0, None)


def test_vectors_for_some_products_only():
    with pytest.raises(MetricError, match="1 vectors for 2 products"):
        variety([Product("a", ""), Product("b", "")], [np.ones(2, np.float32)])
