"""The front: which points nothing beats, the pick for a budget, and what survives writing and reading."""

import json

import pytest

from aisle.compress.export import export_picked, refuse_foreign, told
from aisle.compress.front import FRONT_FILE, Front, Point, grid, pick, read_front, table
from aisle.compress.plan import AS_IT_IS, Plan
from aisle.compress.recovery_settings import RecoverySettings
from aisle.errors import ArtifactError, RecipeError

AGREED = {"pairs": 8, "queries": 2, "largest": 0.1, "mean": 0.02, "concordance": 0.97, "top": 0.9, "identical": 0.5}


def point(label, p50, quality, folder="models/x", size=1_000_000):
    gap = {"difference": quality - 0.85, "low": quality - 0.86, "high": quality - 0.84}
    return Point(label, folder, {"layers": 3}, quality, gap, AGREED, size, p50, p50 - 1)


def front():
    whole = Point(AS_IT_IS, "", None, 0.85, None, AGREED, 30_000_000, 400.0, 390.0)
    rest = [point("a", 200.0, 0.849), point("b", 100.0, 0.83), point("c", 210.0, 0.84), point("d", 90.0, 0.83)]
    return Front("shop", "nDCG@10", 8, 100, (whole, *rest))


def test_the_best_points_are_those_that_no_other_beats_in_time_and_quality():
    assert front().best() == {AS_IT_IS, "a", "d"}  # c is slower and worse than a; b slower than d and no better


def test_the_pick_is_the_best_within_the_budget_and_of_equals_the_fastest():
    assert pick(front(), 205).label == "a"
    assert pick(front(), 150).label == "d"
    assert pick(front(), 1000).label == "a", "the original is no smaller model"


def test_a_budget_that_none_meets_names_the_fastest():
    with pytest.raises(
        RecipeError, match=r"no model of the front re-ranks 100 texts in 20 milliseconds.*\n.*90 or more: d"
    ):
        pick(front(), 20)


def test_a_front_survives_writing_and_reading(tmp_path):
    (tmp_path / FRONT_FILE).write_text(json.dumps(front().to_dict()), encoding="utf-8")
    assert read_front(tmp_path) == front()


def test_no_front_is_told(tmp_path):
    with pytest.raises(ArtifactError, match="cannot read the front"):
        read_front(tmp_path)
    with pytest.raises(ArtifactError, match="made by aisle export MODEL --front"):
        export_picked(tmp_path, 20, tmp_path / "out")


def test_the_table_has_a_row_for_each_and_marks_the_front():
    lines = table(front()).splitlines()
    assert len(lines) == 7
    assert lines[2].startswith("| **as it is** | 0.8500 |  | 400.0 | 390.0 | 30.0 |")
    assert lines[3] == "| c | 0.8400 | -0.0100 [-0.0200, +0.0000] | 210.0 | 209.0 | 1.0 | 0.9700 |"


def test_a_grid_has_fewer_layers_and_tokens_and_other_bits():
    plans = grid(6, [24, 32], RecoverySettings(epochs=1), [192])
    assert len({plan.label for plan in plans}) == len(plans) == 4 * 3 + 3
    assert {plan.layers for plan in plans} == {None, 4, 3, 2}
    assert {plan.precision for plan in plans} == {"int8", "static", "float32"}


def test_a_plan_round_trips_and_refuses_what_it_does_not_know():
    plan = Plan(layers=3, max_tokens=32, recovery=RecoverySettings(epochs=2, rate=1e-4))
    assert Plan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    assert plan.label == "3 layers (spread), 32 tokens, int8"
    with pytest.raises(RecipeError, match="widths"):
        Plan.from_dict({"widths": 3})


def test_only_models_are_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists and is no model"):
        refuse_foreign(tmp_path)


def test_a_report_is_told_in_words():
    report = {"agreement": AGREED, "steps": {}, "texts": 100}
    report["milliseconds"] = {"before": {"p50": 400.0, "least": 1}, "after": {"p50": 100.0, "least": 1}}
    lines = told(report)
    assert "of two texts 97.00% in the same order" in lines[0]
    assert "100.0 ms, before 400.0 ms (0.25 of it)" in lines[1]
