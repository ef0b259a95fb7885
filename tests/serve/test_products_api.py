"""Products over HTTP: what was acknowledged is there for the next search, and for whoever opens the index next."""

import json
from urllib.parse import quote

import pytest

from aisle.engine import SearchEngine
from aisle.types import SearchRequest


def shown(client, query, k=1, **more):
    answer = client.get("/v1/search", params={"q": query, "k": k, **more}).json()
    return [hit["product"] for hit in answer["hits"]]


def test_a_product_is_found_once_it_is_acknowledged(client, folder, encoder):
    body = {"title": "Zorbulon teleporter", "price": 3, "attributes": {"colour": "blue"}}
    response = client.put("/v1/products/a%2Fb", json=body)
    assert (response.status_code, response.json()) == (201, {"id": "a/b", "status": "created"})
    assert shown(client, "zorbulon", mode="bm25")[0]["id"] == "a/b"
    with SearchEngine.open(folder, encoder=encoder) as other:
        assert other.search(SearchRequest("zorbulon", mode="bm25")).hits[0].product.price == 3
    assert client.put("/v1/products/a%2Fb", json=body).json()["status"] == "unchanged"
    assert client.put("/v1/products/a%2Fb", json=body | {"price": 4}).json()["status"] == "replaced"
    assert client.delete("/v1/products/a%2Fb").json()["status"] == "deleted"
    assert client.get("/v1/products/a%2Fb").status_code == 404
    assert client.delete("/v1/products/a%2Fb").status_code == 404


def test_a_new_price_costs_no_encoding_and_a_new_title_does(client, encoder, monkeypatch):
    product = shown(client, "cable")[0]
    encoded = []
    real = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda texts, kind: encoded.extend(texts) or real(texts, kind))
    response = client.patch(f"/v1/products/{product['id']}", json={"price": 123.5, "stock": 7, "rating": 4.5})
    assert response.json()["status"] == "updated"
    assert encoded == []
    changed = client.get(f"/v1/products/{product['id']}").json()
    assert changed == product | {"price": 123.5, "stock": 7, "rating": 4.5}
    client.patch(f"/v1/products/{product['id']}", json={"title": "Zorbulon"})
    assert [text.startswith("Zorbulon") for text in encoded] == [True]
    assert client.get("/v1/products/" + product["id"]).json()["price"] == 123.5


def test_attributes_are_patched_one_by_one(client):
    client.put("/v1/products/n", json={"title": "Thing", "attributes": {"a": "1", "b": "2"}, "brand": "X"})
    client.patch("/v1/products/n", json={"attributes": {"b": None, "c": 3}, "brand": None})
    product = client.get("/v1/products/n").json()
    assert product["attributes"] == {"a": "1", "c": 3.0}
    assert "brand" not in product


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"prise": 1}, "'prise' cannot be changed"),
        ({"price": "much"}, "price is 'much'"),
        ({"price": -1}, "price is -1"),
        ({"title": " "}, "has no title"),
        ({"id": "other"}, "'id' cannot be changed"),
    ],
)
def test_a_patch_that_cannot_be_is_refused_and_changes_nothing(client, fields, said):
    product = shown(client, "cable")[0]
    response = client.patch(f"/v1/products/{product['id']}", json=fields | {"stock": 99})
    assert response.status_code == 422
    assert said in response.json()["error"]["message"]
    assert client.get(f"/v1/products/{product['id']}").json() == product


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "x", "price": -1}, "price"),
        ({"title": "x", "prize": 1}, "prize"),
        ({"title": "x", "stock": 1.5}, "stock"),
        ({"title": "x", "category": "a > b"}, "category"),
    ],
)
def test_a_product_that_cannot_be_is_refused(client, body, said):
    response = client.put("/v1/products/x", json=body)
    assert response.status_code == 422
    assert said in response.json()["error"]["message"]
    assert client.get("/v1/products/x").status_code == 404


def test_a_misspelt_field_is_told_with_the_one_that_was_meant(client):
    error = client.put("/v1/products/x", json={"titel": "x"}).json()["error"]
    assert error["message"] == "title: a value is required; titel: there is no such field (received 'x')"
    assert error["allowed"].startswith("title, description, brand, category, ")
    assert error["fix"] == "say 'title' instead of 'titel'"
    offers = [{"id": "a", "prise": 2}]
    error = client.put("/v1/products/x", json={"title": "x", "offers": offers}).json()["error"]
    assert error["message"] == "offers.0.prise: there is no such field (received '2')"
    assert error["allowed"] == "in offers.0: id, price, currency, stock, available, attributes"
    assert error["fix"] == "say 'price' instead of 'prise'"
    (batch, _) = lines(client.post("/v1/products:bulk", content='{"id": "x", "titel": "x"}'))
    assert "titel: there is no such field" in batch["errors"][0]["message"]
    assert batch["errors"][0]["id"] == "x"
    body = '{"id": 7, "title": "x", "price": -1}\n{"id": "y", "op": "paint"}\n{"id": " z "}\n{"title": "x"}\n["x"]'
    (batch, _) = lines(client.post("/v1/products:bulk", content=body))
    assert [one["id"] for one in batch["errors"]] == ["7", "y", " z ", None, None]


def test_a_product_that_is_not_there_is_told_with_what_to_do(client):
    error = client.get("/v1/products/none").json()["error"]
    assert error["message"] == "there is no product 'none'"
    assert "PUT /v1/products/ID adds one" in error["fix"]


@pytest.mark.parametrize("bad", ["%00", "a%0Ab", "%20a", "x" * 257])
def test_an_id_that_cannot_be_is_refused(client, bad):
    assert client.put(f"/v1/products/{bad}", json={"title": "x"}).status_code in (400, 404, 422)


@pytest.mark.parametrize("name", ["a/similar", "/similar", "a /similar", "a/similar/similar"])
def test_a_product_whose_id_ends_as_the_address_of_similar_ones_does(client, name):
    path = f"/v1/products/{quote(name, safe='')}"
    assert client.get(path).status_code in (400, 404)
    assert client.put(path, json={"title": "Zorbulon stand"}).status_code == 201
    assert client.get(path).json() == {"id": name, "title": "Zorbulon stand", "family": name}
    similar = client.get(f"{path}/similar", params={"k": 2})
    assert (similar.json()["id"], len(similar.json()["similar"])) == (name, 2)
    assert client.delete(path).status_code == 200
    assert client.get(path).status_code in (400, 404)


def test_similar_products_are_the_nearest_by_the_encoders_own_vectors(client, encoder):
    engine = client.app.state.parts.engine
    ids = sorted(engine.index.ids())
    stored = engine.index.stored(ids)
    me = stored[ids[0]]
    others = [one for one in ids if stored[one].product.family != me.product.family]
    best = max(others, key=lambda one: float(stored[one].vectors["text"] @ me.vectors["text"]))
    answer = client.get(f"/v1/products/{ids[0]}/similar", params={"k": 3}).json()
    assert answer["similar"][0]["product"]["id"] == best
    assert answer["similar"][0]["score"] == pytest.approx(
        float(stored[best].vectors["text"] @ me.vectors["text"]), abs=1e-5
    )
    cheap = client.get(f"/v1/products/{ids[0]}/similar", params={"k": 5, "filter": "price < 20"}).json()
    assert all(one["product"]["price"] < 20 for one in cheap["similar"])
    assert client.get("/v1/products/none/similar").status_code == 404


def lines(response):
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_bulk_import_is_acknowledged_batch_by_batch(engine, tmp_path):
    from fastapi.testclient import TestClient

    from aisle.serve.app import create_app
    from aisle.serve.settings import Settings

    app = create_app(engine, Settings(state=str(tmp_path), bulk_batch=2))
    body = [
        '{"id": "n1", "title": "Zorbulon one"}',
        '{"id": 2, "title": "Zorbulon two"}',
        "",
        '{"id": "n3"}',
        '{"op": "patch", "id": "n1", "price": 5}',
        "nonsense",
        '{"op": "delete", "id": "2"}',
        '{"op": "delete", "id": "never"}',
    ]
    with TestClient(app) as client:
        first, second, third, fourth, last = lines(client.post("/v1/products:bulk", content="\n".join(body)))
        assert first == {"lines": [1, 2], "created": 2, "errors": []}
        assert (second["lines"], second["refused"], second["updated"]) == ([4, 5], 1, 1)
        assert (second["errors"][0]["line"], "title" in second["errors"][0]["message"]) == (4, True)
        assert (third["lines"], third["refused"], third["deleted"]) == ([6, 7], 1, 1)
        assert (fourth["lines"], fourth["missing"]) == ([8, 8], 1)
        assert last == {"done": True, "lines": 8}
        assert client.get("/v1/products/n1").json()["price"] == 5
        assert client.get("/v1/products/2").status_code == 404


def test_a_line_that_is_too_long_ends_the_import_and_says_where_to_go_on(engine, tmp_path):
    from fastapi.testclient import TestClient

    from aisle.serve.app import create_app
    from aisle.serve.settings import Settings

    app = create_app(engine, Settings(state=str(tmp_path), bulk_batch=1, max_line_bytes=1_024))
    body = '{"id": "n1", "title": "x"}\n{"id": "n2", "title": "' + 2_000 * "x" + '"}\n'
    with TestClient(app) as client:
        acknowledged, error = lines(client.post("/v1/products:bulk", content=body))
        assert acknowledged["created"] == 1
        assert error["durable_to_line"] == 1
        assert error["error"]["code"] == "line_too_long"


def test_judgments_are_kept_and_the_last_word_counts(client, tmp_path):
    def add(grade, judge):
        one = {"query": "usb hub", "product_id": "1", "grade": grade, "judge": judge}
        assert client.post("/v1/judgments", json={"judgments": [one]}).status_code == 201

    add(3, "anna")
    add(0, "anna")
    add(1, "ben")
    answer = client.get("/v1/judgments").json()
    assert [(one["judge"], one["grade"]) for one in answer["judgments"]] == [("ben", 1), ("anna", 0)]
    together = client.get("/v1/judgments", params={"together": True}).json()
    assert together["judgments"] == [{"query": "usb hub", "product_id": "1", "grade": 0.5}]
    with (tmp_path / "state" / "judgments.jsonl").open("a") as file:
        file.write('{"query": "half a li')  # a process was killed here
    add(2, "ben")
    assert client.get("/v1/judgments", params={"query": "usb hub"}).json()["total"] == 2
    assert client.post("/v1/judgments", json={"judgments": []}).status_code == 422


def test_with_keys_a_rater_speaks_in_its_own_name_alone(client):
    security = client.app.state.security
    shown = {}
    for name, scope in (("anna", "judge"), ("ben", "judge"), ("root", "admin")):
        _, key = security.keys.create(name, [scope])
        shown[name] = {"X-API-Key": key}

    def add(key, grade, **judge):
        one = {"query": "usb hub", "product_id": "1", "grade": grade, **judge}
        return client.post("/v1/judgments", json={"judgments": [one]}, headers=shown[key])

    assert add("anna", 3).status_code == 201
    assert add("ben", 1, judge="ben").status_code == 201
    refused = add("ben", 0, judge="anna")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["allowed"]) == (403, "another_judge", "ben")
    kept = client.get("/v1/judgments", headers=shown["ben"]).json()["judgments"]
    assert [(one["judge"], one["grade"]) for one in kept] == [("ben", 1), ("anna", 3)]
    assert add("root", 2, judge="anna").status_code == 201
    assert add("root", 0).status_code == 201
    kept = client.get("/v1/judgments", headers=shown["ben"]).json()["judgments"]
    assert {one["judge"]: one["grade"] for one in kept} == {"anna": 2, "ben": 1, "root": 0}


def test_queries_of_judgments_are_kept_masked(client, tmp_path):
    query = "hub for anna@example.org, 138 0013 8000"
    one = {"query": query, "product_id": "1", "grade": 3, "judge": "anna"}
    assert client.post("/v1/judgments", json={"judgments": [one]}).status_code == 201
    kept = (tmp_path / "state" / "judgments.jsonl").read_text()
    assert "example.org" not in kept
    assert "8000" not in kept
    for asked in (query, "hub for <email>, <phone>"):
        (found,) = client.get("/v1/judgments", params={"query": asked}).json()["judgments"]
        assert (found["query"], found["grade"]) == ("hub for <email>, <phone>", 3)


def test_events_are_kept_masked(client, tmp_path):
    event = {"type": "click", "query": "mail anna@example.org", "user": "anna", "items": [{"id": "1", "position": 2}]}
    assert client.post("/v1/events", json={"events": [event]}).status_code == 202
    (file,) = (tmp_path / "state" / "events").glob("*.jsonl")
    kept = file.read_text()
    assert "example.org" not in kept
    assert '"anna"' not in kept
    assert client.post("/v1/events", json={"events": [{"type": "look", "items": []}]}).status_code == 422


def test_changes_are_in_the_audit_log(client):
    client.put("/v1/products/x1", json={"title": "Thing"})
    client.delete("/v1/products/x1")
    entries = list(client.app.state.parts.audit.entries())
    assert [(entry["action"], entry["target"]) for entry in entries] == [
        ("product.put", "x1"),
        ("product.delete", "x1"),
    ]


def test_rules_act_at_once_and_in_the_next_process(client, engine, folder, encoder, tmp_path):
    wanted = shown(client, "cable", k=5)[4]["id"]
    empty = client.get("/v1/rules")
    assert empty.json()["rules"] == {}
    rules = {"rule": [{"name": "pin it", "when": {"query": ["cable"]}, "pin": [wanted], "from": "2026-01-01"}]}
    put = client.put("/v1/rules", json=rules, headers={"If-Match": empty.headers["etag"]})
    assert put.status_code == 200
    assert shown(client, "cable")[0]["id"] == wanted
    assert client.get("/v1/rules").json()["rules"]["rule"][0]["pin"] == [wanted]
    late = client.put("/v1/rules", json={"rule": []}, headers={"If-Match": empty.headers["etag"]})
    assert (late.status_code, late.json()["error"]["code"]) == (412, "rules_changed")
    unfit = client.put("/v1/rules", json={"rule": [{"name": "r", "when": {"query": ["cable"]}, "pin": ["none"]}]})
    assert (unfit.status_code, unfit.json()["error"]["code"]) == (422, "rules_unfit")
    wrong = client.put("/v1/rules", content="rule = 3", headers={"content-type": "application/toml"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "recipe_error")
    assert shown(client, "cable")[0]["id"] == wanted
    with SearchEngine.open(folder, encoder=encoder) as other:  # another worker
        parts = client.app.state.parts
        assert type(parts.rules)(parts.rules.path).follow(other)
        assert other.search(SearchRequest("cable")).hits[0].product_id == wanted


def test_health_says_what_there_is(client):
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["parts"]["writer"] == "ok"
    assert ready.json()["index"]["products"] == 240
    assert client.get("/health/live").json()["status"] == "live"
