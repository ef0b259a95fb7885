"""What a service keeps in memory, as its metrics tell it: real searches, one process and several."""

from dataclasses import replace

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.serve.app import Outside, create_app
from aisle.serve.settings import Settings
from aisle.types import Product
from tests.serve.test_processes import Service, until

PRODUCTS = [Product(str(n), f"USB hub, {n} ports, black") for n in range(1, 6)]


@pytest.fixture
def shop(tmp_path):
    SearchEngine.build(PRODUCTS, tmp_path / "shop", encoder=EmbeddedEncoder()).close()
    return tmp_path / "shop"


def numbers(client):
    """``(cache, what)`` to its number, and those of other metrics by name."""
    found = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            if sample.name.startswith("aisle_cache_"):
                what = sample.name.removeprefix("aisle_cache_").removesuffix("_total")
                found[sample.labels["cache"], what] = sample.value
            elif not sample.labels:
                found[sample.name] = sample.value
    return found


def grown(before, after, cache):
    """Hits and misses since."""
    return tuple(after.get((cache, what), 0) - before.get((cache, what), 0) for what in ("hits", "misses"))


def test_the_same_query_twice_is_a_hit(shop):
    with SearchEngine.open(shop) as engine, SearchEngine.open(shop) as other:
        asked = {"query": "usb hub", "filter": "price < 9"}
        for one in (engine, other):
            one.index.snapshots.make()
        app = create_app(reranked_by_the_encoder(engine), Settings(), Outside())
        with TestClient(app) as client:
            until(lambda: app.state.parts.suggestions is not None)
            start = numbers(client)
            assert start["snapshot", "entries"] == 5
            for _ in range(2):
                assert client.post("/v1/search", json={"query": "usb hub"}).json()["total"] == 5
            second = numbers(client)
            assert grown(start, second, "scores") == (5, 5)
            assert grown(start, second, "product_vectors") == (0, 5)
            assert second["scores", "entries"] == second["product_vectors", "entries"] == 5
            assert client.post("/v1/search", json={"query": "black hub"}).json()["total"] == 5
            third = numbers(client)
            assert grown(second, third, "scores") == (0, 5)
            assert grown(second, third, "product_vectors") == (5, 0)  # another query, the same products
            assert grown(second, third, "snapshot")[0] > 0
            assert grown(second, third, "snapshot")[1] == 0
            for _ in range(2):
                assert client.post("/v1/search", json=asked).status_code == 200
            hits, misses = grown(third, numbers(client), "filters")
            assert hits > 0
            assert misses == 1
            before = numbers(client)
            for typed in ("us", "us", "hu"):
                assert client.get("/v1/autocomplete", params={"q": typed}).status_code == 200
            assert grown(before, numbers(client), "suggestions") == (1, 2)
            before = numbers(client)
            app.state.parts.swap(reranked_by_the_encoder(other))
            assert client.post("/v1/search", json={"query": "usb hub"}).json()["total"] == 5
            assert grown(before, numbers(client), "scores") == (0, 5)  # nothing of the engine before is lost or counted


def reranked_by_the_encoder(engine):
    return engine.with_recipe(replace(engine.recipe, ranking=replace(engine.recipe.ranking, model="embedded")))


def test_the_numbers_are_those_of_all_workers(shop, tmp_path):
    (tmp_path / "aisle.toml").write_text('[ranking]\nmodel = "embedded"\n')
    service = Service(shop, "--config", str(tmp_path / "aisle.toml"), workers=2)
    searches = 0
    while searches < 100:  # until each worker has searched: a connection stays with one
        with httpx.Client(base_url=service.address, timeout=300) as another:
            for client in (service.client, another):
                assert client.post("/v1/search", json={"query": "usb hub"}).json()["total"] == 5
                searches += 1
        until(lambda n=searches: sum(grown({}, numbers(service.client), "scores")) >= 5 * n + 5, 60)
        if numbers(service.client)["scores", "misses"] == 20:  # of each, the search that it began with and this one
            break
    until(lambda: grown({}, numbers(service.client), "scores") == (5 * searches - 10, 20), 60)
    end = numbers(service.client)
    assert end["scores", "entries"] == 20  # each worker keeps its own
    assert end["aisle_processes_down"] == 0
    assert service.end()[0] == 0
