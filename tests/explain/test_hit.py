"""Contributions and verdicts of a hit: sums, the product field that decides, stages that nobody has heard of."""

import pytest

from aisle.explain import explain_hit, explain_page, filter_constraints
from aisle.filters import parse_filter
from aisle.query.constraint import Constraint
from aisle.types import Compare, Hit, Not, Part, Product, SearchRequest

SHOE = Product("s", "Red shoe", brand="Nike", attributes={"colour": "red"}, price=40.0)
DEMANDS = (
    Constraint("price", "under 50", Compare("price", "<", 50.0), 1.0),
    Constraint("colour", "blue", Compare("colour", "=", "blue"), 0.9),
    Constraint("attribute", "waterproof", Compare("attributes.waterproof", "=", True), 0.8),
    Constraint("without", "no leather", Not(Compare("material", "=", "leather")), 0.9),
)


def hit(parts):
    return Hit(1, SHOE, sum(part.contribution for part in parts.values()), parts)


def test_every_stage_of_the_hit_is_told_with_what_it_gave():
    parts = {
        "bm25": Part(12.0, 2, 0.3),
        "brand new stage": Part(0.5, None, 0.0),
        "asked:colour": Part(-0.9, None, -0.09),
    }
    found = explain_hit("red shoe", hit(parts), details={"bm25": {"brand": 3.0, "title": 9.0, "category": 0.0}})
    assert [(c.stage, c.score, c.rank, c.contribution) for c in found.contributions] == [
        ("bm25", 12.0, 2, 0.3),
        ("brand new stage", 0.5, None, 0.0),
        ("asked:colour", -0.9, None, -0.09),
    ]
    assert found.contributions[0].details == (("title", 9.0), ("brand", 3.0))
    assert found.score == pytest.approx(0.21)


def test_each_demand_has_the_field_that_decides():
    found = explain_hit("q", hit({}), DEMANDS).verdicts
    assert [(v.constraint.text, v.status, v.found) for v in found] == [
        ("under 50", "satisfied", (("price", 40.0),)),
        ("blue", "contradicted", (("colour", "red"),)),
        ("waterproof", "unknown", ()),
        ("no leather", "satisfied", ()),
    ]


def test_a_filter_becomes_demands_one_for_each_condition():
    found = filter_constraints(parse_filter('brand = "Nike" AND price < 50 AND (colour = red OR colour = blue)'))
    assert [(one.kind, one.certainty) for one in found] == [("brand", 1.0), ("price", 1.0), ("attribute", 1.0)]
    assert found[1].text == "price < 50"
    assert [one.kind for one in filter_constraints(parse_filter("category UNDER 'Mice'"))] == ["category"]
    assert filter_constraints(None) == ()


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
@pytest.mark.parametrize("text", ["wireless mouse", "无线鼠标", "QC45-BLK", ""])
def test_on_a_page_contributions_sum_to_the_score_and_details_to_the_raw_score(engine, text, mode):
    ranking = engine.search(SearchRequest(text, mode=mode))
    pages = explain_page(engine, ranking)
    assert [page.product.id for page in pages] == [hit.product_id for hit in ranking.hits]
    for page in pages:
        assert sum(item.contribution for item in page.contributions) == pytest.approx(page.score, abs=1e-9)
        for item in page.contributions:
            if item.stage == "bm25":  # its raw score is rounded to 4 decimals
                assert sum(value for _, value in item.details) == pytest.approx(item.score, abs=1e-3)
            else:
                assert item.details == ()
