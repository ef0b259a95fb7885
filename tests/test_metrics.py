import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.errors import MetricError
from aisle.metrics import Metric, split_names


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("nDCG@10", "nDCG@10"),
        ("ndcg@10", "nDCG@10"),
        ("NDCG", "nDCG"),
        ("nDCG(gain=exp2)@5", "nDCG@5"),
        ("nDCG(gain=linear)@10", "nDCG(gain=linear)@10"),
        ("nDCG(gain=0:0,1:0.01,2:0.1,3:1)@10", "nDCG(gain=0:0,1:0.01,2:0.1,3:1)@10"),
        ("nDCG(gain=3:100, 1:.000001)", "nDCG(gain=1:0.000001,3:100)"),
        ("AP", "MAP"),
        ("map@100", "MAP@100"),
        ("RR@10", "MRR@10"),
        ("mrr", "MRR"),
        ("P(rel=2)@10", "P(rel=2)@10"),
        ("MRR(rel=2.5)@10", "MRR(rel=2.5)@10"),
        ("P(rel=1)@10", "P@10"),
        ("Recall@100", "R@100"),
        ("R@100", "R@100"),
        ("ERR@20", "ERR@20"),
        ("ERR(max=3)@20", "ERR(max=3)@20"),
        ("Judged@10", "judged@10"),
    ],
)
def test_what_prints_also_parses(text, printed):
    metric = Metric.parse(text)
    assert str(metric) == printed
    assert Metric.parse(printed) == metric
    assert metric.definition


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unknown metric ''"),
        ("nDGC@10", "unknown metric 'nDGC@10'\nallowed: nDCG@10"),
        ("nDCG@ten", "unknown metric"),
        ("nDCG@-1", "unknown metric"),
        ("P", "needs a cut-off"),
        ("R", "needs a cut-off"),
        ("nDCG@0", "needs a cut-off"),
        ("nDCG(rel=2)@10", r"no parameter 'rel'\nallowed: nDCG\(gain"),
        ("judged(rel=2)@10", "judged without parameters"),
        ("nDCG(gain=log)@10", "gain 'log'"),
        ("nDCG(gain=1:a)@10", "'a' is not a number"),
        ("nDCG(gain=1:1,1:2)@10", "each grade from 0 once"),
        ("nDCG(gain=1:-1)@10", "gains of 0 or more"),
        ("P(rel=0)@10", "rel must be above 0"),
        ("P(rel=nan)@10", "'nan' is not a number"),
        ("ERR(max=0)@10", "allowed: 1 to 60"),
    ],
)
def test_a_wrong_name_says_what_is_allowed(text, reason):
    with pytest.raises(MetricError, match=reason):
        Metric.parse(text)


def test_names_split_at_commas_outside_brackets():
    assert split_names("nDCG(gain=0:0,1:1)@10, MRR@10,,P@5") == ["nDCG(gain=0:0,1:1)@10", "MRR@10", "P@5"]


RANKED = [3.0, None, 0.0, 1.0, None, 2.0]
JUDGED = [3.0, 0.0, 1.0, 2.0, 2.0, -1.0]


def value(name, unjudged="wrong", ranked=RANKED, judged=JUDGED):
    return Metric.parse(name).score(ranked, judged, unjudged)


def test_ndcg_by_hand():
    # gains 7 0 0 1 0 3 at ranks 1..6; the ideal order of the judged gains is 7 3 3 1 0 0
    found = 7 / math.log2(2) + 1 / math.log2(5) + 3 / math.log2(7)
    ideal = 7 / math.log2(2) + 3 / math.log2(3) + 3 / math.log2(4) + 1 / math.log2(5)
    assert value("nDCG@10") == pytest.approx(found / ideal)
    # unjudged removed: gains 7 0 1 3
    found = 7 / math.log2(2) + 1 / math.log2(4) + 3 / math.log2(5)
    assert value("nDCG@10", "removed") == pytest.approx(found / ideal)
    # cut-off 3 cuts the ideal too: 7 3 3
    assert value("nDCG@3") == pytest.approx(7 / (7 + 3 / math.log2(3) + 3 / 2))


def test_gain_maps_by_hand():
    # linear: 3 0 0 1 against 3 2 2 1
    assert value("nDCG(gain=linear)@4") == pytest.approx(
        (3 + 1 / math.log2(5)) / (3 + 2 / math.log2(3) + 2 / 2 + 1 / math.log2(5))
    )
    # a gain for grade 0 is for judged products only; unjudged and negative grades gain nothing
    assert value("nDCG(gain=0:0.5,3:1)@3", ranked=[None, 0.0, -1.0], judged=[0.0, 3.0]) == pytest.approx(
        (0.5 / math.log2(3)) / (1 + 0.5 / math.log2(3))
    )


def test_the_others_by_hand():
    # relevant at ranks 1, 4, 6 of four relevant products (3, 1, 2, 2)
    assert value("MAP") == pytest.approx((1 / 1 + 2 / 4 + 3 / 6) / 4)
    assert value("MAP", "removed") == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 4)
    assert value("MAP@4") == pytest.approx((1 + 2 / 4) / 4)
    assert value("P@5") == pytest.approx(2 / 5)
    assert value("P@10") == pytest.approx(3 / 10)  # over 10, though only 6 came back
    assert value("P(rel=2)@10") == pytest.approx(2 / 10)
    assert value("R@4") == pytest.approx(2 / 4)
    assert value("R(rel=3)@4") == pytest.approx(1)
    assert value("MRR", ranked=[None, 0.0, 1.0]) == pytest.approx(1 / 3)
    assert value("MRR", "removed", ranked=[None, 0.0, 1.0]) == pytest.approx(1 / 2)
    assert value("MRR@2", ranked=[None, 0.0, 1.0]) == 0
    assert value("judged@4") == pytest.approx(3 / 4)
    assert value("judged@4", "removed") == pytest.approx(3 / 4)  # has no other meaning
    assert value("judged@10", ranked=[1.0, None]) == pytest.approx(1 / 2)  # over what came back


def test_err_by_hand():
    # grades 3, then 1 at rank 4, on a scale to 3: stops with 7/8, then 1/8
    assert value("ERR(max=3)@4") == pytest.approx(7 / 8 + (1 - 7 / 8) * (1 / 8) / 4)
    assert value("ERR@1") == pytest.approx(7 / 16)  # bare: the scale to 4 of gdeval
    with pytest.raises(MetricError, match=r"highest grade 2 met grade 3\nto fix: .*ERR\(max=3\)"):
        value("ERR(max=2)@4")


def test_empty_rankings_and_lists_score_nothing():
    for name in ("nDCG@10", "MAP", "MRR@10", "P@10", "R@10", "ERR@10", "judged@10"):
        for treatment in ("wrong", "removed"):
            assert value(name, treatment, ranked=[]) == 0
            assert value(name, treatment, ranked=[0.0, None, -1.0], judged=[0.0]) in (0, pytest.approx(2 / 3))


def test_a_grade_outside_the_gains_is_an_error():
    with pytest.raises(MetricError, match="says nothing of grade 2"):
        value("nDCG(gain=0:0,1:1,3:3)@10")
    with pytest.raises(MetricError, match=r"grade 100\nallowed: grades up to 60"):
        value("nDCG@10", ranked=[100.0], judged=[100.0])
    assert value("nDCG(gain=linear)@10", ranked=[100.0], judged=[100.0]) == 1


def test_a_query_counts_where_it_has_something_relevant():
    assert not Metric.parse("MAP").defined([0.0, -1.0, 0.5])
    assert Metric.parse("MAP").defined([0.0, 1.0])
    assert not Metric.parse("P(rel=2)@10").defined([1.0])
    assert not Metric.parse("nDCG(gain=0:0,1:0,2:1)@10").defined([1.0])
    assert Metric.parse("judged@10").treatments == ("wrong",)


grades = st.lists(st.sampled_from([None, -1.0, 0.0, 1.0, 2.0, 3.0, 2.5]), max_size=12)
names = st.sampled_from(["nDCG@5", "nDCG(gain=linear)@3", "MAP", "MRR@4", "P@3", "R@5", "ERR@9", "judged@3"])


@given(grades, st.lists(st.sampled_from([0.0, 1.0, 3.0]), max_size=5), names)
def test_values_stay_between_0_and_1_and_inputs_untouched(ranked, missed, name):
    judged = [grade for grade in ranked if grade is not None] + missed
    before = list(ranked), list(judged)
    metric = Metric.parse(name)
    for treatment in metric.treatments:
        assert 0 <= metric.score(ranked, judged, treatment) <= 1 + 1e-12
    assert (ranked, judged) == before
