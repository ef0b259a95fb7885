"""Demands that nothing on the page meets: said by the engine, on the command line, over HTTP and on the page."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from aisle.cli.main import cli
from aisle.config import Recipe
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.filters import parse_filter, parse_sort
from aisle.serve.app import Outside, create_app
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.settings import Settings
from aisle.types import Product, SearchRequest
from tests.serve.test_experiment import Running
from tests.test_stages import PRODUCTS

UNDER_5 = "none of these products meets: price (under 5)"


@pytest.fixture(scope="module")
def encoder():
    return EmbeddedEncoder()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, encoder):
    """The small shop with demands as soft preferences so weak that they hardly move anything."""
    path = tmp_path_factory.mktemp("unmet") / "shop"
    SearchEngine.build(PRODUCTS, path, recipe(), encoder=encoder).close()
    return path


@pytest.fixture
def engine(folder, encoder):
    with SearchEngine.open(folder, encoder=encoder) as engine:
        yield engine


def recipe(**ranking):
    wanted = {"demands": "boost", "demand_weight": 1e-6, "certain": 0.5, **ranking}
    return replace(Recipe(), ranking=replace(Recipe().ranking, **wanted))


def asked(engine, text, k=20, **more):
    return engine.search(SearchRequest(text, k=k, **more))


def test_the_answer_says_what_nothing_on_its_page_meets(engine):
    ranking = asked(engine, "shirt under 5")
    assert all(hit.product.price is None or hit.product.price >= 5 for hit in ranking.hits)
    assert ranking.unmet == UNDER_5
    assert asked(engine, "shirt under 20").unmet is None
    assert asked(engine, "shirt").unmet is None
    assert asked(engine, "").unmet is None
    assert asked(engine, "shirt under 5", k=0).unmet is None
    assert asked(engine, "shirt under 5", filter=parse_filter("brand = 'Nobody'")).unmet is None, "there is no hit"
    assert asked(engine, "小米手机500元以内", k=2).unmet == "以下商品均不符合：价格（500元以内）"


def test_a_page_counts_with_all_before_it(engine):
    prices = [hit.product.price for hit in asked(engine, "shirt under 12").hits]
    first = next(place for place, price in enumerate(prices) if price < 12)
    assert first > 1
    for offset in range(len(prices)):
        told = asked(engine, "shirt under 12", k=1, offset=offset).unmet
        assert told == (None if offset >= first else "none of these products meets: price (under 12)")
    assert asked(engine, "shirt under 12", k=1, sort=parse_sort("price")).unmet is None
    assert asked(engine, "shirt under 12", k=1, sort=parse_sort("price:desc")).unmet is not None


def test_what_is_off_is_not_missed_and_what_was_given_up_is_said_once(engine):
    off = engine.with_recipe(recipe(demands="off"))
    assert asked(off, "shirt under 5").unmet is None
    filtered = engine.with_recipe(recipe(demands="filter"))
    for text, said in {
        "shirt under 5": "nothing matched everything asked for; searched without price (under 5)",
        "衬衫5元以内": "没有商品符合全部条件；已放宽：价格（5元以内）",
    }.items():
        ranking = asked(filtered, text)
        assert said in ranking.rewrites
        assert ranking.unmet is None
    sure = engine.with_recipe(recipe(demands="filter", certain=0.99))  # nothing is a filter: all are preferences
    assert asked(sure, "shirt under 5").unmet == UNDER_5


def test_batches_say_it_too(engine):
    requests = [SearchRequest("shirt under 5"), SearchRequest("shirt")]
    assert [ranking.unmet for ranking in engine.search_batch(requests)] == [UNDER_5, None]


def test_the_command_line_says_it(folder):
    def said(*args):
        result = CliRunner().invoke(cli, ["search", str(folder), *args])
        assert result.exception is None, result.exception
        return result.stdout

    assert UNDER_5 in " ".join(said("shirt under 5").split())
    assert "none of these" not in said("shirt")
    assert json.loads(said("shirt under 5", "--json"))["unmet"] == UNDER_5
    assert json.loads(said("shirt", "--json"))["unmet"] is None
    assert json.loads(said("knife", "--json"))["category"] == {"path": ["Weapons"], "share": 1.0}
    assert "category: Weapons (100% of the votes)" in said("knife")


def test_the_service_and_its_page_say_it(engine, tmp_path):
    security = Security(tmp_path / "state", SecuritySettings())
    app = create_app(engine, Settings(state=str(tmp_path / "state")), Outside(security=security, suggestions=False))
    with TestClient(app, client=("127.0.0.1", 50_000), base_url="http://127.0.0.1") as client:
        for text, told in {"shirt under 5": UNDER_5, "小米手机5元以内": "以下商品均不符合：价格（5元以内）"}.items():
            assert client.get("/v1/search", params={"q": text}).json()["unmet"] == told
            assert f"<li>{told}</li>" in client.get("/", params={"q": text}).text
        assert client.get("/v1/search", params={"q": "shirt"}).json()["unmet"] is None
        assert client.get("/v1/search", params={"q": "knife"}).json()["category"]["path"] == ["Weapons"]
        assert "none of these" not in client.get("/", params={"q": "shirt"}).text
    security.close()


def test_an_interleaved_page_says_only_what_both_rankings_miss(folder, encoder, tmp_path):
    other = tmp_path / "filter.toml"
    other.write_text("[ranking]\ndemands = 'filter'\ncertain = 0.5\n")
    with Running(folder, encoder, tmp_path, name="f", how="interleave", share=1.0, recipe=str(other)) as running:
        assert asked(running.engine, "shirt under 12", k=2).unmet is not None
        found = running.search("shirt under 12", user="ann", k=2).json()
        assert {hit.get("team") for hit in found["hits"]} == {"a", "b"}
        assert found["unmet"] is None


def test_a_price_in_euros_is_not_met_in_dollars(tmp_path, encoder):
    shop = [
        Product("d", "Canvas shoes", price=14.0, currency="USD"),
        Product("e", "Linen shoes", price=15.0, currency="EUR"),
    ]
    SearchEngine.build(shop, tmp_path / "shop", recipe(demands="filter"), encoder=encoder).close()
    with SearchEngine.open(tmp_path / "shop", encoder=encoder) as engine:
        assert [hit.product_id for hit in asked(engine, "canvas shoes under 20 euro").hits] == ["e"]
        assert {hit.product_id for hit in asked(engine, "canvas shoes under 20").hits} == {"d", "e"}
