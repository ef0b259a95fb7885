"""What the safety list forbids is never found, counted, listed or shown, whatever the rules: over a real index."""

import random
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisle.config import IndexSettings
from aisle.filters import matches, parse_filter
from aisle.indexes.lance import LanceIndex
from aisle.ranking.fusion import fuse, lift
from aisle.rules import (
    Active,
    Change,
    Pin,
    Rule,
    RuleSet,
    Safety,
    When,
    active,
    apply_boosts,
    apply_pins,
    forbidden_filter,
    meets_in_index,
    meets_in_products,
    record,
    remove_blocked,
    retrieval_filter,
)
from aisle.types import And, Compare, SearchRequest, Under
from tests.contracts.index_contract import random_filter
from tests.contracts.rows import real_products, records

PRODUCTS = real_products(60)
BY_ID = {product.id: product for product in PRODUCTS}
IDS = [product.id for product in PRODUCTS]
TODAY = date(2026, 11, 25)
MEETS = meets_in_products(BY_ID)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    index = LanceIndex.create(tmp_path_factory.mktemp("rules") / "index", IndexSettings(), {"text": 16})
    index.upsert(records(PRODUCTS))
    yield index
    index.close()


_IDS = st.sampled_from([*IDS, "nowhere"])
_FILTERS = st.integers(0, 10_000).map(lambda seed: random_filter(PRODUCTS, random.Random(seed)))
_CHANGES = st.none() | st.builds(Change, _FILTERS, st.floats(0.01, 10))
_WHEN = st.sampled_from([When((), "any"), When(("usb",)), When(("hp laptop",), "phrase"), When(("laptop",), "exact")])
_RULES = st.lists(
    st.builds(
        Rule, st.uuids().map(str), _WHEN, boost=_CHANGES, bury=_CHANGES, filter=st.none() | _FILTERS,
        priority=st.integers(-2, 2), redirect=st.sampled_from(("", "/x")),
        blocked=st.lists(_IDS, max_size=3).map(tuple),
        pins=st.lists(st.builds(Pin, _IDS, st.integers(1, 9)), max_size=4).map(tuple),
    ),
    max_size=5,
).map(tuple)  # fmt: skip
_SAFETY = st.builds(
    Safety, st.lists(_IDS, max_size=6).map(tuple), st.none() | _FILTERS, st.just(("pipe bomb",))
)  # fmt: skip
_QUERIES = st.sampled_from(["usb", "hp laptop", "laptop", "", "radio", "pipe bombs", "PIPE-BOMB usb"])


def answer(rules, query, found, identified):
    """What an engine does with rules, with the products it found by whatever means, forbidden ones among them."""
    now = active(rules, query, TODAY)
    if now.refused:
        return now, []
    scored = apply_boosts(fuse({"bm25": found}, {}), now, MEETS)
    scored = lift(scored, "identifier", identified)
    wanted = retrieval_filter(None, now) or And(())
    scored = apply_pins(scored, now, MEETS(wanted, [pin.product_id for _, pin in now.pins]))
    return now, record(remove_blocked(scored, BY_ID, now), now)


@settings(deadline=None, max_examples=150)
@given(
    _RULES, _SAFETY, _QUERIES, st.lists(st.sampled_from(IDS), unique=True), st.lists(st.sampled_from(IDS), max_size=2)
)
def test_nothing_forbidden_is_ever_shown(rules, safety, query, found, identified):
    ranked = [(product_id, float(len(found) - place)) for place, product_id in enumerate(found)]
    now, shown = answer(RuleSet(rules, safety), query, ranked, identified)
    assert ("bomb" in query.lower()) == (now.refused is not None)
    forbids = [
        i for i in IDS if i in safety.products or (safety.filter is not None and matches(safety.filter, BY_ID[i]))
    ]
    blocked = {i for rule in now.rules for i in rule.blocked}
    order = [item[0] for item in shown]
    assert not set(order) & (set(forbids) | blocked | {"nowhere"})
    if now.refused is None:  # and nothing else is taken out
        assert set(found) | set(identified) <= set(order) | set(forbids) | blocked
    assert [s for _, s, _ in shown] == sorted((s for _, s, _ in shown), reverse=True)
    for _, score, parts in shown:
        assert score == pytest.approx(sum(part.contribution for part in parts.values()))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RULES, _SAFETY, st.none() | _FILTERS)
def test_retrieval_keeps_out_exactly_what_it_should(index, rules, safety, asked):
    now = Active(rules, safety)
    wanted = retrieval_filter(asked, now)
    allowed = {
        product.id
        for product in PRODUCTS
        if (asked is None or matches(asked, product))
        and all(rule.filter is None or matches(rule.filter, product) for rule in rules)
        and not any(product.id in rule.blocked for rule in rules)
        and product.id not in safety.products
        and not (safety.filter is not None and matches(safety.filter, product))
    }
    assert index.count(wanted) == len(allowed)
    found = index.search(SearchRequest("", filter=wanted), {}, 100).lists["browse"]
    assert {product_id for product_id, _ in found} == allowed
    assert set(meets_in_index(index)(wanted or And(()), [*IDS, "nowhere"])) == allowed
    assert set(MEETS(wanted or And(()), [*IDS, "nowhere"])) == allowed


@pytest.mark.parametrize("field", ["category", "brand", "id"])
def test_facets_do_not_count_what_is_forbidden(index, field):
    """A facet leaves out conditions on its own field, which must not bring forbidden products back."""
    product = next(p for p in PRODUCTS if p.category and p.brand)
    own = {"category": Under(product.category), "brand": Compare("brand", "=", product.brand)}
    safety = Safety((product.id,)) if field == "id" else Safety(filter=own[field])
    wanted = retrieval_filter(parse_filter("EXISTS title"), Active((), safety))
    want = {}
    for one in PRODUCTS:
        if not matches(forbidden_filter(safety), one):
            paths = [" > ".join(one.category[:n]) for n in range(1, len(one.category) + 1)]
            for value in {"category": paths, "brand": [one.brand] if one.brand else [], "id": [one.id]}[field]:
                want[value.casefold()] = want.get(value.casefold(), 0) + 1
    got = index.facets([field], wanted, 1_000).fields[field]
    assert {value.value.casefold(): value.count for value in got} == want


def test_a_facet_still_leaves_out_what_the_shopper_asked_of_its_field(index):
    """Multi-select goes on: the values a shopper could add keep their counts."""
    brand = PRODUCTS[1].brand
    wanted = retrieval_filter(Compare("brand", "=", brand), Active((), Safety(("nowhere",))))
    assert {v.value for v in index.facets(["brand"], wanted, 1_000).fields["brand"]} > {brand}


def test_a_boost_on_an_attribute_that_is_gone_moves_nothing(index):
    assert set(meets_in_index(index)(Compare("no_such_attribute", "=", "x"), IDS)) == set()
