"""The whole API against its own description, with right and wrong values; and what no HTTP client would send."""

import json
import random
import socket
import threading
import time
from collections import Counter

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from aisle.serve.app import Outside, create_app
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.settings import Settings

MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
SEED = 8
ENDINGS = (b"\r\n", b"\n", b"\r\n\r\n", b"\r", b"\x00", b" ")
TARGETS = (
    b"/v1/search?q=ink",
    b"/v1/search",
    b"/v1/products/1",
    b"/v1/products:bulk",
    b"/v1/rules",
    b"/v1/events",
    b"/judge",
    b"/",
    b"/docs",
    b"/%ff%00",
    b"*",
    b"//",
    b"http://other/v1/search",
    b"/v1/products/%2e%2e%2fkeys.json",
)
BODIES = (
    b'{"query": "ink"}',
    b"{",
    b"[" * 5_000,
    b'{"query": "\\ud800"}',
    b"\xff\xfe{\x00}\x00",
    b'{"k": 1e999}',
    b"\x1f\x8b\x08",
    b'{"title": "x", "price": NaN}',
    b'{"query": "' + b"\xf0\x9f\x98\x80" * 99 + b'"}',
    b"",
    b'"' + b"\\u0000" * 99 + b'"',
)
HEADERS = (
    b"Host: localhost",
    b"Host: \xff",
    b"Content-Type: application/json",
    b"Content-Type: text/html; charset=utf-99",
    b"Content-Type: application/json; charset=utf-16",
    b"Content-Type: multipart/form-data",
    b"Content-Encoding: gzip",
    b"Transfer-Encoding: chunked",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999",
    b"Content-Type: application/toml",
    b"Authorization: Bearer \xe4",
    b"Authorization: Basic OjpA",
    b"X-API-Key: aisle_",
    b"Cookie: aisle=.; aisle-language=\x01",
    b"X-Deadline-Ms: nan",
    b"X-Deadline-Ms: 1",
    b"If-Match: \xff",
    b"Origin: null",
    b"X-Request-ID: a\tb",
    b"Expect: 100-continue",
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Accept-Language: zh;q=x",
    b"Range: bytes=0-",
    b"Forwarded: for=1",
    b": empty",
    b" folded: 1",
    b"X" * 9_000 + b": 1",
)


@schemathesis.serializer("application/x-ndjson", "application/toml")
def as_it_is(ctx, value):
    return value.encode(errors="replace") if isinstance(value, str) else json.dumps(value).encode()


@pytest.fixture
def server(engine, tmp_path):
    """The service with all its parts on a free port: its address and its security."""
    security = Security(tmp_path / "state", SecuritySettings.from_dict({"limits": {"idle_s": 0.5, "per_minute": 0}}))
    app = create_app(engine, Settings(state=str(tmp_path / "state")), Outside(security=security))
    own = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=own.run)
    thread.start()
    while not own.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{own.servers[0].sockets[0].getsockname()[1]}", security
    own.should_exit = True
    thread.join()
    security.close()


LONGEST = 65_535
"""Characters of an address that httptools reads."""


def walk(address, headers, examples):
    """Ask every operation for what its description allows and does not; the number of answers by status."""
    described = httpx.get(f"{address}/openapi.json", headers=headers).json()
    schema = schemathesis.openapi.from_dict(described)
    statuses = {}
    limits = settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )

    def ask(case):
        answer = case.call(base_url=address, headers=headers)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, f"{answer.text}\n{case.as_curl_command()}"
        if len(answer.request.url) > LONGEST:
            assert answer.status_code == 400
            return  # the server itself says so, in plain text
        if answer.status_code >= 400 and answer.content:
            assert set(answer.json()["error"]) >= {"code", "message", "request_id"}, case.as_curl_command()

    for found in schema.get_all_operations():
        for mode in MODES:
            try:
                limits(given(case=found.ok().as_strategy(generation_mode=mode))(ask))()
            except Unsatisfiable:  # nothing can be wrong where nothing is asked for
                assert mode is GenerationMode.NEGATIVE, found.ok().label
    return statuses


def test_nothing_that_the_description_allows_or_not_is_an_error_of_ours(server):
    address, security = server
    statuses = walk(address, {}, 4)
    assert {200, 422} <= set(statuses)
    _, admin = security.keys.create("root", ["admin"])
    assert set(walk(address, {"Authorization": f"Bearer {admin}"}, 2)) >= {200, 422}


@pytest.mark.slow
def test_the_same_at_length(server):
    address, security = server
    _, admin = security.keys.create("root", ["admin"])
    statuses = walk(address, {"Authorization": f"Bearer {admin}"}, 100)
    print(statuses)
    assert {200, 201, 202, 404, 422} <= set(statuses)


def sent(address, data):
    """What comes back for some bytes; who gets no answer says that no more will come."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        answer = b""
        try:
            connection.sendall(data)
            connection.settimeout(0.5)
            try:
                answer = connection.recv(65_536)
            except TimeoutError:
                connection.settimeout(60)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65_536)
        except ConnectionError:  # refused before it was all sent
            pass
        return answer


def fuzz(address, rounds):
    """Requests put together at random: the statuses of the answers, with how many there were."""
    chance = random.Random(SEED)
    found = Counter()
    for number in range(rounds):
        wild = number % 2  # every other one is HTTP, whatever it asks for
        method = chance.choice(
            (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"\xff", b"G E")
        )
        lines = [
            b" ".join(
                (
                    method,
                    chance.choice(TARGETS),
                    chance.choice((b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/9")[: 4 if wild else 2]),
                )
            )
        ]
        lines += [b"Host: localhost"] * (chance.random() < 0.9 or not wild) + chance.sample(
            HEADERS, chance.randint(0, 5) * wild
        )
        lines += [b"Content-Type: application/json"] * (chance.random() < 0.5)
        body = chance.choice(BODIES)
        if chance.random() < 0.6 or not wild:
            lines.append(b"Content-Length: %d" % len(body))
        ending = b"\r\n" if chance.random() < 0.9 or not wild else chance.choice(ENDINGS)
        data = ending.join(lines) + 2 * ending + body
        if wild and chance.random() < 0.2:
            place = chance.randrange(len(data))
            data = data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
        answer = sent(address, data)
        status = answer[9:12]
        assert not status.startswith(b"5"), (data, answer)
        assert b"Traceback" not in answer
        found[status] += 1
    return found


def test_bytes_that_are_hardly_http_are_no_error_of_ours(server):
    address, _ = server
    assert {b"200", b"400"} <= fuzz(address, 150).keys()
    assert httpx.get(f"{address}/v1/search", params={"q": "ink"}).status_code == 200


@pytest.mark.slow
def test_many_bytes_that_are_hardly_http(server):
    address, _ = server
    found = fuzz(address, 5_000)
    print(found)
    assert {b"200", b"400"} <= found.keys()
