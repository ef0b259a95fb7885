import json
import math
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner

from aisle.cli.evaluate import compare, evaluate
from aisle.errors import ArtifactError, JudgmentError, MetricError

JUDGMENTS = "query,docid,rating\nusb hub,1,3\nusb hub,2,0\nred [tv],3,1\nred [tv],4,2\nnothing,5,0\n"
RUN_A = "usb_hub Q0 9 1 3 a\nusb_hub Q0 1 2 2 a\nred_[tv] Q0 4 1 1 a\nother Q0 1 1 1 a\n"
RUN_B = "usb_hub Q0 1 1 3 b\nusb_hub Q0 2 2 2 b\n"


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("j.csv").write_text(JUDGMENTS, encoding="utf-8")
    Path("a.trec").write_text(RUN_A, encoding="utf-8")
    Path("b.trec").write_text(RUN_B, encoding="utf-8")
    return tmp_path


def call(command, *args):
    return CliRunner().invoke(command, args, standalone_mode=False, catch_exceptions=False)


def metrics_of(*args):
    return list(json.loads(call(evaluate, "--json", *args).stdout)["metrics"])


WANTED = ["nDCG@10", "MRR@10", "R@100"]


@pytest.mark.parametrize(
    "args",
    [
        ["a.trec", "--judgments", "j.csv", "--metrics", *WANTED],
        ["a.trec", "--metrics", *WANTED, "--judgments", "j.csv"],
        ["--metrics", *WANTED, "--judgments", "j.csv", "a.trec"],
        ["--judgments", "j.csv", "--metrics", *WANTED, "a.trec"],
        ["--metrics", "nDCG@10", "--judgments=j.csv", "a.trec", "--metrics", "MRR@10", "R@100"],
        ["--metrics", "nDCG@10", "--metrics", "MRR@10", "--metrics=R@100", "a.trec", "--judgments", "j.csv"],
        ["a.trec", "--judgments", "j.csv", "--metrics", "ndcg@10,RR@10", "recall@100,nDCG@10"],
        ["--judgments", "j.csv", "--metrics=nDCG@10, MRR@10,R@100", "--", "a.trec"],
    ],
)
def test_metrics_in_every_order(work, args):
    assert metrics_of(*args) == WANTED


def test_metrics_with_brackets(work):
    gain = "nDCG(gain=0:0,1:1,2:2,3:9)@10"
    assert metrics_of("a.trec", "--judgments", "j.csv", "--metrics", gain, "P(rel=2)@5") == [gain, "P(rel=2)@5"]


def test_default_metrics(work):
    assert metrics_of("a.trec", "--judgments", "j.csv") == ["nDCG@10", "MRR@10", "R@100", "judged@10"]


@pytest.mark.parametrize(
    ("args", "error", "reason"),
    [
        (["a.trec", "--judgments", "j.csv", "--metrics", "nDCG@10", "nDGC@5"], MetricError, "unknown metric 'nDGC@5'"),
        (["--metrics", "nDCG@10", "nDGC@5", "--judgments", "j.csv", "a.trec"], MetricError, "unknown metric 'nDGC@5'"),
        (["a.trec", "--judgments", "j.csv", "--metrics", "foo"], MetricError, "unknown metric 'foo'"),
        (["none.trec", "--judgments", "j.csv"], JudgmentError, "cannot read a run from 'none.trec'"),
        (["a.trec", "--judgments", "none.csv"], JudgmentError, "cannot read judgments from 'none.csv'"),
        (["j.csv", "--judgments", "j.csv"], JudgmentError, "line 1: 1 columns"),
        ([".", "--judgments", "j.csv"], ArtifactError, "neither a TREC run nor an index"),
    ],
)
def test_errors_reach_the_caller(work, args, error, reason):
    with pytest.raises(error, match=reason):
        call(evaluate, *args)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--judgments", "j.csv"], "Missing argument"),
        (["a.trec"], "Missing option '--judgments'"),
        (["a.trec", "--judgments", "j.csv", "--metrics"], "'--metrics' requires an argument"),
        (["a.trec", "b.trec", "--judgments", "j.csv"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(work, args, reason):
    result = CliRunner().invoke(evaluate, args)
    assert result.exit_code == 2
    assert reason in result.output


def test_evaluate_json(work):
    plain = json.loads(call(evaluate, "a.trec", "--judgments", "j.csv", "--json").stdout)
    assert plain["counts"] == {
        "queries": 2,
        "skipped": 1,
        "missing": 0,
        "extra": 1,
        "judged_share": pytest.approx(2 / 3),
    }
    assert plain["metrics"]["MRR@10"]["wrong"]["mean"] == pytest.approx(0.75)
    assert plain["metrics"]["MRR@10"]["removed"]["mean"] == pytest.approx(1.0)
    assert [row["query"] for row in plain["queries"]] == ["usb hub", "red [tv]"]


def test_evaluate_for_people_says_what_the_numbers_mean(work):
    shown = call(evaluate, "a.trec", "--judgments", "j.csv", "--report", "r.html").stdout
    for part in ("nDCG@10", "0.750 [0.500, 1.000]", "gain 2^grade-1, discount log2(rank+1)", "not relevant",
                 "2 queries (1 skipped", "95%", "detectable"):  # fmt: skip
        assert part in shown
    assert "red [tv]" in Path("r.html").read_text(encoding="utf-8")


def test_evaluate_an_index_shows_every_mode(work, monkeypatch):
    """The search itself is tested with the index; here two fixed runs stand in for the modes."""
    Path("manifest.json").touch()
    asked = []

    def run_modes(folder, queries, recipe_file, model, shoppers, known):
        asked.append((folder, queries, recipe_file, model, shoppers))
        assert [judgment.product_id for judgment in known] == ["1", "2", "3", "4", "5"]
        return {
            "bm25": {"usb_hub": [("9", 2.0), ("1", 1.0)], "red_[tv]": [("4", 1.0)], "nothing": []},
            "dense": {"usb_hub": [("1", 2.0)], "red_[tv]": [("3", 1.0), ("4", 0.5)], "nothing": [("5", 1.0)]},
        }

    module = types.ModuleType("aisle.cli.evaluate_index")
    module.run_modes = run_modes
    monkeypatch.setitem(sys.modules, "aisle.cli.evaluate_index", module)
    shown = call(evaluate, ".", "--judgments", "j.csv").stdout
    assert asked == [
        (Path(), [("usb_hub", "usb hub"), ("red_[tv]", "red [tv]"), ("nothing", "nothing")], None, None, {})
    ]
    lines = shown.splitlines()
    assert max(map(len, lines[:12])) <= 80
    assert [line.split()[1] for line in lines if line.startswith("│ ") and line[2] != " "] == ["bm25", "dense"]
    assert "0.750" in next(line for line in lines if "bm25" in line)
    assert "smallest detectable difference in nDCG@10, bm25 to dense" in shown
    plain = json.loads(call(evaluate, ".", "--judgments", "j.csv", "--json", "--report", "r.html").stdout)
    assert plain["modes"]["dense"]["metrics"]["MRR@10"]["wrong"]["mean"] == 1
    assert "bm25" in Path("r.html").read_text(encoding="utf-8")


def test_compare(work):
    shown = call(compare, "a.trec", "b.trec", "--judgments", "j.csv", "--metric", "MRR@10", "--report", "r.html").stdout
    for part in ("MRR@10, B against A", "-0.250", "exact", "1 / 1 / 0", "Worst damage", "red [tv]", "1.000 > 0.000"):
        assert part in shown
    assert "Comparison by MRR@10" in Path("r.html").read_text(encoding="utf-8")
    plain = json.loads(call(compare, "a.trec", "b.trec", "--judgments", "j.csv", "--metric", "MRR@10", "--json").stdout)
    assert plain["wrong"]["difference"]["mean"] == pytest.approx(-0.25)
    assert (plain["wrong"]["p"], plain["wrong"]["p_exact"]) == (1.0, True)
    assert plain["counts"]["b"]["missing"] == 1
    assert [row["query"] for row in plain["queries"]] == ["red [tv]", "usb hub"]
    with pytest.raises(MetricError, match="unknown metric 'x'"):
        call(compare, "a.trec", "b.trec", "--judgments", "j.csv", "--metric", "x")


CLASSES = "query,docid,rating\nusb hub,1,Exact\nusb hub,2,Complement\nred [tv],3,Substitute\nred [tv],4,Exact\n"
BY_CLASS = "nDCG(gain=0:0,1:0.01,2:0.1,3:1)@10"


def test_classes_by_name_are_worth_their_gains_everywhere(work):
    """Query by query: hub 1 behind an unjudged product; television 4 (Exact) alone of two."""
    Path("esci.csv").write_text(CLASSES, encoding="utf-8")
    given = ("a.trec", "--judgments", "esci.csv", "--json", "--metrics")
    found = json.loads(call(evaluate, *given, "nDCG@10,MRR@10").stdout)
    assert list(found["metrics"]) == [BY_CLASS, "MRR(rel=3)@10"]
    hub, television = 1 / math.log2(3) / (1 + 0.01 / math.log2(3)), 1 / (1 + 0.1 / math.log2(3))
    assert found["metrics"][BY_CLASS]["wrong"]["mean"] == pytest.approx((hub + television) / 2)
    asked = call(evaluate, *given, "nDCG(gain=exp2)@10", "MRR(rel=1)@10")
    assert list(json.loads(asked.stdout)["metrics"]) == ["nDCG@10", "MRR@10"]
    paired = json.loads(call(compare, "a.trec", "b.trec", "--judgments", "esci.csv", "--json").stdout)
    assert paired["metric"] == BY_CLASS
    assert paired["wrong"]["mean_a"] == pytest.approx((hub + television) / 2)


@pytest.mark.parametrize("command", [evaluate, compare])
def test_help_has_an_example(command):
    assert "Example: aisle" in CliRunner().invoke(command, ["--help"]).output
