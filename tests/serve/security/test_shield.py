"""Sizes, times, names, origins and headers, on a server that really runs; slow and broken clients on raw sockets."""

import socket

import httpx
import pytest
from fastapi.routing import APIRoute

from aisle.errors import RecipeError
from aisle.serve.app import ROUTERS
from aisle.serve.security import SecuritySettings, install
from tests.serve.security.conftest import bearer


def raw(client, data, seconds=8.0):
    """What the server answers to these bytes before it closes or time is up."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        while True:
            try:
                piece = connection.recv(65_536)
            except TimeoutError:
                break
            answer += piece
            if not piece:
                break
        return answer.decode("latin-1")


def streamed(client, path, pieces):
    """The status of an answer that may come, and end the connection, before all is sent: then it can be lost."""
    for _ in range(10):
        try:
            return client.post(path, content=pieces()).status_code
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            continue
    return None


def test_every_answer_has_the_headers(serve):
    with serve() as (client, _):
        for path in ("/search", "/page", "/nothing"):
            headers = client.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["cache-control"] == "no-store"
            policy = headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
        assert "script-src 'self'" in client.get("/page").headers["content-security-policy"]
        assert "default-src 'none'" in client.get("/search").headers["content-security-policy"]


def test_a_request_id_is_kept_if_it_is_one(serve):
    with serve() as (client, _):
        assert client.get("/search", headers={"X-Request-ID": "abc-1.2"}).headers["x-request-id"] == "abc-1.2"
        for bad in ("a b", "x" * 65, "<script>"):
            assert client.get("/search", headers={"X-Request-ID": bad}).headers["x-request-id"] != bad


def test_a_body_that_is_too_large_is_refused_by_its_length_and_by_its_bytes(serve):
    with serve(limits={"body_bytes": 1_000}) as (client, _):
        assert client.post("/products", content=b"x" * 1_000).json() == {"bytes": 1_000}
        told = client.post("/products", content=b"x" * 1_001)
        assert told.status_code == 413
        assert told.json()["error"]["allowed"] == "at most 1,000 here"

        def pieces():
            for _ in range(20):
                yield b"x" * 100

        assert streamed(client, "/products", pieces) == 413  # without a length
        assert client.post("/v1/products:bulk", content=pieces()).json() == {"bytes": 2_000}


def test_a_body_that_stalls_is_let_go_of(serve):
    with serve(limits={"idle_s": 0.3}) as (client, _):
        answer = raw(client, b"POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        assert answer.startswith("HTTP/1.1 408")
        answer = raw(client, b"POST /v1/products:bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc")
        assert answer.startswith("HTTP/1.1 408")


def test_a_body_that_trickles_is_let_go_of(serve):
    with (
        serve(limits={"idle_s": 5.0, "body_s": 0.5}) as (client, _),
        socket.create_connection((client.base_url.host, client.base_url.port)) as connection,
    ):
        connection.sendall(b"POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        connection.settimeout(0.05)
        answer = b""
        for _ in range(60):
            try:
                answer = connection.recv(100)
                break
            except TimeoutError:
                connection.sendall(b"x")
        assert answer.startswith(b"HTTP/1.1 408")


def test_headers_and_addresses_have_limits(serve):
    with serve(limits={"header_bytes": 2_048, "url_bytes": 512}) as (client, _):
        assert client.get("/search", headers={"X-Much": "x" * 3_000}).status_code == 431
        assert client.get("/search", params={"q": "x" * 600}).status_code == 414
        assert client.get("/search", params={"q": "x" * 400}).status_code == 200


def test_a_foreign_page_may_not_change_anything(serve):
    with serve() as (client, _):
        own = str(client.base_url).rstrip("/")
        assert client.post("/products", headers={"Origin": own}).status_code == 200
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
        ):
            answer = client.post("/products", headers=headers)
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "foreign_origin"
        assert client.get("/search", headers={"Origin": "https://evil.example"}).status_code == 200


def test_without_keys_a_foreign_name_for_this_machine_is_refused(serve):
    with serve() as (client, security):
        assert client.get("/search", headers={"Host": "rebound.evil.example"}).status_code == 400
        assert client.get("/search", headers={"Host": "localhost:99"}).status_code == 200
        _, text = security.keys.create("web", ["search"])
        assert client.get("/search", headers={"Host": "shop.example", **bearer(text)}).status_code == 200


def test_hosts_that_are_named_are_the_only_ones(serve):
    with serve(hosts=["search.shop.example"]) as (client, _):
        assert client.get("/search", headers={"Host": "search.shop.example:8080"}).status_code == 200
        assert client.get("/search", headers={"Host": "other.example"}).status_code == 400


def test_no_other_origin_unless_it_is_named(serve):
    ask = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    with serve() as (client, _):
        assert "access-control-allow-origin" not in client.get("/search", headers=ask).headers
    with serve(cors={"origins": ["https://shop.example"]}) as (client, _):
        preflight = client.options("/search", headers=ask)
        assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-credentials" not in preflight.headers
        routes = [route for _, router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
        read = {one.alias for route in routes for one in route.dependant.header_params}
        assert read == {"X-Deadline-Ms", "if-match"}
        for name in read | {"authorization", "x-api-key", "content-type", "traceparent", "tracestate", "x-request-id"}:
            allowed = client.options("/search", headers={**ask, "Access-Control-Request-Headers": name})
            assert allowed.status_code == 200, name
        unread = client.options("/search", headers={**ask, "Access-Control-Request-Headers": "x-forwarded-for"})
        assert unread.status_code == 400
        answer = client.get("/search", headers={"Origin": "https://shop.example"})
        shown = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert shown >= {"ETag", "Retry-After", "X-Request-ID", "RateLimit"}
        assert client.post("/products", headers={"Origin": "https://shop.example"}).status_code == 200
        other = client.options("/search", headers={**ask, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://", "https://*.example", "https://a.example/path"])
def test_origins_that_are_none(origin, tmp_path):
    from fastapi import FastAPI

    from aisle.serve.security import Security

    security = Security(tmp_path / "s", SecuritySettings.from_dict({"cors": {"origins": [origin]}}))
    with pytest.raises(RecipeError, match="origins has"):
        install(FastAPI(), security)
    security.close()


def test_an_unknown_setting_is_refused():
    with pytest.raises(RecipeError, match=r"cors\.origin'"):
        SecuritySettings.from_dict({"cors": {"origin": ["https://a.example"]}})


@pytest.mark.parametrize(
    "data",
    [
        b"GET /search HTTP/1.1\r\nHost: localhost\r\nX: \xff\xfe\r\n\r\n",
        b"GET /search HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"GET /%00%2e%2e/%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"GET /search HTTP/1.1\r\nHost: [::1\r\nAuthorization: Bearer \x80\r\nCookie: aisle=..; aisle=\x81\r\n\r\n",
    ],
)
def test_broken_requests_make_no_server_error(serve, data):
    with serve(limits={"idle_s": 0.3}) as (client, security):
        security.keys.create("web", ["search"])
        assert "HTTP/1.1 5" not in raw(client, data, seconds=0.5)
        assert client.get("/page").status_code == 200
