"""Grades that raters disagreed on: the mean gain against an integral, and what becomes of a lesson."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import JudgmentError, RecipeError
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.training.relevance.build import train
from aisle.training.relevance.extras import Extras
from aisle.training.relevance.recipe import load_recipe
from aisle.training.relevance.smoothing import mean_level, softened


@pytest.mark.parametrize("level", [0.0, 1.0, 2.33, 3.0])
@pytest.mark.parametrize("variance", [0.01, 0.471, 2.25])
def test_the_gain_is_the_mean_over_what_raters_may_have_meant(level, variance):
    grid = np.linspace(0, 3, 200_001)
    density = np.exp(-((grid - level) ** 2) / (2 * variance))
    gain = np.trapezoid(density * (2**grid - 1), grid) / np.trapezoid(density, grid)
    assert 2 ** mean_level(level, variance, 3.0) - 1 == pytest.approx(gain, rel=1e-6)


def test_raters_who_agree_change_nothing():
    assert mean_level(2.0, 0.0, 3.0) == 2.0
    assert mean_level(2.0, 1e-12, 3.0) == pytest.approx(2.0, abs=1e-5)


def rated(*rows: tuple[float, float | None]) -> PairSet:
    """Grades from 1 to 4 with their variances, two to a query."""
    found = [
        TextPair(f"q{row // 2}", f"q{row // 2}", str(row), f"text {row}", grade=grade, variance=variance)
        for row, (grade, variance) in enumerate(rows)
    ]
    return PairSet(tuple(found), Scale(1, 4), "rated.csv")


def test_ends_of_the_scale_move_inwards_and_unknown_variances_not_at_all():
    pairs = rated((4, 0.5), (1, 0.5), (4, 0.0), (1, None))
    high, low, agreed, unknown = (pair.grade for pair in softened(pairs, 1.0))
    assert 3.3 < high < 4
    assert 1 < low < 2
    assert (agreed, unknown) == (4, 1)
    half = softened(pairs, 0.5)
    assert high < half[0].grade < 4
    assert half[0].grade - 1 == pytest.approx(mean_level(3, 0.25, 3))
    assert softened(pairs, 1.0).scale == pairs.scale
    assert softened(pairs, 0.0) is pairs


def test_a_lesson_learns_softer_levels_and_validates_on_those_given():
    pairs = rated((4, 0.5), (1, 0.0))
    recipe = load_recipe(None, ["fit.smooth=1"])
    found = Extras().lesson([pairs], pairs, recipe, lambda texts: [[len(text)] for text in texts])
    assert found.train.levels[0] == pytest.approx((mean_level(3, 0.5, 3), 0))
    assert found.validation.levels[0] == (3, 0)


@pytest.mark.train
def test_judgments_without_variances_are_refused(tmp_path):
    rows = [row for _ in range(30) for row in ((4, 0.0), (1, None))]
    recipe = load_recipe("encoder", ["fit.smooth=1"])
    with pytest.raises(JudgmentError, match=r"rated.csv has no pair on which raters disagreed"):
        train(rated(*rows), [], recipe, tmp_path / "model")
    assert not list(tmp_path.iterdir())
    with pytest.raises(RecipeError, match=r"fit.smooth"):
        load_recipe(None, ["fit.smooth=-1"])
