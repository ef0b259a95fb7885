"""Counterfactuals are true: the changed scores go through fusion itself, and the product must then stand higher."""

import itertools
import random

import pytest

from aisle.config import SearchSettings
from aisle.explain.change import Fusion, changes
from aisle.query.boost import boost
from aisle.query.constraint import Constraint
from aisle.ranking.fusion import fuse, lift, reorder
from aisle.types import Compare, Hit, Part, Product

WEIGHTS = {"bm25": 0.35, "dense:text": 0.65}


def hits_of(scored, products=None):
    known = products or {}
    return [
        Hit(rank, known.get(key, Product(key, key)), score, parts) for rank, (key, score, parts) in enumerate(scored, 1)
    ]


def random_lists(seed, size=12):
    draw = random.Random(seed)
    names = [f"p{n:02}" for n in range(size)]
    lists = {}
    for stage, scale in (("bm25", 30.0), ("dense:text", 0.9)):
        found = draw.sample(names, size - 3)
        scores = sorted((round(draw.random() * scale, 3) for _ in found), reverse=True)
        lists[stage] = tuple(zip(found, scores, strict=True))
    return lists


def raised(lists, stage, key, score):
    """The lists with one product's raw score in one of them changed."""
    items = [item for item in lists[stage] if item[0] != key] + [(key, score)]
    return lists | {stage: tuple(sorted(items, key=lambda item: (-item[1], item[0])))}


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", ["scores", "ranks"])
def test_a_score_that_is_named_is_enough_and_not_much_less_is(seed, kind):
    lists = random_lists(seed)
    settings = SearchSettings(fusion=kind, rrf_k=20.0, weights=WEIGHTS)
    rrf_k = 20.0 if kind == "ranks" else None
    hits = hits_of(fuse(lists, WEIGHTS, rrf_k))
    fusion = Fusion.of(hits, settings)
    told = 0
    for above, own in itertools.pairwise(hits):
        for change in changes(own, above, hits, fusion, ()):
            assert change.kind == "score"
            told += 1
            then = [
                item[0] for item in fuse(raised(lists, change.stage, own.product_id, change.needed), WEIGHTS, rrf_k)
            ]
            assert then.index(own.product_id) < then.index(above.product_id)
            if kind == "scores":
                less = raised(lists, change.stage, own.product_id, change.needed - 1e-4)
                then = [item[0] for item in fuse(less, WEIGHTS)]
                assert then.index(own.product_id) > then.index(above.product_id)
    assert told > 5


def test_the_best_score_is_known_without_its_product():
    lists = {"bm25": [("x", 40.0), ("a", 20.0), ("b", 10.0)], "dense:text": [("a", 0.9), ("b", 0.6), ("x", -0.1)]}
    hits = hits_of(fuse(lists, WEIGHTS))
    assert [hit.product_id for hit in hits] == ["a", "b", "x"]
    fusion = Fusion.of(hits[:2], SearchSettings(weights=WEIGHTS))
    assert fusion.best == pytest.approx({"bm25": 40.0, "dense:text": 0.9})
    for change in changes(hits[1], hits[0], hits[:2], fusion, ()):
        assert fuse(raised(lists, change.stage, "b", change.needed), WEIGHTS)[0][0] == "b"


def test_one_list_alone_asks_for_the_other_products_score():
    hits = hits_of(fuse({"bm25": [("a", 9.0), ("b", 7.0)]}, WEIGHTS))
    (change,) = changes(hits[1], hits[0], hits, Fusion.of(hits, SearchSettings()), ())
    assert (change.stage, change.now) == ("bm25", 7.0)
    assert change.needed == pytest.approx(9.0, abs=1e-6)


def test_a_list_beside_an_empty_one_is_fused():
    lists = {"bm25": [], "dense:text": [("a", 0.8), ("b", 0.6)]}
    hits = hits_of(fuse(lists, WEIGHTS))
    fusion = Fusion.of(hits, SearchSettings(weights=WEIGHTS))
    assert not fusion.alone
    assert fusion.best == pytest.approx({"dense:text": 0.8})


def test_beyond_the_best_score_all_others_count_less():
    lists = {"bm25": [("a", 10.0), ("b", 9.0)], "dense:text": [("a", 0.9), ("b", 0.88)]}
    hits = hits_of(fuse(lists, WEIGHTS))
    found = changes(hits[1], hits[0], hits, Fusion.of(hits, SearchSettings(weights=WEIGHTS)), ())
    needed = {change.stage: change.needed for change in found}
    # .35 + .65 * .88 / .9 = .35 * 10 / x + .65, so x = 10 * .35 / (.35 - .65 * .02 / .9)
    assert needed["bm25"] == pytest.approx(3.5 / (0.35 - 0.013 / 0.9))
    assert needed["dense:text"] == pytest.approx(0.65 * 0.9 / (0.65 - 0.035))
    for stage, score in needed.items():
        assert fuse(raised(lists, stage, "b", score), WEIGHTS)[0][0] == "b"
        assert fuse(raised(lists, stage, "b", score * 0.9999), WEIGHTS)[0][0] == "a"


def test_what_no_score_can_bring_is_not_promised():
    # a has .65 by meaning, of which b has nothing; BM25 of b would have to be above all bounds
    hits = hits_of(fuse({"bm25": [("a", 10.0), ("b", 1.0)], "dense:text": [("a", 0.9)]}, WEIGHTS))
    assert changes(hits[1], hits[0], hits, Fusion.of(hits, SearchSettings(weights=WEIGHTS)), ()) == []


def test_after_a_reranker_only_its_score_counts():
    fused = fuse({"bm25": [("a", 9.0), ("b", 8.0), ("c", 1.0)]}, WEIGHTS)
    scored = reorder(fused, "rerank", [0.2, 0.7, 0.4])
    hits = hits_of(scored)
    assert [hit.product_id for hit in hits] == ["b", "c", "a"]
    (change,) = changes(hits[2], hits[1], hits, Fusion.of(hits, SearchSettings()), ())
    assert (change.kind, change.stage) == ("score", "rerank")
    then = reorder(fused, "rerank", [change.needed, 0.7, 0.4])
    assert [item[0] for item in then] == ["b", "a", "c"]
    assert [item[0] for item in reorder(fused, "rerank", [change.needed - 1e-6, 0.7, 0.4])] == ["b", "c", "a"]


def test_what_the_reranker_did_not_read_and_what_is_named_exactly_are_said():
    fused = fuse({"bm25": [("a", 9.0), ("b", 8.0), ("c", 1.0)]}, WEIGHTS)
    hits = hits_of(reorder(fused, "rerank", [0.2, 0.7]))
    fusion = Fusion.of(hits, SearchSettings())
    assert [change.kind for change in changes(hits[2], hits[1], hits, fusion, ())] == ["unread"]
    hits = hits_of(lift(fused, "identifier", ["c"]))
    assert [change.kind for change in changes(hits[1], hits[0], hits, fusion, ())] == ["identifier"]


def test_a_demand_that_is_met_moves_as_far_as_is_told():
    cheap = Constraint("price", "under 50", Compare("price", "<", 50.0), 1.0)
    prices = {"a": 40.0, "b": 60.0, "c": 30.0}
    products = {key: Product(key, key, price=price) for key, price in prices.items()}
    fused = fuse({"bm25": [("b", 10.0), ("a", 9.5), ("c", 1.0)]}, WEIGHTS)
    hits = hits_of(boost(fused, products, [cheap], 0.1), products)
    assert [hit.product_id for hit in hits] == ["a", "b", "c"]  # 9.5 + 1, 10 - 1, 1 + 1
    found = changes(hits[1], hits[0], hits, Fusion.of(hits, SearchSettings()), [cheap])
    (demand,) = [change for change in found if change.kind == "demand"]
    met = boost(fused, products | {"b": Product("b", "b", price=45.0)}, [cheap], 0.1)
    assert met[0][0] == "b"
    assert demand.needed == pytest.approx(met[0][1])
    assert demand.needed == pytest.approx(11.0)


def test_a_demand_before_the_reranker_is_not_promised():
    cheap = Constraint("price", "under 50", Compare("price", "<", 50.0), 1.0)
    products = {"a": Product("a", "a", price=40.0), "b": Product("b", "b", price=60.0)}
    boosted = boost(fuse({"bm25": [("b", 10.0), ("a", 9.5)]}, WEIGHTS), products, [cheap], 0.1)
    hits = hits_of(reorder(boosted, "rerank", [0.9, 0.1]), products)
    found = changes(hits[1], hits[0], hits, Fusion.of(hits, SearchSettings()), [cheap])
    assert [change.kind for change in found] == ["score"]


def test_a_rule_that_decided_is_named_and_one_that_did_not_is_not():
    own = Hit(2, Product("b", "b"), 1.0, {"bm25": Part(1.0, 1, 1.0)})
    for boosted, expected in ((0.5, ["without"]), (0.1, [])):
        parts = {"bm25": Part(0.8 + 0.2 * (boosted == 0.1), 2, 1.1 - boosted), "rule:sale": Part(0.5, None, boosted)}
        above = Hit(1, Product("a", "a"), 1.1, parts)
        if boosted == 0.1:
            above = Hit(1, Product("a", "a"), 1.2, parts | {"bm25": Part(1.1, 1, 1.1)})
        found = changes(own, above, [above, own], Fusion.of([above, own], SearchSettings()), ())
        assert [change.kind for change in found if change.kind == "without"] == expected
