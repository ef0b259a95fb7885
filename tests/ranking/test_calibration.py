import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from aisle.artifacts import MANIFEST
from aisle.errors import ArtifactError, InputError
from aisle.ranking.calib_reliability import calibration_error, reliability, reliability_plot
from aisle.ranking.calibration import FILE, Calibration, Curve, HeldOut


def made(**changes):
    """Two features; grades 0, 1, 2; relevant from 1 on."""
    base = Calibration(
        features=("cosine", "words"),
        weights=(4.0, -0.5),
        low=(0.0, 1.0),
        high=(1.0, 5.0),
        intercept=-1.0,
        grades=(0.0, 1.0, 2.0),
        curves=(Curve(1.0, 0.0), Curve(2.0, -3.0)),
        kind="platt",
        relevant_grade=1.0,
        held_out=(HeldOut((0.25, 0.5)), HeldOut((0.125,), 1)),
        fingerprint={"encoder": "abc"},
        details={"queries": 2},
    )
    return replace(base, **changes)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_a_score_and_its_probabilities_worked_by_hand():
    # score: -1 + 4 * .75 - .5 * 2 = 1; P(grade >= 1) = sigmoid(1), P(grade >= 2) = sigmoid(2 - 3)
    features = np.array([[0.75, 2.0]])
    assert made().scores(features) == pytest.approx([1.0])
    one, two = sigmoid(1.0), sigmoid(-1.0)
    assert made().probabilities(features)[0] == pytest.approx([1 - one, one - two, two])
    assert made().relevant(features) == pytest.approx([one])
    assert made(relevant_grade=2.0).relevant(features) == pytest.approx([two])


def test_more_than_training_has_seen_says_no_more():
    beyond = np.array([[3.0, 0.0], [1.0, 1.0]])
    first, second = made().scores(beyond)
    assert first == second


def test_probabilities_sum_to_one_where_curves_cross():
    # from score 3 on the second curve would be above the first one
    features = np.column_stack([np.linspace(0, 1, 50), np.ones(50)])
    crossing = made(intercept=3.0)
    found = crossing.probabilities(features)
    assert (crossing.curves[1](crossing.scores(features)) > crossing.curves[0](crossing.scores(features))).any()
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(50))


def test_an_isotonic_curve_runs_straight_between_its_points_and_level_outside():
    curve = Curve(knots=((0.0, 0.2), (1.0, 0.6)))
    assert curve(np.array([-5.0, 0.0, 0.5, 1.0, 9.0])) == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.6])


@pytest.mark.parametrize("features", [np.ones((2, 3)), np.ones(2)])
def test_features_of_another_shape_are_refused(features):
    with pytest.raises(InputError, match=r"(?s)features of shape .*\(n, 2\): cosine, words"):
        made().scores(features)


def test_a_feature_that_is_no_number_is_refused_by_name():
    with pytest.raises(InputError, match="a feature 'words' that is no finite number"):
        made().relevant(np.array([[0.5, np.nan]]))


# --- the threshold -----------------------------------------------------------------------------------------


def test_a_threshold_worked_by_hand():
    """Four queries, alpha .5: n / 5 * R + 1 / 5 <= .5, so that the losses may sum to 5 * .5 - 1 = 1.5.

    In order of probability: .1 (query a, one of two: .5), .2 (b, one of one: 1; sum 1.5), .3 (a again: sum 2). At a
    threshold of .3 the first two are cut, which is allowed; above it a third one would go.
    """
    held = (HeldOut((0.1, 0.3)), HeldOut((0.2,)), HeldOut((0.6,)), HeldOut((0.7, 0.8)))
    assert made(held_out=held).threshold(0.5) == 0.3


def test_what_lies_beyond_is_lost_at_any_threshold():
    # as above, but query c has as many relevant products beyond: .5 is lost before anything is cut, so only a's .1 goes
    held = (HeldOut((0.1, 0.3)), HeldOut((0.2,)), HeldOut((0.6,), 1), HeldOut((0.7, 0.8)))
    assert made(held_out=held).threshold(0.5) == 0.2


def test_the_threshold_is_the_highest_that_meets_the_bound():
    """Against exact arithmetic over every threshold there could be."""
    rng = np.random.default_rng(1)
    for _ in range(30):
        sizes = rng.integers(1, 6, size=rng.integers(1, 30))
        held = tuple(
            HeldOut(tuple(sorted(rng.integers(0, 100, size) / 100)), int(rng.integers(0, 2))) for size in sizes
        )
        n, alpha = len(held), Fraction(int(rng.integers(5, 60)), 100)

        def bound(threshold, held=held, n=n):
            losses = [
                Fraction(
                    sum(p < threshold for p in one.probabilities) + one.beyond, len(one.probabilities) + one.beyond
                )
                for one in held
            ]
            return sum(losses) / (n + 1) + Fraction(1, n + 1)

        candidates = sorted({p for one in held for p in one.probabilities})
        fit = [one for one in candidates if bound(one) <= alpha]
        want = 1.0 if bound(2) <= alpha else max(fit, default=0.0)
        assert made(held_out=held).threshold(float(alpha)) == want


def test_few_queries_promise_nothing():
    good = tuple(HeldOut((0.9,)) for _ in range(18))
    assert made(held_out=good).threshold(0.05) == 0.0
    assert made(held_out=(*good, HeldOut((0.9,)))).threshold(0.05) == 0.9
    assert made(held_out=()).threshold(0.05) == made(held_out=()).threshold(0.05, guaranteed=False) == 0.0


def test_the_estimate_is_the_highest_that_held_where_each_query_was_left_out():
    """Against the obvious version: for each budget, each query is cut at the threshold that the others give."""

    def loss(one, threshold):
        return sum(p < threshold for p in one.probabilities) / len(one.probabilities)

    def highest(queries, budget):
        there = [*sorted({p for one in queries for p in one.probabilities}), 1.0]
        return max(t for t in there if sum(loss(one, t) for one in queries) <= budget + 1e-9)

    rng = np.random.default_rng(2)
    lower = 0
    for _ in range(25):
        held = tuple(HeldOut(tuple(sorted(rng.random(rng.integers(1, 5))))) for _ in range(rng.integers(3, 15)))
        n, want = len(held), 0.0
        for step in range(20, 0, -1):
            budget = 0.2 * n * step / 20
            others = [(one, [two for two in held if two is not one]) for one in held]
            if np.mean([loss(one, highest(rest, budget * (n - 1) / n)) for one, rest in others]) <= 0.2:
                want = highest(held, budget)
                break
        found = made(held_out=held).threshold(0.2, guaranteed=False)
        assert found == want
        lower += found < highest(held, 0.2 * n)
        assert made(held_out=held).threshold(0.2) <= highest(held, 0.2 * n)
    assert lower > 5  # it is often below what the queries themselves would allow


def test_on_new_queries_the_promise_holds_and_the_estimate_is_about_right():
    """Drawn alike 600 times: the guaranteed threshold loses less than alpha, the estimated one about alpha."""
    rng = np.random.default_rng(5)
    losses = {True: [], False: []}
    for _ in range(600):
        level = rng.normal(size=31)  # how good a query's relevant products are
        chances = [np.sort(sigmoid(one + rng.normal(size=rng.integers(1, 8)))) for one in level]
        calibration = made(held_out=tuple(HeldOut(tuple(map(float, one))) for one in chances[:30]))
        for guaranteed, found in losses.items():
            found.append((chances[30] < calibration.threshold(0.1, guaranteed=guaranteed)).mean())
    bound, estimate = np.mean(losses[True]), np.mean(losses[False])
    error = np.std(losses[False]) / np.sqrt(600)
    assert 0.1 - 2 / 31 - 3 * error <= bound <= 0.1  # the theorem and its lower bound
    assert estimate == pytest.approx(0.1, abs=3 * error)


@pytest.mark.parametrize("alpha", [0, -0.1, 1.5, float("nan")])
def test_alpha_is_a_share(alpha):
    with pytest.raises(InputError, match="alpha is"):
        made().threshold(alpha)


# --- folders -----------------------------------------------------------------------------------------------


def test_a_folder_gives_the_same_calibration_back(tmp_path):
    one = made(curves=(Curve(knots=((0.0, 0.1), (0.5, 0.7))), Curve(2.0, -3.0)), kind="isotonic")
    one.save(tmp_path / "a")
    one.save(tmp_path / "b")
    assert Calibration.load(tmp_path / "a") == one
    assert (tmp_path / "a" / FILE).read_bytes() == (tmp_path / "b" / FILE).read_bytes()
    assert json.loads((tmp_path / "a" / MANIFEST).read_text())["fingerprint"] == {"encoder": "abc"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weights": [1.0]}, "not 2 weights"),
        ({"grades": [0.0, 2.0, 1.0]}, "grades that do not ascend"),
        ({"relevant_grade": 0.0}, "none of the grades above the lowest"),
        ({"intercept": float("nan")}, "not finite"),
        ({"unknown": 1}, "TypeError"),
        ({"held_out": [{"probabilities": ["x"], "beyond": 0}]}, "ValueError"),
    ],
)
def test_a_damaged_folder_says_what_is_wrong(tmp_path, change, reason):
    made().save(tmp_path)
    data = json.loads((tmp_path / FILE).read_text())
    (tmp_path / FILE).write_text(json.dumps(data | change))
    with pytest.raises(ArtifactError, match=f"(?s)cannot read .*{reason}.*calibrate again"):
        Calibration.load(tmp_path)


def test_an_unfinished_folder_is_refused(tmp_path):
    made().save(tmp_path)
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(ArtifactError, match=r"has no manifest\.json"):
        Calibration.load(tmp_path)


# --- reliability -------------------------------------------------------------------------------------------


def test_a_calibration_error_worked_by_hand():
    """Six products in two bins of three, given in no order.

    Lower bin: .1, .2, .3, mean .2, one of three relevant: |.2 - 1/3| = 2/15. Upper bin: .6, .8, 1, mean .8, all three
    relevant: .2. The error is (3 * 2/15 + 3 * 1/5) / 6 = 1/6.
    """
    bins = reliability(np.array([0.8, 0.1, 0.6, 0.3, 1.0, 0.2]), [True, False, True, True, True, False], 2)
    assert [(round(one.probability, 9), one.count) for one in bins] == [(0.2, 3), (0.8, 3)]
    assert [one.share for one in bins] == pytest.approx([1 / 3, 1.0])
    assert calibration_error(bins) == pytest.approx(1 / 6)


def test_ten_bins_hold_equally_many():
    rng = np.random.default_rng(0)
    chances = rng.random(1_003) ** 4  # most are near 0, where bins of equal width would crowd
    bins = reliability(chances, rng.random(1_003) < chances)
    assert [one.count for one in bins] == [101] * 3 + [100] * 7
    assert sum(one.probability * one.count for one in bins) == pytest.approx(chances.sum())
    assert calibration_error(bins) < 0.04  # they came true as said
    assert calibration_error(reliability(chances, rng.random(1_003) < chances**0.25)) > 0.2


def test_fewer_products_than_bins():
    assert [one.count for one in reliability(np.array([0.5, 0.1]), [True, False])] == [1, 1]


@pytest.mark.parametrize(("chances", "true"), [([], []), ([0.5], [True, False])])
def test_reliability_needs_an_outcome_for_each(chances, true):
    with pytest.raises(InputError, match="one outcome each, at least one"):
        reliability(np.array(chances), true)


def test_the_plot_is_a_picture_and_the_same_each_time():
    bins = reliability(np.linspace(0, 1, 20), [False] * 10 + [True] * 10, 4)
    first = reliability_plot({"held out": bins, "other": bins})
    assert b"<svg" in first
    assert first == reliability_plot({"held out": bins, "other": bins})
    assert first != reliability_plot({"held out": bins})
