"""What knowledge adds to scores, worked out by hand."""

import pytest

from aisle.knowledge.added import add_compatible, add_part, missing
from aisle.knowledge.compatibility import Fit
from aisle.types import Part

SCORED = [("printer", 0.8, {"bm25": Part(9.0, 1, 0.8)}), ("a", 0.5, {}), ("b", 0.1, {"bm25": Part(2.0, 2, 0.1)})]


def fit(product_id: str, certainty: float = 1.0) -> Fit:
    level = "stated" if certainty == 1.0 else "inferred"
    return Fit(product_id, level, certainty, "attributes.compatibility", "MFC-240C", "", product_id)


def test_what_fits_goes_first_and_what_was_no_candidate_is_added():
    ranked = add_compatible(SCORED, [fit("b"), fit("new"), fit("a", 0.5)])
    # best score 0.8: b 0.1 + 0.8, a 0.5 + 0.4, new 0 + 0.8; b and a tie at 0.9
    assert [(item[0], round(item[1], 9)) for item in ranked] == [("a", 0.9), ("b", 0.9), ("new", 0.8), ("printer", 0.8)]
    assert ranked[1][2] == {"bm25": Part(2.0, 2, 0.1), "compatible": Part(1.0, 1, 0.8)}
    assert ranked[0][2]["compatible"] == Part(0.5, 3, 0.4)


def test_contributions_add_up():
    for _, score, parts in add_compatible(SCORED, [fit("b", 0.7), fit("new")], weight=2.0):
        if parts:
            assert sum(part.contribution for part in parts.values()) == pytest.approx(score)


def test_a_stated_fit_gets_more_than_an_inferred_one():
    equal = [("x", 0.4, {}), ("y", 0.4, {})]
    assert [item[0] for item in add_compatible(equal, [fit("x", 0.9), fit("y")])] == ["y", "x"]


def test_the_scale_of_the_scores_does_not_matter():
    small, large = [("p", 0.02, {}), ("q", 0.01, {})], [("p", 20.0, {}), ("q", 10.0, {})]
    ranked = [add_compatible(scored, [fit("q", 0.6)]) for scored in (small, large)]
    assert [item[0] for item in ranked[0]] == [item[0] for item in ranked[1]] == ["q", "p"]


def test_nothing_known_changes_nothing():
    assert add_compatible(SCORED, []) == SCORED
    assert add_compatible(SCORED, [fit("b")], weight=0.0) == SCORED
    assert [item[0] for item in add_compatible([], [fit("b"), fit("a")])] == ["a", "b"]


def test_inputs_stay_untouched():
    before = [(id, score, dict(parts)) for id, score, parts in SCORED]
    add_part(SCORED, "category", {"a": 1.0, "b": 1.0}, 1.0)
    assert before == SCORED


def test_missing():
    assert missing(SCORED, [fit("new"), fit("a"), fit("other")]) == ("new", "other")
