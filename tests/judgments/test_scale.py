"""Scales: declared ones, the four classes by name, and what their grades are worth."""

import math

import numpy as np
import pytest

from aisle.cli.options import scales_of
from aisle.errors import JudgmentError
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments import read_judgments
from aisle.judgments.pairs import PairSet, TextPair, read_pairs
from aisle.judgments.scale import ESCI, Scale
from aisle.metrics import Metric

TITLES = ("USB hub with 4 ports", "USB cable", "USB mouse", "Wall clock")
NAMED = [*zip(TITLES, ("Exact", "Complement", "Substitute", "Irrelevant"), strict=True)]
LETTERS = [(title, name[0].lower()) for title, name in NAMED]
SHOUTED = [(title, name.upper()) for title, name in NAMED]


@pytest.fixture
def file(tmp_path):
    def write(rows, column="esci_label"):
        path = tmp_path / "pairs.csv"
        lines = [f"query,product_title,{column}", *(f"usb hub,{title},{label}" for title, label in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("rows", [NAMED, LETTERS, SHOUTED, [*NAMED[:2], *LETTERS[2:]]])
@pytest.mark.parametrize("column", ["esci_label", "relevance"])
def test_the_four_classes_by_name(file, rows, column):
    pairs = read_pairs(file(rows, column), need_grades=True)
    assert [pair.grade for pair in pairs] == [3, 1, 2, 0]
    assert pairs.scale == ESCI == Scale(0, 3, (0, 0.01, 0.1, 1))


def test_the_column_of_esci_stands_before_other_usual_ones(file):
    path = file([(title, f"{label},9") for title, label in NAMED], "esci_label,score")
    assert [pair.grade for pair in read_pairs(path)] == [3, 1, 2, 0]


def test_two_classes_have_the_scale_of_all_four_and_some_may_be_missing(file):
    pairs = read_pairs(file([("USB hub", "S"), ("USB cable", ""), ("Wall clock", "I")]))
    assert [pair.grade for pair in pairs] == [2, None, 0]
    assert pairs.scale == ESCI
    assert math.isnan(pairs.by_gain().levels()[1])


@pytest.mark.parametrize(("odd", "line"), [("2", 3), ("n/a", 3), ("Exactly", 3)])
def test_names_and_something_else_are_refused(file, odd, line):
    path = file([("USB hub", "Exact"), ("USB cable", odd), ("Wall clock", "I")])
    with pytest.raises(JudgmentError, match=f"line {line}: the relevance '{odd}', but 'Exact' at line 2") as caught:
        read_pairs(path)
    assert caught.value.allowed.startswith("one of Exact, Substitute, Complement, Irrelevant, or E, S, C, I in every")


def test_another_scale_for_names_is_refused(file):
    assert read_pairs(file(NAMED), scale=Scale(0, 3)).scale == ESCI
    with pytest.raises(JudgmentError, match=r"a scale from 1 to 4 for '.*', whose grades are names"):
        read_pairs(file(NAMED), scale=Scale(1, 4))


def test_a_class_is_worth_its_gain(file):
    """The order hub, cable, mouse, clock by hand: cable and mouse stand the wrong way round."""
    pairs = read_pairs(file(NAMED))
    worth = pairs.by_gain()
    np.testing.assert_allclose(2 ** worth.levels() - 1, [1, 0.01, 0.1, 0], atol=1e-12)
    assert worth.scale == Scale(0, 1)
    found = pool_ndcg(worth.by_query(), worth.levels(), np.array([4.0, 3.0, 2.0, 1.0]))
    best = 1 + 0.1 / math.log2(3) + 0.01 / 2
    assert found["usb_hub"] == pytest.approx((1 + 0.01 / math.log2(3) + 0.1 / 2) / best)
    assert worth.by_gain() is worth
    plain = PairSet((TextPair("q", "q", "1", "t", grade=2.0),), Scale(0, 4), "x")
    assert plain.by_gain() is plain


JUDGED = "query,docid,esci_label\nusb hub,1,Exact\nusb hub,2,c\nusb hub,3,SUBSTITUTE\nclock,4,I\n"


def test_judgments_of_products_may_be_classes(tmp_path):
    path = tmp_path / "judged.csv"
    path.write_text(JUDGED, encoding="utf-8")
    known = read_judgments(path)
    assert [one.grade for one in known] == [3, 1, 2, 0]
    assert known.gains == ESCI.gains
    worth = known.by_gain()
    np.testing.assert_allclose([2**one.grade - 1 for one in worth], [1, 0.01, 0.1, 0], atol=1e-12)
    assert (worth.gains, worth.by_gain()) == ((), worth)
    path.write_text(JUDGED.replace("SUBSTITUTE", "2"), encoding="utf-8")
    with pytest.raises(JudgmentError, match="line 4: the grade '2', but 'Exact' at line 2"):
        read_judgments(path)
    path.write_text("query,docid,rating\nusb hub,1,3\n", encoding="utf-8")
    assert read_judgments(path).gains == ()


def test_files_of_one_folder_are_graded_alike(tmp_path):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "a.tsv").write_text("query-id\tcorpus-id\tscore\n1\t7\tE\n", encoding="utf-8")
    (tmp_path / "qrels" / "b.tsv").write_text("query-id\tcorpus-id\tscore\n1\t8\tC\n", encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "usb hub"}\n', encoding="utf-8")
    known = read_judgments(tmp_path)
    assert ([one.grade for one in known], known.gains) == ([3, 1], ESCI.gains)
    (tmp_path / "qrels" / "b.tsv").write_text("query-id\tcorpus-id\tscore\n1\t8\t1\n", encoding="utf-8")
    with pytest.raises(JudgmentError, match="grades by name in some files and numbers in others"):
        read_judgments(tmp_path)


def test_what_counts_relevant_products_counts_the_best_class_unless_it_says_otherwise():
    names = ["nDCG@10", "MRR@10", "R@100", "ERR", "judged@10", "P(rel=2)@5", "nDCG(gain=linear)@10"]
    found = [str(Metric.parse(name, ESCI.gains)) for name in names]
    table = "nDCG(gain=0:0,1:0.01,2:0.1,3:1)@10"
    assert found == [table, "MRR(rel=3)@10", "R(rel=3)@100", "ERR", "judged@10", "P(rel=2)@5", "nDCG(gain=linear)@10"]
    assert [str(Metric.parse(name, ())) for name in names] == names
    assert Metric.parse(table) == Metric.parse("nDCG@10", ESCI.gains)
    asked = ["MRR(rel=1)@10", "nDCG(gain=exp2)@10"]  # what is said is meant
    assert [Metric.parse(name, ESCI.gains) for name in asked] == [Metric.parse("MRR@10"), Metric.parse("nDCG@10")]


def test_labels_may_be_passed_over(file):
    path = file([("USB hub", "Exact"), ("USB cable", "n/a"), ("Wall clock", "7")], "relevance")
    pairs = read_pairs(path, labels=False)
    assert [pair.grade for pair in pairs] == [None] * 3
    assert pairs.scale is None


def test_a_scale_is_two_numbers_with_a_colon():
    assert Scale.parse("1:4") == Scale(1, 4)
    assert Scale.parse("-.5:2.5") == Scale(-0.5, 2.5)
    for text in ("4", "1:", ":4", "1:2:3", "a:b", "3:3", "nan:4"):
        with pytest.raises(JudgmentError, match="scale"):
            Scale.parse(text)
    with pytest.raises(JudgmentError, match="a scale of grades from 4 to 1\nallowed: numbers, the lower one first"):
        Scale.parse("4:1")


def test_scales_are_one_for_all_or_one_for_each():
    assert scales_of([], 2) == [None, None]
    assert scales_of(["1:4"], 2) == [Scale(1, 4)] * 2
    assert scales_of(["1:4", "0:2"], 2) == [Scale(1, 4), Scale(0, 2)]
    with pytest.raises(JudgmentError, match="3 times --scale for 2 files\nallowed: one for all, or one for each"):
        scales_of(["1:4"] * 3, 2)
