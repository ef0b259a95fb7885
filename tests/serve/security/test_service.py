"""The whole service behind keys: every route that its OpenAPI names, with no key and with a key of each scope."""

import json

import pytest

from tests.serve.security.conftest import bearer

OPEN = {("get", "/health/live"), ("get", "/health/ready")}
WRITE = {"put", "patch", "delete"}


def needed(method, path):
    """The scope of a route, as docs/security.md has it."""
    if path in ("/metrics",) or path.startswith("/v1/rules"):
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
    assert security.audit.verify().entries == 1


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
