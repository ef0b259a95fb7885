"""Rules about attributes that no product has: an index refuses such filters, a shop with such rules still answers."""

from datetime import date

import pytest

from aisle.config import IndexSettings
from aisle.errors import FilterError
from aisle.filters import matches, parse_filter
from aisle.indexes.lance import LanceIndex
from aisle.rules import active, apply_boosts, fit, meets_in_index, parse_rules, remove_blocked, retrieval_filter
from aisle.rules.active import without
from aisle.types import Part, Product, Record, SearchRequest

DAY = date(2026, 11, 25)
PRODUCTS = [Product("1", "Kettle", brand="A", attributes={"colour": "red"}), Product("2", "Lamp", brand="B")]
RULES = parse_rules("""
[[rule]]
name = "sale"
when = { query = ["sale"] }
filter = "NOT season = past"
boost = { filter = "season = new OR brand = B", by = 0.5 }
bury = { filter = "colour = red", by = 0.1 }

[[rule]]
name = "season"
when = { query = ["season"] }
filter = "EXISTS season OR season IN (new, old)"

[safety]
filter = "hazardous = true OR brand = C"
""")


@pytest.fixture
def index(tmp_path):
    index = LanceIndex.create(tmp_path / "index", IndexSettings(), {})
    index.upsert([Record(product, "", {}) for product in PRODUCTS])
    yield index
    index.close()


def found(index, rules, query):
    wanted = retrieval_filter(None, active(rules, query, DAY))
    return [i for i, _ in index.search(SearchRequest("", filter=wanted), {}, 10).lists["browse"]]


def test_a_condition_on_a_field_that_no_product_has_is_one_that_none_meets(index):
    with pytest.raises(FilterError, match="no product has an attribute"):
        found(index, RULES, "lamp")
    rules = fit(RULES, index)
    assert rules.absent == {"hazardous", "season"}
    assert rules.safety == RULES.safety
    assert found(index, rules, "lamp") == found(index, rules, "sale") == ["1", "2"]
    assert found(index, rules, "season") == []
    ranked = [("1", 2.0, {"bm25": Part(2.0, 1, 2.0)}), ("2", 1.0, {"bm25": Part(1.0, 2, 1.0)})]
    got = apply_boosts(ranked, active(rules, "sale", DAY), meets_in_index(index))
    assert [(i, pytest.approx(s)) for i, s, _ in got] == [("2", 2.0), ("1", 1.8)]


def test_what_becomes_forbidden_after_is_never_shown_and_soon_not_counted(index):
    rules = fit(RULES, index)
    bad = Product("3", "Acid", attributes={"hazardous": True})
    index.upsert([Record(bad, "", {})])
    assert found(index, rules, "lamp") == ["1", "2", "3"]
    ranked = [(i, 1.0, {}) for i in ("1", "2", "3")]
    products = {product.id: product for product in (*PRODUCTS, bad)}
    shown = remove_blocked(ranked, products, active(rules, "lamp", DAY))
    assert [item[0] for item in shown] == ["1", "2"]
    again = fit(RULES, index)
    assert again.absent == {"season"}
    assert found(index, again, "lamp") == ["1", "2"]


@pytest.mark.parametrize(
    "text",
    ["size = 3", "NOT size != 3", "size IN (3, 4) OR brand = A", "NOT (EXISTS size AND brand = A)", "category UNDER X"],
)
def test_it_means_the_same_for_products_without_the_field(text):
    filter = parse_filter(text)
    for product in PRODUCTS:
        assert matches(without(filter, frozenset({"size"})), product) == matches(filter, product)
