"""Refusing before anything is read: who is refused, what it looks like, and that refusals in a hurry wait."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest

from aisle.serve import shedding
from aisle.serve.shedding import MOST_WAIT_S, Shedding


class Served:
    """An app that answers when it may, behind the middleware, with a pool that is full or not."""

    def __init__(self):
        self.reached, self.may, self.seconds = [], asyncio.Event(), 0
        self.may.set()
        self.pool = SimpleNamespace(full=lambda narrow: self.seconds)
        self.shedding = Shedding(self.app)

    async def app(self, scope, receive, send):
        self.reached.append(scope["query_string"])
        await self.may.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answer"})

    async def ask(self, query=b"q=a", path="/v1/search", method="GET"):
        sent = []
        state = SimpleNamespace(parts=SimpleNamespace(pool=self.pool))
        scope = {
            "type": "http", "path": path, "method": method, "query_string": query,
            "app": SimpleNamespace(state=state), "state": {"request_id": "id-1"},
        }  # fmt: skip

        async def send(message):
            sent.append(message)

        await self.shedding(scope, None, send)
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"], scope


def test_a_full_pool_refuses_before_the_app_is_reached():
    async def go():
        served = Served()
        served.seconds = 7
        status, headers, body, scope = await served.ask()
        error = json.loads(body)["error"]
        assert (status, headers[b"retry-after"], error["code"], error["request_id"]) == (429, b"7", "busy", "id-1")
        assert int(headers[b"content-length"]) == len(body)
        assert scope["state"]["refused"] == "/v1/search"
        assert (await served.ask(method="POST", path="/v1/rerank"))[0] == 429
        assert not served.reached
        assert (await served.ask(path="/v1/products/1"))[0] == 200
        assert (await served.ask(method="OPTIONS"))[0] == 200

    asyncio.run(go())


def test_an_equal_search_that_waits_may_be_joined():
    async def go():
        served = Served()
        served.may.clear()
        first = asyncio.ensure_future(served.ask(b"q=a"))
        await asyncio.sleep(0)
        served.seconds = 1
        second = asyncio.ensure_future(served.ask(b"q=a"))
        assert (await served.ask(b"q=b"))[0] == 429
        served.may.set()
        assert [(await one)[0] for one in (first, second)] == [200, 200]
        assert (await served.ask(b"q=a"))[0] == 429  # nobody waits any more

    asyncio.run(go())


def test_refusals_in_a_hurry_wait_and_few_do_not(monkeypatch):
    waits: list[float] = []
    now = [100.0]

    async def sleep(seconds):
        waits.append(seconds)

    async def go():
        monkeypatch.setattr(shedding, "asyncio", SimpleNamespace(sleep=sleep))  # and no other server's sleep
        monkeypatch.setattr(shedding, "time", SimpleNamespace(monotonic=lambda: now[0]))
        served = Served()
        served.seconds = 1
        for _ in range(400):
            await served.ask()
        now[0] += 1
        await served.ask()
        now[0] += 5
        await served.ask()

    real = time.monotonic()
    asyncio.run(go())
    assert waits[0] == pytest.approx(0.001)
    assert waits[399] == waits[400] == MOST_WAIT_S
    assert waits[401] == pytest.approx(0.001)
    assert time.monotonic() - real < 20
