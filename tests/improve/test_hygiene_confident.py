"""Confident learning and suspicion, worked out by hand."""

import math

import numpy as np
import pytest

from aisle.errors import InputError
from aisle.improve.hygiene.confident import THRESHOLD, likeliest_far, noise, suspicion, threshold

CHANCE = np.array(
    [
        [0.8, 0.1, 0.1],  # given 0: sure
        [0.2, 0.1, 0.7],  # given 0: is a 2
        [0.1, 0.8, 0.1],  # given 1: sure
        [0.1, 0.2, 0.7],  # given 2
        [0.1, 0.4, 0.5],  # given 2: below its threshold, as below all others
    ]
)
PLACE = np.array([0, 0, 1, 2, 2])


def test_thresholds_are_the_mean_chance_of_what_was_given():
    found = noise(CHANCE, PLACE)
    assert found.thresholds == pytest.approx([0.5, 0.8, 0.6])


def test_the_joint_counts_the_sure_and_sums_to_what_was_given():
    # rows 0 to 3 are sure of 0, 2, 1, 2; the last one of nothing. Row 2 has one sure pair for two that were given.
    found = noise(CHANCE, PLACE)
    assert found.joint.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 2]]
    assert found.wrong(1) == 1
    assert found.wrong(2) == 1


def test_a_level_nobody_gave_has_no_threshold():
    found = noise(CHANCE[:3], PLACE[:3])
    assert math.isnan(found.thresholds[2])
    assert found.joint[2].tolist() == [0, 0, 0]
    assert found.joint[0].tolist() == [2, 0, 0]  # nothing is taken for a 2, however likely


def test_suspicion_weighs_far_levels_against_the_given_one():
    found = suspicion(CHANCE, PLACE, 2)
    assert found[0] == pytest.approx(math.log(0.1 / 0.8))
    assert found[1] == pytest.approx(math.log(0.7 / 0.2))
    assert found[2] == pytest.approx(math.log(1e-12 / 0.8))  # a middle grade cannot be off by two
    assert suspicion(CHANCE, PLACE, 1)[2] == pytest.approx(math.log(0.2 / 0.8))
    assert likeliest_far(CHANCE, PLACE, 2).tolist() == [2, 2, 1, 0, 0]


def test_the_threshold_stays_within_what_suspicion_can_reach():
    # with a fifth wrong, a plain case has the chances .8 and .2: a suspicion of log 4 = 1.386, below 1.8
    plain = suspicion(np.array([[0.2, 0.8]]), np.array([0]), 1)[0]
    assert plain == pytest.approx(math.log(4))
    assert threshold(0.2) == pytest.approx(0.836 * math.log(4))
    assert threshold(0.2) < plain < THRESHOLD
    assert threshold(0.0) == threshold(0.05) == threshold(0.1) == THRESHOLD  # log 19 and log 9 leave room
    assert threshold(0.7) == 0.0


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="a distance of 3 levels"):
        suspicion(CHANCE, PLACE, 3)
    with pytest.raises(InputError, match="level 3"):
        noise(CHANCE, PLACE + 1)
    with pytest.raises(InputError, match=r"chances of shape \(5, 3\)"):
        noise(CHANCE, PLACE[:2])
