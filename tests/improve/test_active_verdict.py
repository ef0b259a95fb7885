"""What decides between two rankings: by hand, against the metric itself, and unbiased over many draws."""

import math
from dataclasses import replace

import numpy as np
import pytest

from aisle.errors import InputError, JudgmentError
from aisle.improve.active.between import questions, read_drawn, telling, verdict, write_drawn
from aisle.improve.active.verdict import draw, effects, estimate, inclusion, question
from aisle.judgments.read import Judgments
from aisle.metrics import Gain, Metric, ndcg
from aisle.types import Judgment

DISCOUNT = {rank: 1 / math.log2(rank + 1) for rank in range(1, 11)}


def test_a_product_tells_by_how_far_the_two_rankings_put_it_apart():
    found = question("hub", ["a", "b", "c"], ["b", "a", "d"], {"a": 3.0, "z": 1.0}, cutoff=3)
    assert found.ids == ("a", "b", "c", "d", "z")
    expected = [DISCOUNT[2] - 1, 1 - DISCOUNT[2], -DISCOUNT[3], DISCOUNT[3], 0]
    assert found.apart == pytest.approx(expected)
    assert found.open.tolist() == [False, True, True, True, False]  # a is judged, z is beyond both rankings


def test_beyond_the_cutoff_nothing_tells():
    found = question("hub", ["a", "b", "c"], ["a", "c", "b"], {}, cutoff=1)
    assert found.ids == ("a",)
    assert not found.open.any()


def rankings(seed, queries=30, products=25):
    """Grades 0-3 of some products, and two rankings of them by two noisy scores."""
    chance = np.random.default_rng(seed)
    made = []
    for number in range(queries):
        grades = chance.choice([0, 1, 2, 3], products, p=[0.5, 0.2, 0.2, 0.1])
        ids = [f"p{one}" for one in range(products)]
        orders = [np.argsort(-(grades + chance.normal(0, spread, products))) for spread in (2.0, 1.5)]
        first, second = ([ids[place] for place in order] for order in orders)
        made.append((f"q{number}", first, second, dict(zip(ids, grades.tolist(), strict=True))))
    return made


def test_with_every_grade_the_estimate_is_the_difference_of_the_metric():
    gain = Gain()
    asked, expected = [], []
    for name, first, second, grades in rankings(0):
        gains = {product: gain(grade) for product, grade in grades.items()}
        asked.append(question(name, first, second, gains, 10))
        values = [ndcg([grades[one] for one in run], list(grades.values()), 10, gain) for run in (first, second)]
        expected.append(values[1] - values[0])
    found = estimate(asked, [np.ones(len(one.ids)) for one in asked], 10)
    assert found.by_query == pytest.approx(expected)
    assert found.interval.mean == pytest.approx(np.mean(expected))
    assert found.judged == 30 * 25


def test_chances_follow_the_effects_and_sum_to_the_count():
    chance = inclusion(np.array([0.0, 1.0, 2.0, 3.0, 100.0]), 2)
    assert chance == pytest.approx([0, 1 / 6, 2 / 6, 3 / 6, 1])
    assert inclusion(np.array([0.0, 1.0, 2.0]), 5).tolist() == [0, 1, 1]
    with pytest.raises(InputError, match="0 products to judge"):
        inclusion(np.ones(3), 0)


def test_a_draw_has_the_count_and_each_product_its_chance():
    chance = inclusion(np.array([1.0, 2.0, 3.0, 4.0, 0.0, 30.0]), 3)
    times = np.zeros(6)
    for seed in range(4000):
        rows = draw(chance, seed)
        assert len(rows) == 3
        times[rows] += 1
    assert times / 4000 == pytest.approx(chance, abs=0.03)


def test_a_sample_by_effect_finds_the_difference_where_its_chances_are_told():
    made, gain = rankings(1, queries=12), Gain()
    full = [
        question(name, a, b, {one: gain(grade) for one, grade in grades.items()}, 10) for name, a, b, grades in made
    ]
    truth = estimate(full, [np.ones(len(one.ids)) for one in full], 10).interval.mean
    every = np.concatenate(effects([replace(one, gain=np.full(len(one.ids), np.nan)) for one in full], 10))
    chance, ends = inclusion(every, 100), np.cumsum([len(one.ids) for one in full])[:-1]
    told, untold = [], []
    for seed in range(150):
        drawn = np.isin(np.arange(len(every)), draw(chance, seed))
        some = [
            replace(one, gain=np.where(known, one.gain, np.nan))
            for one, known in zip(full, np.split(drawn, ends), strict=True)
        ]
        told.append(estimate(some, np.split(chance, ends), 10).interval.mean)
        untold.append(estimate(some, np.split(np.ones(len(every)), ends), 10).interval.mean)
    missed, missed_untold = abs(np.mean(told) - truth), abs(np.mean(untold) - truth)
    assert missed < 0.1 * abs(truth)
    assert missed_untold > 0.2 * abs(truth)


def test_a_grade_without_a_chance_is_refused():
    asked = question("hub", ["a"], ["b"], {"a": 1.0}, 10)
    with pytest.raises(InputError, match="'hub': a judged product has no chance"):
        estimate([asked], [np.zeros(2)], 10)
    with pytest.raises(InputError, match="stands twice"):
        question("hub", ["a", "a"], [], {}, 10)


# --- runs and files ------------------------------------------------------------------------------------------


JUDGED = Judgments((Judgment("usb hub", "usb hub", "1", 3.0), Judgment("tv", "tv", "7", 0.0)))
A = {"usb_hub": (("1", 2.0), ("2", 1.0)), "tv": (("7", 2.0), ("8", 1.0))}
B = {"usb_hub": (("2", 2.0), ("1", 1.0)), "tv": (("9", 2.0), ("7", 1.0))}


def test_runs_give_the_products_to_judge_the_most_telling_first():
    asked = questions(A, B, JUDGED, Metric.parse("nDCG@10"))
    chosen = telling(asked, 10, 5)
    assert [(one.query, one.product) for one in chosen] == [("tv", "9"), ("tv", "8"), ("usb hub", "2")]
    assert [one.apart for one in chosen] == pytest.approx([1, -DISCOUNT[2], 1 - DISCOUNT[2]])
    assert len(telling(asked, 10, 2)) == 2
    with pytest.raises(JudgmentError, match="allowed: nDCG with a cut-off"):
        questions(A, B, JUDGED, Metric.parse("MAP"))


def test_what_was_drawn_comes_back_and_gives_a_verdict(tmp_path):
    asked = questions(A, B, JUDGED, Metric.parse("nDCG@10"))
    chosen = telling(asked, 10, 2, seed=3)
    path = tmp_path / "next.csv"
    write_drawn(path, chosen, {one: (f'title, "{one}"', "") for one in ("2", "8", "9")}, {"usb hub": "usb hub"})
    drawn = read_drawn(path)
    assert drawn == {(one.query, one.product): pytest.approx(one.chance) for one in chosen}
    judged = Judgments((*JUDGED, *(Judgment(one.query, one.query, one.product, 2.0) for one in chosen)))
    found = verdict(questions(A, B, judged, Metric.parse("nDCG@10")), 10, drawn)
    assert found.judged == 4
    surely = verdict(questions(A, B, judged, Metric.parse("nDCG@10")), 10, {})
    assert np.abs(found.by_query - surely.by_query).max() > 0.01  # a grade drawn by chance stands for several
    some = Judgments((*JUDGED, Judgment(chosen[0].query, chosen[0].query, chosen[0].product, 2.0)))
    half = questions(A, B, some, Metric.parse("nDCG@10"))
    with pytest.raises(JudgmentError, match="1 of 2 drawn products have no grade"):
        verdict(half, 10, drawn)
    whole = path.read_text()
    path.write_text(whole.replace(f"{chosen[-1].chance:.12g},its grade", "2,its grade"))
    with pytest.raises(JudgmentError, match="chance '2'"):
        read_drawn(path)
    path.write_text(whole.replace("chance", "change"))
    with pytest.raises(JudgmentError, match="no column chance"):
        read_drawn(path)
    with pytest.raises(JudgmentError, match="is not in the catalogue"):
        write_drawn(path, chosen, {}, {})
