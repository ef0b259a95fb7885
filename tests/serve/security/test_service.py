"""The whole service behind keys: every route that its OpenAPI names, with no key and with a key of each scope."""

import json
from dataclasses import replace

import pytest

from aisle.serve.content import Hash, content_hash
from aisle.serve.security.event_files import read_events
from tests.serve.security.conftest import bearer

OPEN = {("get", "/health/live"), ("get", "/health/ready")}
WRITE = {"put", "patch", "delete"}


def needed(method, path):
    """The scope of a route, as docs/security.md has it."""
    if path in ("/metrics", "/v1/events:delete") or path.startswith("/v1/rules"):
        return "admin"
    if path.startswith("/v1/judgments"):
        return "judge"
    if path.startswith("/v1/products") and (method in WRITE or path.endswith(":bulk")):
        return "write"
    return "search"


@pytest.fixture
def routes(client):
    schema = client.app.openapi()
    return [(method, path) for path, methods in schema["paths"].items() for method in methods]


def ask(client, method, path, headers=None):
    """A request that is whole but harmless: what it names does not exist."""
    place = path.replace("{product_id}", "no-such-product").replace("{name}", "no-such-name")
    body = b"{}" if method in ("post", "put", "patch") else None
    return client.request(method, place, content=body, headers={"content-type": "application/json", **(headers or {})})


def test_no_route_is_open_by_being_forgotten(client, routes):
    client.app.state.security.keys.create("somebody", ["search"])
    assert len(routes) >= 20
    assert set(routes) > OPEN
    got = {(method, path): ask(client, method, path).status_code for method, path in routes}
    assert {route for route, status in got.items() if status != 401} == OPEN


def test_a_service_that_lets_nobody_in_is_not_ready(client):
    security = client.app.state.security
    security.keys.create("somebody", ["search"])
    assert client.get("/health/ready").json()["parts"]["keys"] == "ok"
    path = security.state / "keys.json"
    whole = path.read_bytes()
    path.write_bytes(b"{")
    ready = client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["parts"]["keys"] == "cannot be read: nobody gets in by one; to fix: see the service's log"
    security.settings = replace(security.settings, anonymous=("search",))  # then shoppers need none
    assert client.get("/health/ready").status_code == 200
    assert client.get("/v1/search", params={"q": "ink"}).status_code == 200
    path.write_bytes(whole)
    assert client.get("/health/ready").json()["parts"]["keys"] == "ok"


def test_what_cannot_be_read_is_refused_for_want_of_a_key_first(client, routes):
    client.app.state.security.keys.create("somebody", ["search"])
    for method, path in routes:
        if method in ("post", "put", "patch"):
            headers = {"content-type": "application/json"}
            answer = client.request(method, path.replace("{product_id}", "1"), content=b"{broken", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), path


def test_the_description_of_the_api_is_behind_the_key_and_says_how_to_show_one(client):
    assert client.get("/docs").headers["content-type"].startswith("text/html")
    _, text = client.app.state.security.keys.create("somebody", ["search"])
    assert client.get("/openapi.json").status_code == client.get("/docs").status_code == 401
    schema = client.get("/openapi.json", headers=bearer(text)).json()
    assert set(schema["components"]["securitySchemes"]) == {"bearer", "key"}
    unguarded = {
        (method, path)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") != [{"bearer": []}, {"key": []}]
    }
    assert unguarded == OPEN
    page = client.get("/docs", headers=bearer(text)).text
    assert "<script" not in page
    assert "http://" not in page.replace("http://127.0.0.1", "") or "src=" not in page
    assert all(f"{method.upper()} {path}" in page for path, methods in schema["paths"].items() for method in methods)


@pytest.mark.parametrize("scope", ["search", "write", "judge"])
def test_a_scope_opens_its_routes_and_no_others(client, routes, scope):
    _, text = client.app.state.security.keys.create(scope, [scope])
    statuses = {route: ask(client, *route, bearer(text)).status_code for route in routes if route not in OPEN}
    assert 401 not in statuses.values()
    refused = {route for route, status in statuses.items() if status == 403}
    assert refused == {route for route in statuses if needed(*route) != scope}


def test_admin_is_refused_nothing(client, routes):
    _, text = client.app.state.security.keys.create("root", ["admin"])
    statuses = [ask(client, *route, bearer(text)).status_code for route in routes]
    assert not {401, 403} & set(statuses)
    assert all(status < 500 for status in statuses)


def test_a_write_is_in_the_audit_log_with_who_and_which_request(client):
    security = client.app.state.security
    key, text = security.keys.create("importer", ["write"])
    body = {"title": "Testing mouse"}
    answer = client.put("/v1/products/t1", json=body, headers={"X-Request-ID": "req-7", **bearer(text)})
    assert answer.status_code == 201
    (entry,) = security.audit.entries()
    assert (entry["who"], entry["request_id"], entry["target"]) == (key.id, "req-7", "t1")
    assert len(entry["after"]) == 64
    assert entry["before"] == ""
    patched = client.patch("/v1/products/t1", json={"price": 3.5}, headers=bearer(text))
    assert patched.status_code == 200
    lines = b'{"op": "delete", "id": "t1"}'
    assert client.post("/v1/products:bulk", content=lines, headers=bearer(text)).status_code == 200
    first, second, third = security.audit.entries()
    assert second["before"] == first["after"] != second["after"]  # a chain of what the product was
    assert third["before"] == content_hash([["t1", Hash(second["after"])]])
    assert third["after"] == content_hash([["t1", ""]])
    assert security.audit.verify().entries == 3


def test_the_audit_log_has_the_rules_before(client):
    security = client.app.state.security
    rule = '[[rule]]\nname = "tv week"\nwhen = {query = ["tv"]}\nboost = {filter = "price > 1", by = 0.1}\n'
    texts = [rule, rule.replace("0.1", "0.2")]
    for text in texts:
        assert client.put("/v1/rules", content=text, headers={"content-type": "application/toml"}).status_code == 200
    first, second = security.audit.entries()
    assert (first["before"], first["after"]) == ("", content_hash(texts[0]))
    assert (second["before"], second["after"]) == (content_hash(texts[0]), content_hash(texts[1]))


def test_a_user_is_forgotten_over_the_api(client):
    def event(user, session):
        return {"type": "click", "query": "ink", "user": user, "session": session, "items": [{"id": "t1"}]}

    told = [event("anna", "s1"), event("", "s1"), event("ben", "s2"), event("", "s3")]
    assert client.post("/v1/events", json={"events": told}).status_code == 202
    security = client.app.state.security
    answer = client.post("/v1/events:delete", json={"user": "anna"})
    assert answer.json() == {"events": 2, "days": 1, "requests": 0}
    left = [one.event.user for one in read_events(security.state / "events")]
    assert sorted(left) == sorted([security.events.hasher("user", "ben"), ""])
    (entry,) = security.audit.entries()
    assert (entry["action"], entry["target"]) == ("events.delete_user", security.events.hasher("user", "anna"))
    assert client.post("/v1/events:delete", json={"user": "anna"}).json() == {"events": 0, "days": 0, "requests": 0}


def test_events_told_over_the_api_hold_nothing_personal(client):
    security = client.app.state.security
    event = {
        "type": "click",
        "query": "call 13800138000",
        "user": "anna@example.com",
        "items": [{"id": "t1", "position": 1}],
    }
    assert client.post("/v1/events", json={"events": [event]}).status_code == 202
    kept = "".join(path.read_text() for path in (security.state / "events").glob("*.jsonl"))
    assert json.loads(kept)["query"] == "call <phone>"
    assert "anna" not in kept


def test_no_answer_holds_a_key_or_a_hash(client, routes):
    security = client.app.state.security
    key, text = security.keys.create("root", ["admin"])
    for route in routes:
        answer = ask(client, *route, bearer(text)).text
        assert text not in answer
        assert key.sha256 not in answer
