"""The cascade against plain sorting, early stopping against scipy's regression, and every way of falling short."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress

from aisle.errors import LlmError, RequestError
from aisle.ranking.cascade import Pace, read, rerank, scores_read
from aisle.ranking.clock import Clock
from aisle.ranking.early_stop import LEAST, may_stop
from aisle.types import Part


def listed(scores):
    return [(f"p{at:03}", score, {"bm25": Part(score, at + 1, score)}) for at, score in enumerate(scores)]


def ids(scored):
    return [item[0] for item in scored]


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), st.integers(1, 70))
@settings(max_examples=60)
def test_without_slack_it_is_a_sort_of_the_first_and_the_rest_below(values, depth):
    before = listed([float(len(values) - at) for at in range(len(values))])
    wanted = {f"p{at:03}": float(value) for at, value in enumerate(values)}
    found = rerank(before, lambda asked: [wanted[key] for key in asked], depth, 10, 0.0, Clock(None))
    head = sorted(ids(before)[:depth], key=lambda key: (-wanted[key], key))
    assert ids(found.scored) == head + ids(before)[depth:]
    assert found.read == min(depth, len(values))
    assert found.left_out is None
    scores = [score for _, score, _ in found.scored]
    assert scores == sorted(scores, reverse=True)
    for _, score, parts in found.scored:
        assert sum(part.contribution for part in parts.values()) == pytest.approx(score)


def test_a_product_that_is_gone_keeps_no_place_in_the_head():
    before = listed([3.0, 2.0, 1.0])
    found = rerank(before, lambda asked: [None if key == "p001" else 1.0 for key in asked], 3, 10, 0.0, Clock(None))
    assert ids(found.scored) == ["p000", "p002"]


def test_a_reranker_that_fails_leaves_the_previous_order_and_says_so():
    def fail(asked):
        if "p010" in asked:
            raise RequestError("the model is gone")
        return [float(key[1:]) for key in asked]  # turns the first ten round

    before = listed([30.0 - at for at in range(30)])
    found = rerank(before, fail, 20, 10, 0.0, Clock(None))
    assert ids(found.scored) == [f"p{at:03}" for at in [*range(9, -1, -1), *range(10, 30)]]
    assert found.left_out == "rerank: 10 of 20 products, it failed: the model is gone"
    told = {key: [stage for stage in parts if stage.startswith("rerank")] for key, _, parts in found.scored}
    assert told["p000"] == ["rerank"]
    assert told["p010"] == told["p019"] == ["rerank (not read: it failed: the model is gone)"]
    assert told["p020"] == []  # never meant to be read


def test_a_failure_that_nobody_foresaw_degrades_too():
    def fail(asked):
        raise ZeroDivisionError("division by zero")

    found = rerank(listed([2.0, 1.0]), fail, 2, 10, 0.0, Clock(None))
    assert ids(found.scored) == ["p000", "p001"]
    assert found.left_out == "rerank: 0 of 2 products, it failed: ZeroDivisionError: division by zero"


def test_what_another_server_said_is_for_the_log_alone(caplog):
    def refused(ids):
        raise LlmError("http://10.0.0.7/v1 refused: <query>ink for anna@example.com", "status 400")

    found = rerank(listed([2.0, 1.0]), refused, 2, 10, 0.0, Clock(None))
    assert found.left_out == "rerank: 0 of 2 products, it failed: status 400"
    assert {stage for _, _, parts in found.scored for stage in parts if "rerank" in stage} == {
        "rerank (not read: it failed: status 400)"
    }
    assert "10.0.0.7" in caplog.text


def test_the_depth_follows_the_deadline():
    def slow(asked):
        time.sleep(0.03)
        return [0.0] * len(asked)

    found = rerank(listed([50.0 - at for at in range(50)]), slow, 50, 10, 0.0, Clock(80))
    assert 10 <= found.read <= 20, "a third step of 30 ms would pass 80 ms"
    assert found.left_out == f"rerank: {found.read} of 50 products, the deadline of 80 ms was spent"
    late = Clock(0.001)
    time.sleep(0.001)
    found = rerank(listed([2.0, 1.0]), slow, 2, 10, 0.0, late)
    assert (found.read, ids(found.scored)) == (0, ["p000", "p001"])


def by_scipy(before, after, k, slack):
    """The same rule by scipy's regression and the textbook's prediction interval of a new point."""
    done = len(after)
    x, y = np.array(before[:done]), np.array(after)
    line = linregress(x, y)
    slope = max(0.0, line.slope)
    middle = y.mean() - slope * x.mean()
    residual = np.sqrt(((y - middle - slope * x) ** 2).sum() / (done - 2))
    new = before[done]
    width = residual * np.sqrt(1 + 1 / done + (new - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum())
    return middle + slope * new + slack * width < sorted(after)[-k]


@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.1, 1.0]), st.sampled_from([1.0, 3.0]), st.integers(1, 20))
@settings(max_examples=80)
def test_it_stops_where_the_prediction_interval_says(seed, scatter, slack, k):
    draw = np.random.default_rng(seed)
    before = np.sort(draw.uniform(0, 1, 100))[::-1]
    after = (before + scatter * draw.normal(size=100))[:30]
    assert may_stop(list(before), list(after), k, slack) == by_scipy(list(before), list(after), k, slack)


def test_a_reranker_that_agrees_ends_early_and_one_that_does_not_never():
    before = listed([1.0 - at / 100 for at in range(100)])
    prior = {key: score for key, score, _ in before}
    agreeing = rerank(before, lambda asked: [prior[key] for key in asked], 100, 10, 3.0, Clock(None))
    assert agreeing.read == LEAST
    assert agreeing.left_out is None, "nothing is missing from the page"
    assert ids(agreeing.scored) == ids(before)
    draw = np.random.default_rng(0)
    opposed = rerank(before, lambda asked: list(draw.normal(size=len(asked))), 100, 10, 3.0, Clock(None))
    assert opposed.read == 100
    never = rerank(before, lambda asked: [prior[key] for key in asked], 100, 10, 0.0, Clock(None))
    assert never.read == 100


def test_too_few_products_or_equal_scores_do_not_stop_it():
    assert not may_stop([1.0] * 50, [1.0] * (LEAST - 1), 5, 3.0)
    assert not may_stop([1.0] * 50, [1.0] * LEAST, 5, 3.0), "a tie with the k-th could go either way by id"
    assert not may_stop(list(np.linspace(1, 0, 50)), list(np.linspace(1, 0.6, 20)), 25, 3.0), "fewer than k are read"


def test_a_score_that_is_no_number_degrades_too():
    found = rerank(listed([2.0, 1.0]), lambda asked: [float("nan"), 1.0], 2, 10, 0.0, Clock(None))
    assert ids(found.scored) == ["p000", "p001"]
    assert found.left_out == "rerank: 0 of 2 products, it failed: a score that is no number"


def test_the_step_below_what_a_learnt_combination_read_is_no_reason_to_stop():
    """The same scores with the first 30 moved up: what can be expected further down is as before."""
    draw = np.random.default_rng(3)
    plain = listed([1.0 - at / 200 for at in range(60)])
    noise = dict(zip(ids(plain), draw.normal(scale=0.05, size=60), strict=True))
    prior = {key: score for key, score, _ in plain}
    lifted = [
        (key, score + 5.0, parts | {"learnt": Part(score, at + 1, 5.0)}) if at < 30 else (key, score, parts)
        for at, (key, score, parts) in enumerate(plain)
    ]

    def read(before):
        return rerank(before, lambda asked: [prior[k] + noise[k] for k in asked], 60, 10, 2.0, Clock(None)).read

    assert 30 < read(plain) == read(lifted)
    assert read([(key, score, {}) for key, score, _ in lifted]) == 30, "left in, the step promises nothing below it"


def test_a_list_that_is_read_at_once_is_as_long_as_the_pace_affords():
    pace = Pace()
    assert pace.affordable(50, 1e9) == 50, "nothing was timed yet"
    pace.took(50, 200.0)
    assert pace.affordable(50, 200.0) == 50
    assert pace.affordable(50, 100.0) == 20, "of 25 the whole steps"
    assert pace.affordable(50, 3.0) == 10, "a step, so that the pace is measured anew"
    assert pace.affordable(4, 3.0) == 4
    assert pace.affordable(50, 0.0) == 0
    for _ in range(100):
        pace.took(50, 1.0)  # a list that was known
    assert pace.affordable(50, 100.0) == 20
    for _ in range(50):
        pace.took(50, 50.0)  # a faster machine
    assert pace.affordable(50, 50.0) == 50
    single = Pace()
    single.took(1, 60.0)
    assert single.affordable(50, 300.0) == 50, "one product carries what any list costs"
    listed = [(str(place), 1.0 - place / 100, {}) for place in range(50)]
    asked = []

    def score(ids):
        asked.append(list(ids))
        return [float(one) for one in ids]

    clock = Clock(1e6)
    slow = Pace()
    slow.took(10, 1e7 / 20.5)
    found = rerank(listed, score, 50, 10, 2.0, clock, slow)
    assert [len(ids) for ids in asked] == [20]
    assert found.left_out == "rerank: 20 of 50 products, the deadline of 1e+06 ms was spent"
    assert [item[0] for item in found.scored[:2]] == ["19", "18"]
    whole = rerank(listed, score, 50, 10, 2.0, Clock(None), slow)
    assert (whole.read, whole.left_out) == (50, None)
    assert len(asked[-1]) == 50, "all at once, whatever the slack"
    never = Pace()
    never.took(10, 1e9)
    assert rerank(listed, score, 50, 10, 0.0, Clock(1e6), never).read == 10
    assert rerank(listed, score, 50, 10, 0.0, Clock(1e-9), never).read == 0


# --- reading alone -------------------------------------------------------------------------------------------


def parts_of(found):
    return [(key, parts) for key, _, parts in found.scored]


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), st.integers(1, 70))
@settings(max_examples=60)
def test_what_is_only_read_keeps_its_order_and_its_score(values, depth):
    before = listed([float(len(values) - at) for at in range(len(values))])
    wanted = {f"p{at:03}": float(value) for at, value in enumerate(values)}
    found = read(before, lambda asked: [wanted[key] for key in asked], depth, Clock(None))
    assert [(key, score) for key, score, _ in found.scored] == [(key, score) for key, score, _ in before]
    head = ids(before)[:depth]
    assert scores_read(parts_of(found)) == {key: wanted[key] for key in head}
    places = {key: parts["rerank"].rank for key, parts in parts_of(found) if "rerank" in parts}
    assert sorted(places, key=places.__getitem__) == sorted(head, key=lambda key: (-wanted[key], key))
    assert {parts["rerank"].contribution for _, parts in parts_of(found)[:depth]} == {0.0}
    assert (found.read, found.left_out) == (len(head), None)


def test_what_is_gone_or_could_not_be_read_has_no_score():
    def fail(asked):
        if "p010" in asked:
            raise RequestError("the model is gone")
        return [None if key == "p003" else float(key[1:]) for key in asked]

    found = read(listed([30.0 - at for at in range(30)]), fail, 20, Clock(None))
    assert found.left_out == "rerank: 10 of 20 products, it failed: the model is gone"
    assert set(scores_read(parts_of(found))) == {f"p{at:03}" for at in range(10)} - {"p003"}
    told = [key for key, parts in parts_of(found) if "rerank (not read: it failed: the model is gone)" in parts]
    assert told == [f"p{at:03}" for at in range(10, 20)]
    assert all(score == sum(part.contribution for part in parts.values()) for _, score, parts in found.scored)


def test_a_clock_that_keeps_time_for_the_next_stage_has_the_same_deadline():
    clock = Clock(1e6, 1e5)
    kept = clock.keeping(4e5)
    assert kept.deadline_ms == clock.deadline_ms
    assert clock.left_ms - kept.left_ms == pytest.approx(4e5, abs=1e3)
    assert clock.keeping(1e6).spent
    assert not clock.spent
    assert Clock(None).keeping(1e6).left_ms == float("inf")
