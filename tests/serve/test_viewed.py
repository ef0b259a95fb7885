"""A shopper's context over HTTP: it decides what comes first, is part of what is asked, and stands in no log."""

import logging
import shutil

import pytest
from fastapi.testclient import TestClient

from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.learn_ranking import learn_ranking
from aisle.serve.app import Outside, create_app
from aisle.serve.redact import redact
from aisle.serve.routes.search import SearchBody, ask_of, request_of
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.settings import Settings
from aisle.shopper import check_shopper
from aisle.training.ranking.recipe import RankingRecipe
from aisle.types import SearchRequest, Shopper
from tests.shoppers_shop import BANDS, HELD_OUT, KINDS, judged, products, shopper

CASES = ("views", "price:band")
UNSEEN = "viewed-in-private-17"


@pytest.fixture(scope="module", params=CASES)
def learnt(request, encoder, tmp_path_factory):
    """The case, and the folder of a planted shop with what was learnt of it."""
    case, folder = request.param, tmp_path_factory.mktemp("viewed")
    with SearchEngine.build(products(case), folder / "shop", encoder=encoder) as engine:
        judgments, shoppers = judged(case)
        learn_ranking(engine, judgments, RankingRecipe(rounds=0, depth=30), folder / "learnt", shoppers=shoppers)
    return case, folder


@pytest.fixture
def service(learnt, encoder, tmp_path):
    """The case, a client, and the folder of all that the service keeps."""
    case, folder = learnt
    recipe = Recipe.from_dict({"ranking": {"learnt": str(folder / "learnt")}})
    state = tmp_path / "state"
    tables = {"experiment": {"name": "place", "explore": {"method": "epsilon", "slot": 3, "depth": 20}}}
    security = Security(state, SecuritySettings())
    with SearchEngine.open(shutil.copytree(folder / "shop", tmp_path / "shop"), recipe, encoder=encoder) as engine:
        app = create_app(
            engine, Settings(state=str(state)), Outside(security=security, tables=tables, suggestions=False)
        )
        with TestClient(app, client=("127.0.0.1", 50_000), base_url="http://127.0.0.1") as client:
            yield case, client, state
        security.close()


def body_of(who):
    return {"viewed": list(who.viewed)} | ({"price_band": list(who.price_band)} if who.price_band else {})


def address_of(who):
    return {"viewed": list(who.viewed)} | (
        {"price_band": "{:g}:{:g}".format(*who.price_band)} if who.price_band else {}
    )


def test_both_shoppers_find_theirs_and_the_answer_is_the_engines(service):
    case, client, _ = service
    engine = client.app.state.parts.engine
    for noun in HELD_OUT[:3]:
        for kind in KINDS:
            who = shopper(case, kind, noun, HELD_OUT)
            posted = client.post("/v1/search", json={"query": noun, "k": 2, "explain": True, **body_of(who)}).json()
            got = client.get("/v1/search", params={"q": noun, "k": 2, "explain": True, **address_of(who)}).json()
            wanted = engine.search(SearchRequest(noun, k=2, shopper=who)).hits
            assert wanted[0].product_id == f"{noun}-{kind}"
            for answer in (posted, got):
                assert [hit["product"]["id"] for hit in answer["hits"]] == [hit.product_id for hit in wanted]
                scores = [hit["score"] for hit in answer["hits"]]
                assert scores == pytest.approx([hit.score for hit in wanted], abs=2e-5)
            for hit in posted["hits"]:
                parts = hit["explanation"]["contributions"]
                assert sum(part["contribution"] for part in parts) == pytest.approx(hit["score"], abs=1e-5)
        plain = client.post("/v1/search", json={"query": noun, "k": 2}).json()
        assert plain["hits"][0]["product"]["id"] in (f"{noun}-oak", f"{noun}-acrylic")


def test_who_asks_is_part_of_what_is_asked(service):
    """Equal requests that wait together are answered once: of two shoppers neither may get the other's page."""
    _, client, _ = service
    shop = client.app.state.parts
    bodies = [
        {},
        {"viewed": ["bin-oak"]},
        {"viewed": ["bin-acrylic"]},
        {"viewed": ["bin-oak", "rack-oak"]},
        {"price_band": [5, 20]},
        {"price_band": [5, 21]},
        {"viewed": ["bin-oak"], "price_band": [5, 20]},
    ]
    asked = [ask_of(shop, SearchBody(query="bin", **body)) for body in bodies]
    assert len(set(asked)) == len(bodies)
    assert set(asked) == {ask_of(shop, SearchBody(query="bin", **body)) for body in bodies}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"viewed": ["a"] * 51}, 422, "viewed: List should have at most 50 items"),
        ({"viewed": [""]}, 422, "viewed.0: String should have at least 1 character"),
        ({"viewed": [" "]}, 422, "viewed.0"),
        ({"viewed": ["a" * 257]}, 422, "viewed.0: String should have at most 256 characters"),
        ({"viewed": "a"}, 422, "viewed: Input should be a valid list"),
        ({"price_band": [80, 20]}, 400, "the price band is (80.0, 20.0)"),
        ({"price_band": [0, 20]}, 422, "price_band.0: Input should be greater than 0"),
        ({"price_band": [5]}, 422, "price_band: List should have at least 2 items"),
        ({"price_band": "5:20"}, 422, "price_band: Input should be a valid list"),
        ({"price_bands": [5, 20]}, 422, "price_bands: there is no such field"),
    ],
)
def test_a_body_that_cannot_be_meant_is_told(service, body, status, said):
    _, client, _ = service
    answer = client.post("/v1/search", json={"query": "bin", **body})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert said in error["message"]
    assert error["allowed"]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"viewed": ["a"] * 51}, 422),
        ({"viewed": ["a", ""]}, 422),
        ({"viewed": ["a", " "]}, 422),
        ({"price_band": "80:20"}, 400),
        ({"price_band": "cheap"}, 400),
        ({"price_band": "nan:20"}, 400),
        ({"price_band": "5:inf"}, 400),
        ({"price_band": " "}, 400),
        ({"price_band": "1:" + "2" * 60}, 422),
    ],
)
def test_an_address_that_cannot_be_meant_is_told(service, params, status):
    _, client, _ = service
    answer = client.get("/v1/search", params={"q": "bin", **params})
    assert answer.status_code == status
    assert answer.json()["error"]["code"] in ("invalid_request", "request_error")


def test_an_infinite_price_is_no_band(service):
    _, client, _ = service
    answer = client.post(
        "/v1/search", content=b'{"price_band": [1, 1e999]}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422


def test_what_was_viewed_stands_in_no_log_no_metric_and_no_file(service, caplog):
    _, client, state = service
    caplog.set_level(logging.DEBUG)
    given = {"viewed": [UNSEEN, "bin-oak"], "price_band": [1234.5, 6789.25]}
    found = client.post("/v1/search", json={"query": "bin", "user": "anna", "k": 5, **given})
    assert found.status_code == 200
    assert UNSEEN not in found.text
    shown = {"viewed": [UNSEEN], "price_band": "1234.5:6789.25"}
    assert client.get("/v1/search", params={"q": "bin", "k": 5, **shown}).status_code == 200
    assert client.post("/v1/search", json={"query": "bin", "viewed": [UNSEEN], "price_band": [9, 8]}).status_code == 400
    metrics = client.get("/metrics").text
    client.__exit__(None, None, None)  # writes what waits
    written = {path.relative_to(state): path.read_bytes() for path in state.rglob("*") if path.is_file()}
    kept = {path.parts[0]: text.count(b'"query":"bin"') for path, text in written.items() if path.suffix == ".jsonl"}
    assert kept == {"requests": 2, "experiments": 2}
    told = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]  # the client's own
    for private in (UNSEEN, "1234.5", "6789.25"):
        assert private not in metrics
        assert not any(private in line for line in told)
        assert not any(private.encode() in text for text in written.values())


def test_in_a_log_of_addresses_what_was_viewed_is_taken_out():
    line = 'client - "GET /v1/search?q=bin&viewed=17&viewed=a%20b&price_band=5:20&k=3 HTTP/1.1" 200'
    assert redact(line) == (
        'client - "GET /v1/search?q=bin&viewed=<viewed>&viewed=<viewed>&price_band=<viewed>&k=3 HTTP/1.1" 200'
    )
    assert redact("/v1/search?viewed=17") == "/v1/search?viewed=<viewed>"
    assert redact("reviewed=17, viewed by two") == "reviewed=17, viewed by two"


def test_a_candidate_that_is_scored_silently_is_told_who_asked():
    body = SearchBody(query="bin", user="anna", viewed=["a", "b"], price_band=[5, 20])
    sent = SearchBody.model_validate_json(body.model_dump_json())
    assert request_of(sent).shopper == Shopper(id="anna", viewed=("a", "b"), price_band=(5.0, 20.0))


def test_what_the_body_takes_the_engine_takes():
    for band in BANDS.values():
        check_shopper(Shopper(viewed=("a",) * 50, price_band=band))
    with pytest.raises(InputError, match="51 products viewed lately"):
        check_shopper(Shopper(viewed=("a",) * 51))


def test_the_description_of_the_api_has_both(service):
    _, client, _ = service
    described = client.get("/openapi.json").json()
    fields = described["components"]["schemas"]["SearchBody"]["properties"]
    assert fields["viewed"]["maxItems"] == 50
    assert fields["price_band"]["anyOf"][0]["items"]["exclusiveMinimum"] == 0
    names = {one["name"] for one in described["paths"]["/v1/search"]["get"]["parameters"]}
    assert {"viewed", "price_band"} <= names
