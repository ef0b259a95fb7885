"""`aisle explain`: sentences for people, JSON for machines, a page beside either."""

import json

import pytest
from click.testing import CliRunner

from aisle.cli.explain import explain
from tests.explain.shop import PRODUCTS


@pytest.fixture(scope="module")
def shop(tmp_path_factory, encoder):
    from aisle.engine import SearchEngine

    folder = tmp_path_factory.mktemp("cli") / "shop"
    SearchEngine.build(PRODUCTS, folder, encoder=encoder).close()
    return str(folder)


def run(*arguments):
    result = CliRunner().invoke(explain, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_sentences_and_a_page(shop, tmp_path):
    page = tmp_path / "why.html"
    told = run(shop, "wireless mouse", "m3", "--html", str(page), "--language", "zh")
    assert told.startswith("搜索“wireless mouse”时")
    assert told.rstrip().endswith(f"Wrote {page}")
    assert "Hama wireless laser mouse" in page.read_text(encoding="utf-8")


def test_json_is_one_object_and_filters_are_demands(shop):
    found = json.loads(run(shop, "wireless mouse", "m1", "--filter", "price < 20", "--json"))
    assert found["product_id"] == "m1"
    assert [verdict["status"] for verdict in found["verdicts"]] == ["satisfied"]
    assert sum(item["contribution"] for item in found["contributions"]) == pytest.approx(found["score"])
    out = json.loads(run(shop, "wireless mouse", "m3", "--filter", "price < 20", "--json"))
    assert out["rank"] is None
    assert out["absence"]["filtered"] == [["price < 20", [["price", 35.0]]]]


def test_help_has_an_example():
    assert "Example: aisle explain" in run("--help")
