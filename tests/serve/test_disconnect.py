"""A client that hangs up while its request waits: nothing is done for it."""

import json
import socket
import threading
import time

import pytest
import uvicorn

from aisle.engine import SearchEngine
from aisle.serve.app import create_app
from aisle.serve.settings import Settings


@pytest.fixture
def service(built, encoder, tmp_path):
    with SearchEngine.open(built, encoder=encoder) as engine:
        app = create_app(engine, Settings(state=str(tmp_path), threads=1, queue=2))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield app.state, server.servers[0].sockets[0].getsockname()[1]
        server.should_exit = True
        thread.join()


def asked(port, query):
    connection = socket.create_connection(("127.0.0.1", port))
    body = json.dumps({"query": query}).encode()
    head = (
        f"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    return connection


def until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_search_is_not_begun_when_its_client_has_left_and_a_full_queue_sheds(service):
    state, port = service
    pool = state.parts.pool
    begun, go, seen = threading.Event(), threading.Event(), []
    engine = state.parts.engine
    real = engine.search

    def search(request):
        seen.append(request.text)
        if request.text == "first":
            begun.set()
            assert go.wait(20)
        return real(request)

    engine.search = search
    first = asked(port, "first")
    assert begun.wait(20)
    left, stays = asked(port, "left"), asked(port, "stays")
    until(lambda: pool.waiting == 2)
    shed = asked(port, "too much")
    answer = shed.recv(4_096).decode()
    while not answer.endswith("}"):  # head and body may come apart
        answer += shed.recv(4_096).decode()
    assert answer.startswith("HTTP/1.1 429")
    assert "retry-after: 1" in answer.lower()
    assert '"code": "busy"' in answer
    left.close()
    until(lambda: pool.waiting == 1)
    go.set()
    for connection in (first, stays):
        assert connection.recv(4_096).startswith(b"HTTP/1.1 200")
    assert seen == ["first", "stays"]
    for connection in (first, stays, shed):
        connection.close()
    del engine.search
