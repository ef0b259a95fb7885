"""Searching over HTTP: the same answers as the engine's, every option, every error in one shape."""

from dataclasses import replace

import httpx
import pytest

from aisle.filters import parse_filter
from aisle.serve.searching import facets_of
from aisle.types import SearchRequest

ERROR = {"code", "message", "allowed", "fix", "request_id"}


def engine_of(client):
    return client.app.state.parts.engine


def ids(answer):
    return [hit["product"]["id"] for hit in answer["hits"]]


def test_an_app_does_nothing_before_it_starts(built, encoder, tmp_path):
    import threading

    from aisle.engine import SearchEngine
    from aisle.serve.app import create_app
    from aisle.serve.settings import Settings

    before = {thread.name for thread in threading.enumerate()}
    with SearchEngine.open(built, encoder=encoder) as engine:
        app = create_app(engine, Settings(state=str(tmp_path / "state")))
        assert not hasattr(app.state, "parts")
        assert not (tmp_path / "state").exists()
        assert {thread.name for thread in threading.enumerate()} == before


def test_a_chosen_value_is_counted_as_often_as_its_ranking_holds_it(reading):
    """A ranking goes so far down only: of a brand, fewer products are among the first of all than of its own first."""
    engine = engine_of(reading)
    shallow = replace(engine.recipe, search=replace(engine.recipe.search, depth=20, rerank_depth=20))
    engine = engine.with_recipe(shallow)
    asked = SearchRequest("cable", k=5, mode="dense", filter=parse_filter("brand = HP"))
    ranking = engine.search(asked)
    total = ranking.total
    alone = {one.value: one.count for one in engine.facets(asked, ["brand"]).fields["brand"]}
    assert alone.get("HP", 0) < total  # what is mended here
    found = facets_of(engine, ranking, ["brand", "category"]).fields
    assert [one.count for one in found["brand"] if one.value == "HP"] == [total]
    assert {one.value: one.count for one in found["brand"] if one.value != "HP"} == {
        value: count for value, count in alone.items() if value != "HP"
    }
    assert [one.count for one in found["brand"]] == sorted((one.count for one in found["brand"]), reverse=True)
    assert found["category"] == engine.facets(asked, ["category"]).fields["category"]


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
def test_the_ranking_is_the_engines(reading, mode):
    answer = reading.get("/v1/search", params={"q": "hp laser printer", "mode": mode, "k": 5}).json()
    ranking = engine_of(reading).search(SearchRequest("hp laser printer", mode=mode, k=5))
    assert ids(answer) == [hit.product_id for hit in ranking.hits]
    scores = [hit.score for hit in ranking.hits]  # read from memory or from the files, float32 adds up differently
    assert [hit["score"] for hit in answer["hits"]] == pytest.approx(scores, abs=2e-6)
    assert answer["total"] == ranking.total


def test_post_and_get_answer_alike(reading):
    asked = {"sort": "price:desc", "k": 4, "offset": 2, "highlight": True, "facets": ["brand"]}
    got = reading.get("/v1/search", params={"q": "cable", "filter": "price > 5", **asked}).json()
    posted = reading.post("/v1/search", json={"query": "cable", "filter": "price > 5", **asked}).json()
    for answer in (got, posted):
        answer.pop("timings_ms")
    scores = [hit.pop("score") for hit in got["hits"]]
    assert [hit.pop("score") for hit in posted["hits"]] == pytest.approx(scores, abs=2e-6)
    assert got == posted
    prices = [hit["product"]["price"] for hit in got["hits"]]
    assert prices == sorted(prices, reverse=True)
    assert min(prices) > 5


def test_a_filter_as_json_is_the_filter_as_text(reading):
    given = {
        "and": [
            {"field": "price", "op": ">=", "value": 20},
            {"or": [{"field": "brand", "op": "in", "value": ["HP", "Canon"]}, {"field": "stock", "op": "exists"}]},
            {"not": {"field": "brand", "op": "=", "value": "Dell"}},
        ]
    }
    text = "price >= 20 AND (brand IN (HP, Canon) OR EXISTS stock) AND NOT brand = Dell"
    answer = reading.post("/v1/search", json={"query": "", "filter": given, "k": 200}).json()
    assert answer == answer | {"total": engine_of(reading).index.count(parse_filter(text))}
    assert 0 < answer["total"] < 240


def test_facets_count_what_is_ranked(reading):
    answer = reading.post("/v1/search", json={"query": "", "facets": ["brand"], "k": 0}).json()
    brands = [product.brand for product in engine_of(reading).index.get(list(engine_of(reading).index.ids()))]
    for value in answer["facets"]["brand"]:
        assert value["count"] == brands.count(value["value"])


def test_pages_fit_together(reading):
    whole = reading.get("/v1/search", params={"q": "monitor", "k": 20}).json()
    parts = [reading.get("/v1/search", params={"q": "monitor", "k": 5, "offset": at}).json() for at in (0, 5, 10, 15)]
    assert [one for part in parts for one in ids(part)] == ids(whole)


def test_highlights_are_where_the_words_are(reading):
    hits = reading.get("/v1/search", params={"q": "laser printer", "highlight": True}).json()["hits"]
    marked = [hit["highlight"]["title"] for hit in hits if "title" in hit["highlight"]]
    assert marked
    for one in marked:
        for start, end in one["ranges"]:
            assert one["text"][start:end].lower() in ("laser", "printer")


def test_a_misspelt_word_is_told(reading):
    answer = reading.get("/v1/search", params={"q": "blutooth"}).json()
    assert answer["spelling"] == [{"word": "blutooth", "searched_for": ["bluetooth"]}]
    assert reading.get("/v1/search", params={"q": "bluetooth"}).json()["spelling"] == []


def test_an_explanation_adds_up(reading):
    hit = reading.post("/v1/search", json={"query": "usb cable", "explain": True, "k": 1}).json()["hits"][0]
    assert sum(part["contribution"] for part in hit["parts"].values()) == pytest.approx(hit["score"], abs=1e-5)
    assert hit["explanation"]["product_id"] == hit["product"]["id"]
    assert hit["explanation"]["in_words"]


def test_fields_are_those_asked_for(reading):
    hit = reading.get("/v1/search", params={"q": "cable", "k": 1, "fields": ["title", "price"]}).json()["hits"][0]
    assert set(hit["product"]) <= {"id", "title", "price"}


@pytest.mark.parametrize("how", ["header", "body"])
def test_a_spent_deadline_degrades_and_says_so(reading, how):
    asked = {"query": "cable", "facets": ["brand"]} | ({"deadline_ms": 0.01} if how == "body" else {})
    headers = {"X-Deadline-Ms": "0.01"} if how == "header" else {}
    answer = reading.post("/v1/search", json=asked, headers=headers).json()
    assert "dense: the deadline of 0.01 ms was spent" in answer["degraded"]  # as asked, not what was left of it
    assert "facets: the deadline of 0.01 ms was spent" in answer["degraded"]
    assert answer["hits"]
    assert "facets" not in answer


@pytest.mark.parametrize(
    ("asked", "status", "code", "said"),
    [
        ({"query": "x", "filter": "price <"}, 400, "filter_error", "the text ends"),
        ({"query": "x", "filter": "nonsense_attribute = 1"}, 400, "filter_error", "no product has an attribute"),
        ({"query": "x", "filter": {"field": "price", "op": "~"}}, 400, "filter_error", "op is '~'"),
        ({"query": "x", "filter": {"and": []}}, 400, "filter_error", "'and' is []"),
        ({"query": "x", "sort": "price:up"}, 400, "filter_error", "asc or desc"),
        ({"query": "x", "k": -1}, 422, "invalid_request", "k: "),
        ({"query": "x", "k": 201}, 422, "invalid_request", "k is 201"),
        ({"query": "x", "mode": "magic"}, 422, "invalid_request", "mode: "),
        ({"query": "x", "facets": ["nothing_has_this"]}, 400, "filter_error", "no product has an attribute"),
        ({"quary": "x"}, 422, "invalid_request", "quary: "),
        ({"query": "x", "deadline_ms": 0}, 422, "invalid_request", "deadline_ms: "),
    ],
)
def test_what_cannot_be_asked_is_told(reading, asked, status, code, said):
    response = reading.post("/v1/search", json=asked)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert said in error["message"]
    assert set(error) == ERROR
    assert error["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allowed"),
    [
        ("GET", "/v1/nothing", 404, "not_found", None),
        ("PUT", "/v1/search", 405, "method_not_allowed", "GET, HEAD, POST"),
        ("POST", "/v1/products/1", 405, "method_not_allowed", "DELETE, GET, HEAD, PATCH, PUT"),
        ("HEAD", "/v1/rerank", 405, "method_not_allowed", "POST"),
        ("DELETE", "/", 405, "method_not_allowed", "GET, HEAD"),
    ],
)
def test_other_paths_answer_in_the_same_shape(reading, method, path, status, code, allowed):
    response = reading.request(method, path)
    assert response.status_code == status
    assert response.headers.get("allow") == allowed
    if method != "HEAD":
        error = response.json()["error"]
        assert (error["code"], error["allowed"]) == (code, allowed)
        assert set(error) == ERROR


@pytest.mark.parametrize("path", ["/", "/health/live", "/health/ready", "/v1/search?q=cable", "/docs", "/v1/nothing"])
def test_head_is_get_without_the_body(reading, address, path):
    got, asked = reading.get(path), reading.head(path)
    assert (asked.status_code, asked.headers["content-type"]) == (got.status_code, got.headers["content-type"])
    assert asked.content == b""
    if path == "/docs":
        assert asked.headers["content-length"] == got.headers["content-length"]
    with httpx.Client(base_url=address) as real:  # one connection: a body that was sent would be the next answer's
        for method in ("HEAD", "GET", "HEAD"):
            assert real.request(method, path).status_code == got.status_code


OF_SEARCH = (
    "q, filter, sort, facets, k, offset, mode, fields, highlight, explain, deadline_ms, user, viewed, price_band"
)


@pytest.mark.parametrize(
    ("address", "said", "allowed", "fix"),
    [
        ("/v1/search?query=usb", "parameter 'query'", OF_SEARCH, "leave it out"),
        ("/v1/search?q=usb&filters=price<5", "parameter 'filters'", OF_SEARCH, "say 'filter' instead of 'filters'"),
        ("/v1/search?q=usb&limit=2&K=2", "parameters 'limit', 'K'", OF_SEARCH, "leave it out"),
        ("/v1/autocomplete?q=hp&n=3", "parameter 'n'", "q, k", "leave it out"),
        ("/v1/products/2101957/similar?fields=title", "'fields'", "k, filter, same_family", "leave it out"),
        ("/v1/products/2101957?field=title", "'field'", "none here", "leave it out"),
        ("/v1/judgments?querry=x", "'querry'", "query, together, offset, k", "say 'query' instead of 'querry'"),
        ("/v1/models?x", "'x'", "none here", "leave it out"),
    ],
)
def test_a_parameter_that_nobody_knows_is_refused(reading, address, said, allowed, fix):
    response = reading.get(address)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["allowed"]) == (422, "invalid_request", allowed)
    assert said in error["message"]
    assert error["fix"].startswith(fix)


def test_a_parameter_in_the_address_of_a_post_is_refused_and_pages_and_probes_take_any(reading):
    assert reading.post("/v1/search?k=3", json={"query": "cable"}).status_code == 422
    for address in ("/?q=cable&utm_source=x", "/health/live?from=probe", "/health/ready?x=1", "/docs?x=1"):
        assert reading.get(address).status_code == 200


@pytest.mark.parametrize(
    ("body", "message", "allowed"),
    [
        (b'{"query": ', "the body is not JSON: Expecting value at character 10", "JSON"),
        (b'{"query": 3,}', "the body is not JSON: ", "JSON"),
        (b"[1]", "body: no JSON object (received '[1]')", "a JSON object"),
        (b"", "body: a value is required", OF_SEARCH.replace("q,", "query,")),
    ],
)
def test_a_body_that_is_no_json_is_told(reading, body, message, allowed):
    response = reading.post("/v1/search", content=body, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, error["allowed"]) == (422, allowed)
    assert error["message"].startswith(message)
    assert set(error) == ERROR


def test_a_body_that_is_not_said_to_be_json_is_told_how_to_say_so(reading):
    error = reading.post("/v1/search", content=b'{"query": "x"}', headers={"content-type": "text/plain"}).json()[
        "error"
    ]
    assert error["message"] == """body: no JSON object (received '{"query": "x"}')"""
    assert "Content-Type: application/json" in error["fix"]


def test_every_faulty_place_is_told_with_what_may_stand_there(reading):
    error = reading.post("/v1/search", json={"quary": "x", "k": "ten", "mode": "magic", "facets": ["a"] * 21}).json()[
        "error"
    ]
    assert [part.partition(":")[0] for part in error["message"].split("; ")] == ["facets", "k", "mode", "quary"]
    names = OF_SEARCH.replace("q,", "query,")
    assert error["allowed"] == (
        f"facets: at most 20 items; k: a valid integer; mode: 'bm25', 'dense' or 'hybrid'; {names}"
    )
    assert error["fix"] == "say 'query' instead of 'quary'"
    many = reading.post("/v1/search", json={f"field{n}": "x" * 500 for n in range(30)}).json()["error"]
    assert many["message"].endswith("; 20 more")
    assert len(many["message"]) < 1_500
    long = reading.post("/v1/search", json={"x" * 9_000: 1}).json()["error"]
    assert len(long["message"]) < 500


def test_half_a_surrogate_pair_is_refused(reading):
    body, headers = b'{"query": "usb \\ud83d hub"}', {"content-type": "application/json"}
    response = reading.post("/v1/search", content=body, headers=headers)
    assert response.status_code == 422
    assert set(response.json()["error"]) == ERROR


def test_a_bug_is_answered_without_a_traceback(engine, tmp_path, monkeypatch):
    from fastapi.testclient import TestClient

    from aisle.serve.app import create_app
    from aisle.serve.settings import Settings

    app = create_app(engine, Settings(state=str(tmp_path)))
    monkeypatch.setattr(engine, "search", lambda request: 1 / 0)
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.get("/v1/search", params={"q": "x"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "ZeroDivision" not in response.text


def test_autocomplete_goes_on_from_what_was_typed(reading):
    answer = reading.get("/v1/autocomplete", params={"q": "hp las", "k": 5}).json()
    assert answer["complete"]
    assert answer["suggestions"]
    for one in answer["suggestions"]:
        words = one["text"].lower().split()
        assert "hp" in words
        assert any(word.startswith("las") for word in words)
    assert reading.get("/v1/autocomplete", params={"q": "  "}).json()["suggestions"] == []


def test_openapi_has_an_example_for_every_body(reading):
    described = reading.get("/openapi.json").json()
    bodies = [
        operation["requestBody"]["content"]
        for path in described["paths"].values()
        for operation in path.values()
        if "requestBody" in operation
    ]
    assert len(bodies) >= 9
    for content in bodies:
        for media in content.values():
            name = media["schema"].get("$ref", "").rpartition("/")[2]
            assert "example" in media or described["components"]["schemas"][name].get("examples"), media


def test_facts_of_a_request_reach_the_observers_once(client):
    seen = []
    client.app.state.parts.observers.append(seen.append)
    client.get("/v1/search", params={"q": "qqqqq", "mode": "bm25"})
    client.get("/v1/products/none")
    assert [(facts.route, facts.status) for facts in seen] == [
        ("/v1/search", 200),
        ("/v1/products/{product_id:path}", 404),
    ]
    assert seen[0].zero
    assert seen[0].total_ms >= sum(seen[0].stages.values())
    assert seen[0].index_version > 0
    text = client.get("/metrics").text
    assert 'aisle_requests_total{method="GET",route="/v1/search",status="200"} 1.0' in text
    assert "aisle_searches_zero_total 1.0" in text
    assert "aisle_index_products 240.0" in text
