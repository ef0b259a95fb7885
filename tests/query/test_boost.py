import pytest

from aisle.query.boost import boost
from aisle.query.constraint import Constraint
from aisle.types import Compare, Part, Product

RED = Constraint("colour", "red", Compare("colour", "=", "Red"), 0.8)
ACME = Constraint("brand", "acme", Compare("brand", "=", "Acme"), 0.5)
PRODUCTS = {
    "a": Product("a", "Blue thing", brand="Acme", attributes={"colour": "Blue"}),
    "b": Product("b", "Red thing", brand="Bolt", attributes={"colour": "Red"}),
    "c": Product("c", "Thing"),
    "d": Product("d", "Thing with wheels", attributes={"colour": "Red"}),
}
SCORED = [
    (i, s, {"bm25": Part(s, n, s)}) for n, (i, s) in enumerate([("a", 0.5), ("b", 0.45), ("c", 0.44), ("d", 0.1)], 1)
]


def test_by_hand():
    """The best score is 0.5 and the weight 0.2, so a demand moves by 0.1 times its certainty."""
    found = boost(SCORED, PRODUCTS, [RED, ACME], 0.2)
    assert {i: score for i, score, _ in found} == pytest.approx(
        {"a": 0.5 - 0.08 + 0.05, "b": 0.45 + 0.08 - 0.05, "c": 0.44, "d": 0.1 + 0.08}
    )
    assert [i for i, _, _ in found] == ["b", "a", "c", "d"]
    parts = {i: parts for i, _, parts in found}
    assert parts["b"]["asked:colour"] == Part(0.8, None, pytest.approx(0.08))
    assert parts["a"]["asked:colour"] == Part(-0.8, None, pytest.approx(-0.08))
    assert set(parts["c"]) == {"bm25"}


def test_contributions_add_up_to_the_score():
    for _, score, parts in boost(SCORED, PRODUCTS, [RED, ACME], 0.3, unwanted=["wheels"]):
        assert sum(part.contribution for part in parts.values()) == pytest.approx(score)


def test_demands_of_one_kind_are_one_part():
    blue = Constraint("colour", "blue", Compare("colour", "=", "Blue"), 0.4)
    (found,) = [parts for i, _, parts in boost(SCORED, PRODUCTS, [RED, blue], 0.2) if i == "a"]
    assert found["asked:colour"].score == pytest.approx(0.4 - 0.8)


def test_what_no_field_knows_counts_by_the_title():
    found = {i: parts for i, _, parts in boost(SCORED, PRODUCTS, [], 0.2, unwanted=["wheel"])}
    assert found["d"]["asked:without"] == Part(-0.5, None, pytest.approx(-0.05))
    assert "asked:without" not in found["a"]


def test_nothing_changes_without_weight_demands_or_products():
    assert boost(SCORED, PRODUCTS, [RED], 0.0) == SCORED
    assert boost(SCORED, PRODUCTS, [], 0.2) == SCORED
    assert boost(SCORED, {}, [RED], 0.2) == SCORED
    assert boost([], {}, [RED], 0.2) == []


def test_ties_go_by_id_and_the_input_stays():
    tied = [("z", 1.0, {}), ("y", 1.0, {})]
    assert [i for i, _, _ in boost(tied, {}, [RED], 0.1)] == ["y", "z"]
    assert [i for i, _, _ in tied] == ["z", "y"]
    assert "asked:colour" not in SCORED[0][2]
