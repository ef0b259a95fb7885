"""Trees over the words of judged pairs: what they learn of a planted shop, and that others' judgments help."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, TextPair
from aisle.judgments.scale import Scale
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.pair_words import of_pairs
from aisle.rerankers.word_trees import WordTrees, feature_names
from aisle.training.relevance.word_trees import WordTeacher

THINGS = ("hub", "cable", "mouse", "lamp", "case", "charger", "stand", "filter")
KINDS = ("usb", "red", "steel", "small", "garden", "office")
SCALE = Scale(1.0, 3.0)


def planted(number: int, seed: int, scale: Scale = SCALE) -> PairSet:
    """A title is right if its thing is the one asked for, whatever else it shares: what no count of words says."""
    random = Random(seed)
    items = []
    for row in range(number):
        thing, kind = random.choice(THINGS), random.choice(KINDS)
        other = random.choice([one for one in THINGS if one != thing])
        right = random.random() < 0.5
        title = f"{kind} {other} {thing}" if right else f"{kind} {thing} {other}"
        grade = scale.high if right else scale.low
        items.append(TextPair(f"q{row // 4}", f"{kind} {thing}", str(row), title, "", grade))
    return PairSet(tuple(items), scale, "planted")


def teacher(pairs: PairSet, more=()) -> WordTeacher:
    return WordTeacher(more, WordStatistics.of([pair.title for pair in pairs], segment), 0)


def right_orders(trees: WordTrees, pairs: PairSet) -> float:
    """The share of right titles that score above wrong ones, over all of both."""
    words = WordStatistics.of([pair.title for pair in pairs], segment)
    scores = np.array([trees.score(pair.query, [pair.title], words)[0] for pair in pairs])
    right = pairs.levels() > 0
    return float((scores[right][:, None] > scores[~right][None, :]).mean())


def test_they_learn_what_no_count_of_words_says_and_expect_grades_from_0_to_1():
    pairs, others = planted(400, 0), planted(200, 1)
    trees = teacher(pairs).grow(pairs)
    assert right_orders(trees, others) > 0.95
    words = WordStatistics.of([pair.title for pair in pairs], segment)
    right, wrong = trees.score("usb hub", ["usb lamp hub", "usb hub lamp"], words)
    assert right == pytest.approx(1, abs=0.1)
    assert wrong == pytest.approx(0, abs=0.1)


def test_they_are_lightgbms_own(tmp_path):
    """The file alone, read by LightGBM, says the same of features that are computed apart."""
    import lightgbm

    pairs = planted(300, 2)
    trees = teacher(pairs).grow(pairs)
    trees.save(tmp_path)
    words = WordStatistics.of([pair.title for pair in pairs], segment)
    features = of_pairs([pair.query for pair in pairs], [pair.title for pair in pairs], words)
    booster = lightgbm.Booster(model_file=str(tmp_path / "trees.txt"))
    assert tuple(booster.feature_name()) == feature_names()
    found = WordTrees.load(tmp_path)
    assert found == trees
    np.testing.assert_array_equal(found.predict(features), booster.predict(features))
    assert np.ptp(found.predict(features)) > 0.5


def test_other_shops_judgments_help_on_whatever_scale_they_are():
    few, others = planted(60, 3), planted(600, 4, Scale(0.0, 10.0))
    alone, helped = teacher(few).grow(few), teacher(few, [others]).grow(few)
    held = planted(200, 5)
    assert right_orders(alone, held) < 0.9
    assert right_orders(helped, held) > 0.95
    words = WordStatistics.of([pair.title for pair in few], segment)
    assert helped.score("usb hub", ["usb lamp hub"], words)[0] == pytest.approx(1, abs=0.15)


def test_rows_without_weight_or_grade_teach_nothing_and_weights_count():
    pairs = planted(400, 6)
    wrong = tuple(replace(pair, grade=4.0 - pair.grade, query_id=f"w{pair.query_id}") for pair in pairs)
    plain = teacher(pairs).grow(pairs)
    silent = [replace(pair, weight=0.0) for pair in wrong] + [replace(pair, grade=None) for pair in wrong]
    assert teacher(pairs).grow(replace(pairs, items=(*pairs, *silent))) == plain
    contested = replace(pairs, items=(*(replace(pair, weight=9.0) for pair in pairs), *wrong))
    assert right_orders(teacher(pairs).grow(contested), pairs) > 0.95
    turned = replace(pairs, items=(*pairs, *(replace(pair, weight=9.0) for pair in wrong)))
    assert right_orders(teacher(pairs).grow(turned), pairs) < 0.05


def test_the_same_pairs_grow_the_same_trees_and_too_few_grow_none():
    pairs = planted(300, 7)
    assert teacher(pairs).grow(pairs) == teacher(pairs).grow(pairs)
    few = planted(20, 8)
    words = WordStatistics.of([pair.title for pair in few], segment)
    found = teacher(few).grow(few).score("usb hub", ["usb hub", "lamp"], words)
    assert found[0] == found[1], "a constant, which weighs nothing"
