"""How much a grade counts: read from a file, in a head and among signals, and in what a folder says. No PyTorch."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from aisle.errors import InputError, JudgmentError
from aisle.judgments.pairs import PairSet, Scale, TextPair, read_pairs
from aisle.rerankers.head import HEAD_FILE
from aisle.training.combine import fit_weights
from aisle.training.head import HeadPairs, HeadSettings, Posterior, fit_head, fit_pairs
from aisle.training.relevance.build import train
from aisle.training.relevance.data import fingerprint, lesson, weights_told
from aisle.training.relevance.recipe import load_recipe
from tests.training.test_head_route import many

HEADER = ["id", "query", "title", "relevance"]


def write(path, rows, header=(*HEADER, "label_weight")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def unit(rows: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(rows, 8))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


# --- a file ----------------------------------------------------------------------------------------------------


def test_a_column_says_how_much_a_grade_counts(tmp_path):
    rows = [(1, "hub", "a", 2, "0.25"), (2, "hub", "b", 0, ""), (3, "hub", "c", 1, "0"), (4, "hub", "d", 1, "7")]
    pairs = read_pairs(write(tmp_path / "a.csv", rows), need_grades=True)
    assert pairs.weights().tolist() == [0.25, 1, 0, 7]
    assert [pair.doc_id for pair in pairs.counting()] == ["1", "2", "4"]
    assert pairs.counting().scale == pairs.scale
    assert pairs.counting().counting() is not pairs
    named = read_pairs(write(tmp_path / "b.csv", rows, (*HEADER, "belief")), {"weight": "belief"})
    assert named.weights().tolist() == [0.25, 1, 0, 7]
    assert read_pairs(write(tmp_path / "c.csv", rows, (*HEADER, "weight"))).weights().tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("cell", ["-0.1", "nan", "inf", "2 kg", "-inf"])
def test_what_is_no_weight_is_refused_where_it_stands(tmp_path, cell):
    path = write(tmp_path / "a.csv", [(1, "hub", "a", 2, "1"), (2, "hub", "b", 0, cell)])
    with pytest.raises(JudgmentError, match=rf"line 3: the weight '{cell}'"):
        read_pairs(path)


def test_a_weight_of_no_grade_is_not_read_and_all_of_weight_zero_teach_nothing(tmp_path):
    path = write(tmp_path / "a.csv", [(1, "hub", "a", "", "2 kg"), (2, "hub", "b", 1, "0")])
    pairs = read_pairs(path)
    assert pairs.weights().tolist() == [1, 0]
    with pytest.raises(JudgmentError, match="every pair of 'x' has weight 0"):
        PairSet((pairs[1],), Scale(0, 1), "x").counting()


def test_weights_are_part_of_the_data_only_where_they_are_not_one():
    pair = TextPair("q", "q", "1", "a", grade=1.0)
    plain, one, half = (PairSet((replace(pair, weight=w),), Scale(0, 1), "x") for w in (1.0, 1, 0.5))
    assert fingerprint([plain]) == fingerprint([one]) != fingerprint([half])
    assert weights_told(one) == {}
    assert weights_told(half) == {"weights": {"not 1": 1, "left out": 0, "sum": 0.5}}


def test_a_lesson_leaves_out_what_counts_nothing_and_has_no_weights_where_all_are_one():
    def pairs(*weights):
        items = [TextPair("q", "q", title, title, grade=n, weight=w) for n, (title, w) in enumerate(weights)]
        return PairSet(tuple(items), Scale(0, 2), "x")

    def learnt(found):
        return lesson([found], found.subset([]), False, lambda texts: [[1] for _ in texts]).train

    assert learnt(pairs(("a", 1), ("b", 0), ("c", 1))) == learnt(pairs(("a", 1), ("b", 1), ("c", 1)).subset([0, 2]))
    found = learnt(pairs(("a", 0.5), ("b", 0), ("a", 1)))  # one text judged twice: its levels 0 and 2, half as sure
    assert (found.levels, found.weights) == (((pytest.approx(4 / 3),),), ((1.0,),))
    found = learnt(pairs(("a", 0.5), ("b", 1.5), ("c", 4)))  # 2 in the mean
    assert found.weights == ((0.25, 0.75, 2.0),)
    assert learnt(pairs(("a", 0.5), ("b", 0.5))) == learnt(pairs(("a", 1), ("b", 1)))


# --- a head ----------------------------------------------------------------------------------------------------


def test_a_pair_of_weight_two_is_the_pair_twice():
    """The likelihood alone: of the same design, its value, its gradient and what it says of queries left out."""
    generator = np.random.default_rng(0)
    design, grade, group = generator.normal(size=(9, 3)), generator.integers(0, 3, 9), np.arange(9) // 3
    counts = np.array([1, 2, 1, 3, 1, 1, 2, 1, 1])
    place, prior = np.array([0.0, 0.4, 1.0]), (np.zeros(3), np.ones(3), 1.0)
    weighed = Posterior(design, place, grade, group, *prior, counts=counts.astype(float))
    again = np.repeat(np.arange(9), counts)
    repeated = Posterior(design[again], place, grade[again], group[again], *prior)
    at = generator.normal(size=len(weighed.start))
    for one, other in zip(weighed.value(at), repeated.value(at), strict=True):
        np.testing.assert_allclose(one, other)
    np.testing.assert_allclose(weighed.fit().weights, repeated.fit().weights, atol=1e-5)
    fit = weighed.fit()
    np.testing.assert_allclose(weighed.held_out(fit), repeated.held_out(fit), atol=1e-9)
    some = np.array([True, False] * 4 + [True])
    assert weighed.only(some).counts.tolist() == counts[some].tolist()


def test_equal_weights_of_one_give_the_same_bits_and_none_is_half_as_sure_of_halves():
    q, t = unit(160, 1), unit(160, 2)
    words = np.random.default_rng(3).random(160)
    y, groups = np.digitize(words, [0.3, 0.7]).astype(float), [str(row // 8) for row in range(160)]
    plain = fit_head(q, t, y, groups, HeadSettings(), 0, words)
    ones = fit_pairs(HeadPairs(q, t, y, groups, words, np.ones(160)), HeadSettings(), 0)
    assert plain.wording == ones.wording != 0
    np.testing.assert_array_equal(plain.score(q, t, words), ones.score(q, t, words))
    tenth = fit_pairs(HeadPairs(q, t, y, groups, words, np.full(160, 0.1)), HeadSettings(), 0)
    assert 0 < tenth.wording < ones.wording
    moved = np.where(np.arange(160) % 4 == 0, 2 - y, y)
    spoilt = fit_head(q, t, moved, groups, HeadSettings(), 0, words)
    lighter = fit_pairs(HeadPairs(q, t, moved, groups, words, np.where(moved == y, 1, 0.01)), HeadSettings(), 0)
    assert spoilt.wording < lighter.wording <= ones.wording * 1.1


@pytest.mark.parametrize("weights", [np.ones(3), np.array([1.0, -1.0]), np.array([1.0, np.nan])])
def test_what_is_no_weight_of_a_pair_is_refused(weights):
    with pytest.raises(InputError, match=r"weights? "):
        fit_pairs(HeadPairs(unit(2, 0), unit(2, 1), np.array([0.0, 1.0]), ["a", "b"], None, weights), HeadSettings(), 0)


def test_signals_are_weighed_by_what_grades_count():
    """Two queries that contradict each other: what counts ten times as much decides."""
    signals = np.array([[0.5, 1.0], [0.5, 0.0], [0.4, 0.0], [0.4, 1.0]])
    levels, groups = np.array([1.0, 0.0, 1.0, 0.0]), [[0, 1], [2, 3]]
    even = fit_weights(signals, levels, groups)
    np.testing.assert_array_equal(fit_weights(signals, levels, groups, np.ones(4)), even)
    first = fit_weights(signals, levels, groups, np.array([10.0, 10.0, 1.0, 1.0]))
    other = fit_weights(signals, levels, groups, np.array([1.0, 1.0, 10.0, 10.0]))
    assert other[1] < even[1] < first[1]
    # within a query: of two contradicting pairs the one that counts
    rows = np.array([[0.5, 1.0], [0.5, 0.0], [0.4, 0.0], [0.4, 1.0]])
    inside = [fit_weights(rows, levels, [[0, 1, 2, 3]], np.array(w, float))[1] for w in ([9, 9, 1, 1], [1, 1, 9, 9])]
    assert inside[0] > 0 > inside[1]


# --- a folder --------------------------------------------------------------------------------------------------


def test_weight_zero_is_the_row_left_out_and_weight_one_is_no_column(tmp_path):
    rows = [(n, query, title, grade) for n, (query, title, grade) in enumerate(many(24))]
    dropped = set(range(0, 72, 7))
    recipe = load_recipe(None, [])
    files = {
        "plain": write(tmp_path / "plain.csv", rows, HEADER),
        "ones": write(tmp_path / "ones.csv", [(*row, 1) for row in rows]),
        "zeros": write(tmp_path / "zeros.csv", [(*row, int(row[0] not in dropped)) for row in rows]),
        "without": write(tmp_path / "without.csv", [row for row in rows if row[0] not in dropped], HEADER),
        "light": write(tmp_path / "light.csv", [(*row, 0.2 if row[0] in dropped else 1) for row in rows]),
    }
    heads, details = {}, {}
    for name, path in files.items():
        train(read_pairs(path, need_grades=True), [], recipe, tmp_path / name)
        with np.load(tmp_path / name / HEAD_FILE) as found:
            heads[name] = {key: found[key] for key in found.files}
        details[name] = json.loads((tmp_path / name / "manifest.json").read_text(encoding="utf-8"))["details"]

    def same(one, other):
        return all(np.array_equal(heads[one][key], heads[other][key]) for key in heads[one])

    assert same("plain", "ones")
    assert details["plain"]["data_sha256"] == details["ones"]["data_sha256"] != details["zeros"]["data_sha256"]
    assert same("zeros", "without")
    assert not same("zeros", "plain")
    assert not same("light", "plain")
    assert not same("light", "zeros")
    assert details["ones"]["weights"] == {}
    assert details["zeros"]["weights"] == {str(files["zeros"]): {"not 1": 11, "left out": 11, "sum": 61.0}}
    card = (tmp_path / "light" / "README.md").read_text(encoding="utf-8")
    assert "72 pairs, 24 queries; 11 with a weight other than 1, 0 of them left out" in card
