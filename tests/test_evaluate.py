import dataclasses
import json
import random
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import scipy.stats

from aisle.errors import JudgmentError, MetricError
from aisle.evaluate import (
    bootstrap_mean,
    compare,
    comparison_report,
    detectable_difference,
    evaluate,
    evaluation_report,
    sign_flip_p,
)
from aisle.evaluate.plain import comparison_to_dict, evaluation_to_dict
from aisle.metrics import Metric
from aisle.types import Judgment

NDCG, MRR, P5, JUDGED = (Metric.parse(name) for name in ("nDCG@10", "MRR@10", "P(rel=3)@5", "judged@10"))


def judged(**queries):
    """``q="a3 b0"``: product a has grade 3, b has grade 0."""
    return [
        Judgment(query, f"text of {query}", mark[0], float(mark[1:]))
        for query, marks in queries.items()
        for mark in marks.split()
    ]


def ranking(products):
    return tuple((product, float(-place)) for place, product in enumerate(products))


JUDGMENTS = judged(q1="a3 b1 c0", q2="a2 b1", q3="a0 b-1", q4="a1")
RUN = {"q1": ranking("xab"), "q2": ranking("ba"), "q3": ranking("a"), "q9": ranking("a")}


def test_what_counts_and_what_is_counted():
    found = evaluate(RUN, JUDGMENTS, [MRR, JUDGED, P5])
    assert [row.query_id for row in found.rows] == ["q1", "q2", "q4"]
    assert dataclasses.asdict(found.counts) == {
        "queries": 3, "skipped": 1, "missing": 1, "extra": 1, "judged_share": pytest.approx(4 / 5),
    }  # fmt: skip
    assert found.values(MRR) == {"q1": 0.5, "q2": 1.0, "q4": 0.0}
    assert found.values(MRR, "removed") == {"q1": 1.0, "q2": 1.0, "q4": 0.0}
    assert found.summary(MRR).interval.mean == pytest.approx(0.5)
    assert found.values(JUDGED) == {"q1": pytest.approx(2 / 3), "q2": 1.0, "q4": 0.0}
    assert found.values(P5) == {"q1": 0.2}  # no other query has a grade of 3
    assert found.summary(P5).interval.n == 1
    assert [row.missing for row in found.rows] == [False, False, True]
    assert (found.rows[0].returned, found.rows[0].judged, found.rows[0].relevant) == (3, 3, 2)


def test_a_query_with_an_empty_list_is_missing_too():
    found = evaluate({"q1": (), "q2": ranking("a")}, JUDGMENTS, [MRR])
    assert (found.counts.missing, found.counts.extra) == (2, 0)
    assert evaluate({}, JUDGMENTS, [MRR]).counts.missing == 3


def test_the_run_stays_as_it_was():
    before = repr(RUN)
    evaluate(RUN, JUDGMENTS, [NDCG])
    assert repr(RUN) == before


@pytest.mark.parametrize(
    ("run", "judgments", "metrics", "error", "reason"),
    [
        (RUN, [], [MRR], JudgmentError, "no judgments"),
        (RUN, judged(q1="a0"), [MRR], JudgmentError, "none of the 1 judged queries has a relevant product"),
        ({"z": ranking("a")}, JUDGMENTS, [MRR], JudgmentError, "none of the run's 1 queries is judged: .*'z'.*'q1'"),
        ({"q1": ranking("aa")}, JUDGMENTS, [MRR], JudgmentError, "names a product twice"),
        (RUN, [*JUDGMENTS, Judgment("q1", "", "a", 1.0)], [MRR], JudgmentError, "is graded 3 and 1"),
        (RUN, JUDGMENTS, [], MetricError, "no metric given"),
        (RUN, JUDGMENTS, [Metric.parse("P(rel=4)@5")], MetricError, r"P\(rel=4\)@5: no query has a product"),
    ],
)
def test_what_cannot_be_evaluated(run, judgments, metrics, error, reason):
    with pytest.raises(error, match=reason):
        evaluate(run, judgments, metrics)


# --- statistics, beside scipy ------------------------------------------------------------------------------


def sample(n, seed=0, shift=0.05):
    return np.random.default_rng(seed).normal(shift, 0.3, n).clip(-1, 1)


@pytest.mark.parametrize("n", [5, 77, 400])
def test_interval_against_scipy(n):
    values = sample(n)
    ours = bootstrap_mean(values, seed=1)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, rng=2
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours.mean == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.04 * width)
    assert bootstrap_mean(values, seed=1) == ours
    assert bootstrap_mean(values, seed=3) != ours


def test_interval_of_few_and_of_equal_values():
    assert dataclasses.astuple(bootstrap_mean([0.5])) == (0.5, 0.5, 0.5, 1, 0.95)
    assert dataclasses.astuple(bootstrap_mean([1.0] * 9)) == (1, 1, 1, 9, 0.95)


@pytest.mark.parametrize("n", [2, 4, 10, 12])
def test_exact_p_against_scipy(n):
    values = sample(n, seed=n, shift=0.2)
    p, exact = sign_flip_p(values)
    theirs = scipy.stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert exact
    assert p == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.08])
def test_sampled_p_against_scipy(shift):
    values = sample(80, seed=5, shift=shift)
    p, exact = sign_flip_p(values, seed=1)
    theirs = scipy.stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=20_000, rng=2)
    assert not exact
    assert p == pytest.approx(theirs.pvalue, abs=0.02)


def test_p_by_hand():
    # eight sign patterns of 1 2 3; only +++ and --- are as far from 0 as 6
    assert sign_flip_p([1.0, 2.0, 3.0]) == (2 / 8, True)
    assert sign_flip_p([0.0, 0.0]) == (1.0, True)
    assert sign_flip_p([0.1, 0.2, 0.0, -0.3]) == (1.0, True)  # the sum is 0 but for rounding
    assert sign_flip_p([0.01] * 60)[0] == pytest.approx(1 / 10_001)  # never 0


def test_p_is_uniform_when_there_is_no_difference():
    ps = [sign_flip_p(sample(20, seed=seed, shift=0.0), resamples=500)[0] for seed in range(300)]
    assert scipy.stats.kstest(ps, "uniform").pvalue > 0.001


def test_detectable_difference_is_found_four_times_in_five():
    n, sd = 100, 0.3
    least = detectable_difference(np.array([-sd, sd] * (n // 2)))
    assert least == pytest.approx((1.959964 + 0.841621) * sd * np.sqrt(n / (n - 1)) / np.sqrt(n), rel=1e-5)
    draws = np.random.default_rng(0).normal(least, sd, (4000, n))
    found = scipy.stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.03)
    assert detectable_difference([0.5]) is None
    assert detectable_difference([0.5, 0.5]) is None


# --- comparison --------------------------------------------------------------------------------------------


def test_a_comparison_by_hand():
    judgments = judged(q1="a1", q2="a1", q3="a1", q4="b0", q5="a1")
    a = {"q1": ranking("a"), "q2": ranking("ba"), "q3": ranking("a"), "q5": ranking("a")}
    b = {"q1": ranking("ba"), "q2": ranking("a"), "q3": ranking("a"), "q4": ranking("b")}
    found = compare(a, b, judgments, MRR)
    wrong, removed = found.differences
    assert (wrong.treatment, removed.treatment) == ("wrong", "removed")
    assert (wrong.mean_a, wrong.mean_b) == pytest.approx((3.5 / 4, 2.5 / 4))
    assert wrong.interval.mean == pytest.approx(-1 / 4)
    assert (wrong.wins, wrong.losses, wrong.ties) == (1, 2, 1)
    assert (removed.wins, removed.losses, removed.ties) == (0, 1, 3)
    # differences -1/2 1/2 0 -1: |sum| >= 1 for the patterns of (1/2 1/2 1) with sums 2 1 1 0 0 -1 -1 -2
    assert (wrong.p, wrong.exact) == (6 / 8, True)
    assert [row.query_id for row in found.rows] == ["q5", "q1", "q3", "q2"]
    assert found.rows[0].damage == -1
    assert (found.a.counts.missing, found.b.counts.missing, found.a.counts.skipped) == (0, 1, 1)


def test_comparing_a_run_with_itself_shows_nothing():
    found = compare(RUN, RUN, JUDGMENTS, NDCG)
    for difference in found.differences:
        assert (difference.interval.mean, difference.p, difference.ties) == (0, 1, 3)
    assert len(compare(RUN, RUN, JUDGMENTS, JUDGED).differences) == 1


def test_swapping_the_runs_turns_the_sign():
    judgments, a, b = larger()
    forth, back = compare(a, b, judgments, NDCG).differences[0], compare(b, a, judgments, NDCG).differences[0]
    assert forth.interval.mean == pytest.approx(-back.interval.mean)
    assert (forth.wins, forth.losses) == (back.losses, back.wins)
    assert forth.p == pytest.approx(back.p)


def larger(queries=40):
    rng = random.Random(0)
    judgments, a, b = [], {}, {}
    for number in range(queries):
        query = f"q{number}"
        grades = {f"p{product}": float(rng.randint(0, 3)) for product in range(8)} | {"best": 3.0}
        judgments += [Judgment(query, f"查询 {number} <b>&", product, grade) for product, grade in grades.items()]
        pool = [*grades, "u1", "u2", "u3"]
        a[query], b[query] = (tuple((p, 0.0) for p in rng.sample(pool, len(pool))) for _ in "ab")
    return judgments, a, b


# --- plain data and pages ----------------------------------------------------------------------------------


def test_plain_data_is_json():
    judgments, a, b = larger()
    plain = json.loads(json.dumps(evaluation_to_dict(evaluate(a, judgments, [NDCG, JUDGED])), allow_nan=False))
    assert plain["counts"]["queries"] == len(plain["queries"]) == 40
    assert plain["metrics"]["nDCG@10"].keys() == {"definition", "wrong", "removed"}
    assert plain["metrics"]["judged@10"].keys() == {"definition", "wrong"}
    mean = np.mean([row["values"]["nDCG@10"]["removed"] for row in plain["queries"]])
    assert plain["metrics"]["nDCG@10"]["removed"]["mean"] == pytest.approx(mean)
    plain = json.loads(json.dumps(comparison_to_dict(compare(a, b, judgments, NDCG)), allow_nan=False))
    mean = np.mean([row["wrong"]["difference"] for row in plain["queries"]])
    assert plain["wrong"]["difference"]["mean"] == pytest.approx(mean)


class Page(HTMLParser):
    """Collects what a page would load and shows."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.open, self.images, self.words = [], [], 0, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.images += tag == "img"
        self.loads += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def pages():
    judgments, a, b = larger()
    judgments.append(Judgment("q<0>", '<script>alert("x")</script>', "p", 1.0))
    one, two = (evaluate(run, judgments, [NDCG, MRR, JUDGED]) for run in (a, b))
    yield evaluation_report({"run <1>": one}, "a & b.csv")
    yield evaluation_report({"bm25": one, "dense": two, "hybrid": two}, "a & b.csv")
    yield comparison_report(compare(a, b, judgments, NDCG), "a.trec", "b.trec", "a & b.csv")
    yield comparison_report(compare(a, b, judgments, JUDGED), "a.trec", "b.trec", "a & b.csv")


def test_pages_stand_alone_and_escape_what_users_typed():
    for text in pages():
        page = Page(text)
        assert not page.open
        assert page.images >= 2
        assert all(load.startswith("data:image/svg+xml;base64,") for load in page.loads)
        assert "<script" not in text
        assert '<script>alert("x")</script>' in page.words
        assert "查询 7 <b>&" in page.words
        assert "a & b.csv" in " ".join(page.words)
        assert re.search(r"@import|url\(", text) is None


def test_the_same_results_give_the_same_page():
    assert list(pages()) == list(pages())
