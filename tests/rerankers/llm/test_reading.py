"""What answers mean, by hand calculation; and that strange ones do no harm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.llm import Answer
from aisle.rerankers.llm.reading import chance_of_first, chance_of_yes, expected_grade, first_word, order_of, weights


def logs(**shares):
    return {token: math.log(share) for token, share in shares.items()}


def test_yes_against_no():
    answer = Answer("yes", {**logs(yes=0.5, Yes=0.1, no=0.2, maybe=0.2), " no": math.log(0.05)})
    assert chance_of_yes(answer) == pytest.approx(0.6 / 0.85)
    assert chance_of_yes(answer, exact=True) == pytest.approx(0.5 / 0.7)
    assert chance_of_yes(Answer("", logs(是=0.6, 否=0.2))) == pytest.approx(0.75)


def test_one_that_is_not_among_the_candidates_has_the_least_of_them_at_most():
    assert chance_of_yes(Answer("", logs(yes=0.9, the=0.06, a=0.04))) == pytest.approx(0.9 / 0.94)
    assert chance_of_yes(Answer("", logs(yes=0.02, the=0.9))) == pytest.approx(0.5)  # least likely itself
    assert chance_of_yes(Answer("", logs(maybe=0.9, the=0.06))) is None
    assert weights({}, (("a",), ("b",))) is None


def test_of_a_text_alone():
    for text, chance in (
        ("yes", 1.0), ("Yes.", 1.0), ("**No**", 0.0), (' "no"', 0.0), ("是", 1.0), ("不相关", 0.0), ("相关。", 1.0),
        ("<think>\nIt is no hub, or is it?\n</think>\n\nyes", 1.0), ("Well", None), ("", None), ("yesterday", None),
    ):  # fmt: skip
        assert chance_of_yes(Answer(text)) == chance, text


def test_grades():
    answer = Answer("2", logs(**{"0": 0.1, "1": 0.2, "2": 0.3, " 2": 0.1, "3": 0.1, "7": 0.2}))
    assert expected_grade(answer, 4) == pytest.approx((0.2 + 0.8 + 0.3) / 0.8)
    assert expected_grade(Answer("2"), 4) == 2.0
    assert expected_grade(Answer("Grade"), 4) is None
    assert expected_grade(Answer("4"), 4) is None
    assert expected_grade(Answer("12"), 4) is None


def test_the_better_of_two():
    assert chance_of_first(Answer("", logs(A=0.6, B=0.2, a=0.1))) == pytest.approx(0.7 / 0.9)
    assert chance_of_first(Answer("B.")) == 0.0
    assert chance_of_first(Answer("Both")) is None


def test_orders():
    for text, order in (
        ("[2] > [1] > [3]", [1, 0, 2]),
        ("[3]>[1]", [2, 0, 1]),  # what is missing follows
        ("[2] > [2] > [9] > [0] > [1]", [1, 0, 2]),  # what is foreign or comes again is passed over
        ("2, 3, 1", [1, 2, 0]),
        ("The best is [3], an iPhone 2", [2, 0, 1]),  # where there are brackets, they count
        ("<think>[1] or [2]?</think>[2] > [3]", [1, 2, 0]),
        ("[3] > [2", [2, 0, 1]),  # cut
        ("I cannot say", None),
        ("[7] > [99999999999999]", None),
        ("", None),
    ):
        assert order_of(Answer(text), 3) == order, text


@given(st.text(), st.integers(1, 30))
def test_an_order_is_a_permutation_whatever_is_said(text, count):
    for said in (text, f"[2] > {text} > [1]"):
        found = order_of(Answer(said), count)
        assert found is None or sorted(found) == list(range(count))
        first_word(said)


@given(st.dictionaries(st.text(max_size=5), st.floats(-200, 0), min_size=1))
def test_a_chance_is_one_whatever_the_candidates(choices):
    for found in (chance_of_yes(Answer("", choices)), chance_of_first(Answer("", choices))):
        assert found is None or 0 <= found <= 1
