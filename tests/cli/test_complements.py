"""`aisle complements`: from a file of orders to what goes with a product, on the command line."""

import json

import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.engine import SearchEngine
from aisle.knowledge.complements import Complements
from tests.knowledge.shop import SHOP
from tests.knowledge.test_complements import BASKETS
from tests.test_engine_languages import ReadsAll


def aisle(*words):
    return CliRunner().invoke(cli, ["complements", *map(str, words)])


@pytest.fixture
def orders(tmp_path):
    rows = [f"{number},{product}" for number, basket in enumerate(BASKETS) for product in basket]
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(["order_id,product_id", *rows]), encoding="utf-8")
    return path


@pytest.fixture
def learnt(orders, tmp_path):
    result = aisle("learn", orders, "--out", tmp_path / "complements.json")
    assert result.exit_code == 0, result.output
    return tmp_path / "complements.json"


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("complements") / "shop"
    SearchEngine.build(SHOP, folder, encoder=ReadsAll()).close()
    return folder


def test_learn_counts_orders(orders, learnt):
    expected = Complements.learn(BASKETS)
    found = Complements.load(learnt)
    assert (found.baskets, found.counts, found.pairs) == (expected.baskets, expected.counts, expected.pairs)
    again = aisle("learn", orders, "--out", learnt, "--json")
    assert json.loads(again.output) == {
        "complements": str(learnt), "orders": 10, "products": 5, "products_with_a_partner": 4
    }  # fmt: skip


def test_show_what_was_bought_together(learnt):
    result = aisle("show", "kettle", "--learnt", learnt, "--json")
    found = json.loads(result.output)["complements"]
    expected = Complements.learn(BASKETS).of("kettle")
    assert [(one["id"], one["together"], one["score"]) for one in found] == [
        (one.product_id, one.together, one.score) for one in expected
    ]
    assert {one["title"] for one in found} == {""}
    table = aisle("show", "kettle", "--learnt", learnt, "-k", 1).output
    assert expected[0].product_id in table
    assert expected[1].product_id not in table
    alone = aisle("show", "jam", "--learnt", learnt)
    assert alone.exit_code == 0
    assert "nothing is known to fit it, and nothing was bought with it twice" in alone.output


def test_what_fits_comes_first_and_once(index, tmp_path):
    rows = ["order_id,product_id"] + [f"{n},{product}" for n in range(3) for product in ("laser", "black", "chair1")]
    (tmp_path / "orders.csv").write_text("\n".join(rows), encoding="utf-8")
    assert aisle("learn", tmp_path / "orders.csv", "--out", tmp_path / "found.json").exit_code == 0
    fits = json.loads(aisle("show", "laser", "--index", index, "--json").output)
    assert fits["title"] == "HP LaserJet 1010 printer 600 x 1200 dpi"
    assert [(one["id"], one["title"]) for one in fits["complements"]] == [("black", "HP 12A toner cartridge Black")]
    assert "HP LaserJet 1010/1012" in fits["complements"][0]["why"]
    both = json.loads(aisle("show", "laser", "--index", index, "--learnt", tmp_path / "found.json", "--json").output)
    assert [one["id"] for one in both["complements"]] == ["black", "chair1"]
    assert both["complements"][1]["why"] == "bought together 3 times, 1.0 times as often as by chance"
    assert [one["id"] for one in both["complements"]][:1] == [
        one["id"]
        for one in json.loads(
            aisle("show", "laser", "--index", index, "--learnt", tmp_path / "found.json", "-k", 1, "--json").output
        )["complements"]
    ]


def test_what_is_wrong_is_said(orders, learnt, index, tmp_path):
    for words, message in [
        (("show", "kettle"), "neither --learnt nor --index"),
        (("show", "coffee", "--learnt", learnt), "no order of .*complements.json' has it"),
        (("show", "coffee", "--learnt", learnt, "--index", index), "has it, and the index .* lacks it"),
        (("show", "kettle", "--index", index), "the index .* lacks it"),
        (("show", "kettle", "--learnt", orders), "cannot read"),
        (("show", "kettle", "--learnt", tmp_path / "none.json"), "cannot read"),
        (("show", "kettle", "--index", tmp_path), "has no manifest.json"),
        (("learn", orders, "--out", orders), "which is read"),
        (("learn", orders, "--out", tmp_path / "no" / "x.json"), "there is no folder"),
        (("learn", orders, "--out", tmp_path), "is a folder"),
        (("learn", tmp_path / "none.csv", "--out", tmp_path / "x.json"), "cannot read orders"),
    ]:
        result = aisle(*words)
        assert result.exit_code == 1, words
        with pytest.raises(AssertionError, match=message):
            raise AssertionError(str(result.exception or result.output))
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    assert aisle("learn", orders, "--out", notes).exit_code == 1
    assert notes.read_text() == "mine"
