"""`aisle evaluate --robustness` and `--bias`: what they print, and which options they refuse."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aisle.cli.evaluate import evaluate
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, InputError, JudgmentError
from aisle.types import Product

PHONES = Path(__file__).parents[2] / "samples" / "phones" / "judgments.csv"


def call(*args):
    return CliRunner().invoke(evaluate, [str(arg) for arg in args], standalone_mode=False, catch_exceptions=False)


def test_pairs_under_every_perturbation_as_json_and_as_a_table():
    found = json.loads(call("--robustness", "--pairs", PHONES, "--model", "bm25", "--seeds", 1, "--json").stdout)
    report = found["robustness"]["bm25"]
    assert (found["seeds"], report["queries"], report["metric"]) == (1, 22, "nDCG@10")
    names = [row["name"] for row in report["perturbations"]]
    assert names[:3] == ["typo", "phonetic", "case"]
    assert {"chinese-typo", "pinyin", "mixed", "html@title", "stuffed@title"} <= set(names)
    assert report["nothing_to_change"] == ["units", "no-description@title"]
    shown = call(
        "--robustness", "--pairs", PHONES, "--model", "bm25", "--only", "case", "--only", "stuffed@title"
    ).stdout
    assert "robustness" in shown
    assert "worst: stuffed@title" in shown
    assert "a random order of the same texts has 0.772" in shown


def test_an_index_is_asked_in_other_words(tmp_path):
    titles = ["usb hub 4 ports", "usb cable", "wine rack oak", "shoe rack", "手机壳", "小米手机"]
    products = [Product(str(row), title) for row, title in enumerate(titles, start=1)]
    with SearchEngine.build(products, tmp_path / "shop"):
        pass
    judgments = tmp_path / "j.csv"
    judgments.write_text("query,docid,rating\nusb hub,1,3\nusb hub,2,1\nwine rack,3,3\nwine rack,4,1\n手机,6,3\n")
    args = ["--robustness", tmp_path / "shop", "--judgments", judgments, "--mode", "bm25"]
    found = json.loads(call(*args, "--seeds", 1, "--json").stdout)
    assert (found["mode"], list(found["robustness"])) == ("bm25", ["removed", "wrong"])
    rows = {row["name"]: row for row in found["robustness"]["removed"]["perturbations"]}
    assert rows["case"]["difference"]["mean"] == 0.0
    assert rows["full-width"]["difference"]["mean"] == 0.0
    assert rows["joined"]["difference"]["mean"] < 0.0  # "usbhub" is no word of the shop
    assert not any(name.endswith("@title") for name in rows)
    assert "judged only" in call(*args, "--seeds", 1, "--only", "case", "--only", "typo").stdout
    with pytest.raises(
        InputError, match=r"stuffed@title of an index, which has no perturbations of titles(.|\n)*--pairs"
    ):
        call(*args, "--only", "stuffed@title")
    reason = "an index has no perturbations of titles; use --pairs"
    some = (*args, "--seeds", 1, "--only", "case", "--only", "html@title", "--only", "stuffed@title")
    assert json.loads(call(*some, "--json").stdout)["left_out"] == {"html@title": reason, "stuffed@title": reason}
    shown = call(*some).stdout
    assert f"left out: html@title: {reason}\nleft out: stuffed@title: {reason}" in shown
    assert "nothing got worse; the least gain: case +0.000, such as 'usb hub' -> 'USB HUB'" in shown
    assert "left_out" not in found


def test_bias_of_a_model_on_pairs(tmp_path):
    pairs = tmp_path / "pairs.csv"
    rows = [("running shoes", "Nike men's shoe", 2), ("running shoes", "shoe rack", 1), ("running shoes", "dog bed", 0)]
    pairs.write_text("query,title,relevance\n" + "".join(f"{q},{t},{g}\n" for q, t, g in rows))
    found = json.loads(call("--bias", "--pairs", pairs, "--model", "embedded", "--json").stdout)
    assert [(row["axis"], row["side"]) for row in found["bias"]] == [
        ("brand", "title"),
        ("gender", "title"),
        ("origin", "title"),
    ]
    assert all(row["move"]["mean"] > 0 for row in found["bias"])
    shown = call("--bias", "--pairs", pairs, "--model", "embedded", "--only", "gender").stdout
    assert "gender, title" in shown
    assert "brand" not in shown.split("nDCG@10 change")[1].split("title:")[0]


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (["--robustness"], JudgmentError, "--robustness has nothing to measure"),
        (["--robustness", "--bias"], InputError, "--robustness and --bias"),
        (["--robustness", "--pairs", PHONES], InputError, "--pairs without --model"),
        (["--robustness", "x", "--pairs", PHONES, "--model", "bm25"], InputError, "--pairs beside an index"),
        (["--robustness", "--pairs", PHONES, "--pairs", PHONES, "--model", "bm25"], InputError, "2 files of pairs"),
        (["--robustness", "--pairs", PHONES, "--model", "bm25", "--only", "x"], InputError, "no perturbation 'x'"),
        (["--robustness", PHONES.parent, "--judgments", PHONES], ArtifactError, "is no index"),
        (["--robustness", PHONES.parent, "--judgments", PHONES, "--metrics", "MAP"], InputError, "--metrics beside"),
        (["--bias"], InputError, "--bias has nothing to measure"),
        (["--bias", "--pairs", PHONES, "--model", "bm25"], InputError, "--bias of bm25"),
        (["--bias", "--pairs", PHONES, "--model", "embedded", "--only", "age"], InputError, "there is no axis 'age'"),
        (["run.trec", "--judgments", PHONES, "--pairs", PHONES], InputError, "--pairs without --robustness"),
        (["run.trec", "--judgments", PHONES, "--only", "case"], InputError, "--only without --robustness"),
    ],
)
def test_options_that_do_not_go_together(args, error, message):
    with pytest.raises(error, match=message):
        call(*args)
