import random

import pytest

from aisle.ranking.fusion import fuse, lift, reorder


def test_hand_worked_example():
    # a: 1/61 + 2/62, b: 1/62 + 2/61, c: 2/63
    scored = fuse({"bm25": [("a", 9.0), ("b", 3.0)], "dense": [("b", 0.9), ("a", 0.8), ("c", 0.1)]}, {"dense": 2.0}, 60)
    assert [item[0] for item in scored] == ["b", "a", "c"]
    assert [item[1] for item in scored] == pytest.approx([1 / 62 + 2 / 61, 1 / 61 + 2 / 62, 2 / 63])
    assert scored[0][2]["dense"].contribution == pytest.approx(2 / 61)
    assert (scored[0][2]["bm25"].rank, scored[0][2]["bm25"].score) == (2, 3.0)


def test_a_single_list_keeps_its_scores():
    assert [(i, s) for i, s, _ in fuse({"bm25": [("b", 2.5), ("a", 1.0)]}, {}, 60)] == [("b", 2.5), ("a", 1.0)]


def test_the_order_of_ties_within_a_list_does_not_matter():
    dense = [("c", 0.9), ("a", 0.5)]
    one = fuse({"bm25": [("a", 1.0), ("b", 1.0), ("c", 0.5)], "dense": dense}, {}, 60)
    two = fuse({"bm25": [("b", 1.0), ("a", 1.0), ("c", 0.5)], "dense": dense}, {}, 60)
    assert one == two


def test_against_a_slow_obvious_version():
    rng = random.Random(3)
    for _ in range(50):
        lists = {}
        for stage in ("x", "y", "z"):
            ids = rng.sample("abcdefghij", rng.randint(0, 10))
            lists[stage] = [(i, float(100 - place)) for place, i in enumerate(ids)]
        weights = {"x": rng.random(), "y": rng.random()}
        want = {}
        for stage, items in lists.items():
            for place, (product_id, _) in enumerate(items):
                want[product_id] = want.get(product_id, 0) + weights.get(stage, 1.0) / (10 + place + 1)
        got = fuse(lists, weights, 10)
        assert {i: s for i, s, _ in got} == pytest.approx(want)
        assert [i for i, _, _ in got] == sorted(want, key=lambda i: (-want[i], i))


def test_lifted_products_come_first_and_the_score_says_so():
    scored = fuse({"dense": [("a", 0.9), ("b", 0.5), ("c", -0.7)]}, {}, 60)
    lifted = lift(scored, "identifier", ["new", "c"])
    assert [item[0] for item in lifted] == ["new", "c", "a", "b"]
    scores = [item[1] for item in lifted]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] > scores[2]
    for _, score, parts in lifted:
        assert score == pytest.approx(sum(part.contribution for part in parts.values()))


def test_nothing_to_lift():
    scored = fuse({"dense": [("a", 0.9)]}, {}, 60)
    assert lift(scored, "identifier", []) == scored
    assert [item[0] for item in lift([], "identifier", ["x"])] == ["x"]


def test_reorder_keeps_the_tail_below_the_head():
    scored = fuse({"bm25": [("a", 9.0), ("b", 8.0), ("c", 7.0), ("d", 6.0)]}, {}, 60)
    got = reorder(scored, "rerank", [-3.0, 5.0, 5.0])
    assert [item[0] for item in got] == ["b", "c", "a", "d"]
    assert [item[1] for item in got] == sorted((item[1] for item in got), reverse=True)
    assert got[2][1] > got[3][1]
    assert got[0][2]["rerank"].score == 5.0
    for _, score, parts in got:
        assert score == pytest.approx(sum(part.contribution for part in parts.values()))


def test_scores_are_added_as_shares_of_the_best():
    lists = {"bm25": [("a", 8.0), ("b", 4.0)], "dense": [("c", 0.8), ("b", 0.6), ("a", -0.2)]}
    scored = fuse(lists, {"bm25": 0.25, "dense": 0.75})
    # b: .25 * 4/8 + .75 * .6/.8 = .125 + .5625; c: .75; a: .25 and nothing for a cosine below 0.
    assert [(i, round(s, 10)) for i, s, _ in scored] == [("c", 0.75), ("b", 0.6875), ("a", 0.25)]
    assert scored[1][2]["bm25"].contribution == 0.125
    assert (scored[1][2]["dense"].rank, scored[1][2]["dense"].score) == (2, 0.6)
    for _, score, parts in scored:
        assert score == sum(part.contribution for part in parts.values())


def test_a_list_without_a_score_above_zero_adds_nothing():
    scored = fuse({"bm25": [("a", 0.0)], "dense": [("b", 0.5), ("a", 0.25)], "image": []}, {})
    assert [(i, s) for i, s, _ in scored] == [("b", 1.0), ("a", 0.5)]


def test_a_best_score_next_to_nothing_overflows_nothing():
    found = fuse(
        {"bm25": [], "dense:text": [("a", 2.2250738585e-313), ("b", -1.0)]}, {"bm25": 0.35, "dense:text": 0.65}
    )
    assert [(key, score) for key, score, _ in found] == [("a", pytest.approx(0.65)), ("b", 0.0)]
