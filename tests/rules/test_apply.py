"""What rules do to a ranking: by hand, and what must hold whatever the rules."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.ranking.fusion import fuse
from aisle.rules import (
    Active,
    Change,
    Pin,
    Refusal,
    Rule,
    Safety,
    When,
    apply_boosts,
    apply_pins,
    meets_in_products,
    record,
    remove_blocked,
)
from aisle.types import Compare, Part, Product

ANY = When((), "any")
SONY, CHEAP, ODD = Compare("brand", "=", "Sony"), Compare("price", "<", 20.0), Compare("no_such_field", "=", "x")
PRODUCTS = {
    "a": Product("a", "TV a", brand="Sony", price=500.0),
    "b": Product("b", "TV b", brand="LG", price=400.0),
    "c": Product("c", "Cable", brand="Sony", price=5.0),
    "d": Product("d", "TV d", brand="LG", price=300.0, category=("Weapons", "Toys")),
}
MEETS = meets_in_products(PRODUCTS)


def ranked(*pairs):
    return [(i, s, {"bm25": Part(s, n, s)}) for n, (i, s) in enumerate(pairs, start=1)]


def pairs(scored):
    return [(product_id, pytest.approx(score)) for product_id, score, _ in scored]


def adds_up(scored):
    return all(score == pytest.approx(sum(p.contribution for p in parts.values())) for _, score, parts in scored)


def falls(scored):
    return all(one[1] >= two[1] for one, two in pairwise(scored))


# --- boosts ---


def test_a_boost_is_a_share_of_the_best_score():
    # best is 2: Sony gets 0.2 * 2 = 0.4, cheap loses 0.6 * 2 = 1.2
    rule = Rule("r", ANY, boost=Change(SONY, 0.2), bury=Change(CHEAP, 0.6))
    got = apply_boosts(ranked(("b", 2.0), ("a", 1.8), ("c", 1.5), ("d", 0.1)), Active((rule,)), MEETS)
    assert pairs(got) == [("a", 2.2), ("b", 2.0), ("c", 0.7), ("d", 0.1)]
    assert got[0][2]["rule:r"] == Part(0.2, None, pytest.approx(0.4))
    assert got[2][2]["rule:r"] == Part(pytest.approx(-0.4), None, pytest.approx(-0.8))
    assert set(got[1][2]) == set(got[3][2]) == {"bm25"}
    assert adds_up(got)


def test_a_share_of_negative_scores_and_of_none():
    rule = Rule("r", ANY, boost=Change(SONY, 0.5))
    assert pairs(apply_boosts(ranked(("b", -0.1), ("a", -0.2)), Active((rule,)), MEETS)) == [("a", -0.1), ("b", -0.1)]
    assert pairs(apply_boosts(ranked(("b", 0.0), ("c", 0.0)), Active((rule,)), MEETS)) == [("c", 0.5), ("b", 0.0)]


def test_two_rules_boost_by_both_and_each_is_recorded():
    rules = (Rule("one", ANY, boost=Change(SONY, 0.1)), Rule("two", ANY, boost=Change(CHEAP, 0.3)))
    got = apply_boosts(ranked(("b", 1.0), ("c", 0.5)), Active(rules), MEETS)
    assert pairs(got) == [("b", 1.0), ("c", 0.9)]
    assert {stage: part.score for stage, part in got[1][2].items()} == {"bm25": 0.5, "rule:one": 0.1, "rule:two": 0.3}


def test_nothing_to_boost():
    scored = ranked(("b", 1.0), ("a", 0.5))
    assert apply_boosts(scored, Active(), MEETS) == scored
    assert apply_boosts(scored, Active((Rule("r", ANY, boost=Change(ODD, 1.0)),)), MEETS) == scored
    assert apply_boosts([], Active((Rule("r", ANY, boost=Change(SONY, 1.0)),)), MEETS) == []


# --- pins ---


def pinned(scored, *rules, known="abcdxyz", safety=None):
    return apply_pins(scored, Active(rules, safety or Safety()), set(known))


def test_pins_at_the_top_in_the_middle_and_at_the_end():
    scored = ranked(("a", 0.9), ("b", 0.5), ("c", 0.3))
    got = pinned(scored, Rule("r", ANY, pins=(Pin("x", 1), Pin("c", 3), Pin("y", 5))))
    # x leads: 0.9 + 1; c between 0.9 and 0.5; y after the last: 0.5 - 1
    assert pairs(got) == [("x", 1.9), ("a", 0.9), ("c", 0.7), ("b", 0.5), ("y", -0.5)]
    assert got[0][2] == {"rule:r": Part(0.0, 1, pytest.approx(1.9))}
    assert got[2][2] == {"bm25": Part(0.3, 3, 0.3), "rule:r": Part(0.0, 3, pytest.approx(0.4))}
    assert adds_up(got)


def test_several_pins_in_a_row_share_the_gap():
    got = pinned(ranked(("a", 1.0), ("b", 0.4)), Rule("r", ANY, pins=(Pin("x", 2), Pin("y", 3))))
    assert pairs(got) == [("a", 1.0), ("x", 0.8), ("y", 0.6), ("b", 0.4)]


def test_between_equal_scores_a_pin_has_exactly_theirs():
    tied = 0.7526137392060503  # 10 + (this - 10) is a little less
    scored = ranked(("c", 10.0), ("a", tied), ("b", tied))
    assert [s for _, s, _ in pinned(scored, Rule("r", ANY, pins=(Pin("c", 2),)))] == [tied] * 3


def test_a_ranking_of_pins_alone():
    rule = Rule("r", ANY, pins=(Pin("x", 7), Pin("y", 2)))
    assert pairs(pinned([], rule)) == [("y", 2.0), ("x", 1.0)]


def test_two_pins_for_a_place():
    low, high = Rule("low", ANY, pins=(Pin("x", 1), Pin("y", 2))), Rule("high", ANY, priority=1, pins=(Pin("z", 1),))
    got = pinned(ranked(("a", 0.9)), high, low)
    assert [(i, [s for s in parts if s.startswith("rule")]) for i, _, parts in got] == [
        ("z", ["rule:high"]),
        ("x", ["rule:low"]),
        ("y", ["rule:low"]),
        ("a", []),
    ]


def test_one_product_pinned_twice_and_products_that_are_not_there():
    rules = (Rule("one", ANY, pins=(Pin("a", 2),)), Rule("two", ANY, pins=(Pin("a", 1), Pin("gone", 1), Pin("x", 3))))
    got = pinned(ranked(("c", 0.9), ("a", 0.5), ("d", 0.4)), *rules)
    assert [item[0] for item in got] == ["c", "a", "x", "d"]
    assert set(got[1][2]) == {"bm25", "rule:one"}


def test_blocked_and_forbidden_products_are_not_pinned():
    rule = Rule("r", ANY, pins=(Pin("a", 1), Pin("b", 1)), blocked=("a",))
    got = pinned(ranked(("c", 0.9)), rule, safety=Safety(("b",)))
    assert [item[0] for item in got] == ["c"]


def test_a_rule_that_boosts_and_pins_has_one_part():
    rule = Rule("r", ANY, boost=Change(SONY, 0.5), pins=(Pin("c", 1),))
    got = apply_boosts(ranked(("b", 1.0), ("c", 0.1)), Active((rule,)), MEETS)
    got = pinned(got, rule)
    assert pairs(got) == [("c", 2.0), ("b", 1.0)]
    assert got[0][2]["rule:r"] == Part(0.5, 1, pytest.approx(1.9))


# --- taken out, recorded ---


def test_what_is_taken_out():
    scored = ranked(("a", 4.0), ("b", 3.0), ("c", 2.0), ("d", 1.0))
    rule = Rule("r", ANY, blocked=("b",))
    assert pairs(remove_blocked(scored, {}, Active((rule,)))) == [("a", 4.0), ("c", 2.0), ("d", 1.0)]
    safe = Safety(("c",), Compare("category", "=", "Weapons > Toys"))
    assert pairs(remove_blocked(scored, PRODUCTS, Active((rule,), safe))) == [("a", 4.0)]
    assert remove_blocked(scored, PRODUCTS, Active(refused=Refusal("no", "x"))) == []


def test_a_product_that_cannot_be_judged_by_the_safety_list_goes():
    scored = ranked(("a", 4.0), ("b", 3.0))
    safe = Safety(filter=SONY)
    assert pairs(remove_blocked(scored, {"b": PRODUCTS["b"]}, Active((), safe))) == [("b", 3.0)]


def test_rules_that_act_on_the_whole_answer_are_recorded_on_every_hit():
    whole = [
        Rule("f", ANY, filter=SONY), Rule("s", ANY, synonyms=("a, b",)), Rule("k", ANY, blocked=("z",)),
        Rule("d", ANY, redirect="/"),
    ]  # fmt: skip
    rules = (*whole, Rule("p", ANY, pins=(Pin("a", 1),)), Rule("b", ANY, boost=Change(ODD, 0.1)))
    [(_, score, parts)] = record(ranked(("a", 4.0)), Active(rules))
    assert score == 4.0
    assert parts == {"bm25": Part(4.0, 1, 4.0)} | {f"rule:{n}": Part(0.0, None, 0.0) for n in "fskd"}
    both = Rule("r", ANY, filter=SONY, boost=Change(SONY, 0.5))
    boosted = apply_boosts(ranked(("a", 4.0)), Active((both,)), MEETS)
    assert record(boosted, Active((both,))) == boosted


# --- whatever the rules ---

IDS = "abcdefgh"
_SCORES = st.floats(-5, 5) | st.integers(-2, 2).map(float)
_LISTS = st.dictionaries(
    st.sampled_from(("bm25", "dense:text")), st.dictionaries(st.sampled_from(IDS), _SCORES), min_size=1
)
_FILTERS = st.sampled_from([SONY, CHEAP, ODD])
_CHANGES = st.none() | st.builds(Change, _FILTERS, st.floats(0.01, 10))
_PINS = st.lists(st.builds(Pin, st.sampled_from(IDS + "xyz"), st.integers(1, 12)), max_size=4).map(tuple)
_RULES = st.lists(
    st.builds(
        Rule, st.sampled_from(("one", "two")), st.just(ANY), pins=_PINS, boost=_CHANGES, bury=_CHANGES,
        blocked=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    ),
    max_size=4,
    unique_by=lambda rule: rule.name,
).map(tuple)  # fmt: skip


def catalogue():
    return {
        i: Product(i, i, brand="Sony" if n % 2 else "LG", price=10.0 * n) for n, i in enumerate(IDS + "xy")
    }  # z is not there


def fused(lists):
    ordered = {s: sorted(found.items(), key=lambda item: (-item[1], item[0])) for s, found in lists.items()}
    return fuse(ordered, {"bm25": 0.35, "dense:text": 0.65})


@given(_LISTS, _RULES)
def test_boosts_are_what_a_slow_version_makes_of_them(lists, rules):
    products, scored = catalogue(), fused(lists)
    got = apply_boosts(scored, Active(rules), meets_in_products(products))
    best = max((abs(score) for _, score, _ in scored), default=0.0) or 1.0
    want = {}
    for product_id, score, _ in scored:
        product = products[product_id]
        for rule in rules:
            for change, sign in ((rule.boost, 1), (rule.bury, -1)):
                hit = change is not None and (
                    (change.filter == SONY and product.brand == "Sony")
                    or (change.filter == CHEAP and product.price < 20)
                )
                score += sign * change.by * best if hit else 0.0
        want[product_id] = score
    assert {i: s for i, s, _ in got} == pytest.approx(want)
    assert [item[0] for item in got] == [i for i, s, _ in sorted(got, key=lambda item: (-item[1], item[0]))]
    assert adds_up(got)


@given(_LISTS, _RULES)
def test_pins_are_at_their_places_and_scores_fall(lists, rules):
    known = set(catalogue())
    scored = apply_boosts(fused(lists), Active(rules), meets_in_products(catalogue()))
    got = apply_pins(scored, Active(rules), known)
    blocked = {i for rule in rules for i in rule.blocked}
    order = [item[0] for item in got]
    assert falls(got)
    assert adds_up(got)
    assert len(order) == len(set(order))
    taken, placed = set(), {}
    for rule in rules:
        for pin in rule.pins:
            if pin.product_id in known - blocked and pin.product_id not in placed:
                placed[pin.product_id] = next(p for p in range(pin.place, 99) if p not in taken)
                taken.add(placed[pin.product_id])
    assert set(order) == {item[0] for item in scored} | set(placed)
    assert [i for i in order if i not in placed] == [item[0] for item in scored if item[0] not in placed]
    for product_id, place in placed.items():
        others = len(order) - len(placed)
        before = sum(p < place for p in placed.values())
        assert order.index(product_id) + 1 == min(place, others + before + 1)
        assert any(s.startswith("rule:") for s in got[order.index(product_id)][2])


def test_dates_are_for_a_rule_alone():
    rule = Rule("r", ANY, start=date(2026, 1, 2), end=date(2026, 1, 3))
    assert [rule.on(date(2026, 1, day)) for day in (1, 2, 3, 4)] == [False, True, True, False]
