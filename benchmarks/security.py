"""What security costs one request, and what keeping events costs.

    python benchmarks/security.py

CPU microseconds of one process, median of 5 rounds (fastest and slowest beside it): checking a key, counting a request
against its limits alone and while three other processes count too, masking a query, the shield around a request, the
whole guard; and events a second that are on the disk when they are acknowledged, one at a time and 64 at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from record import record

from aisle.privacy import mask
from aisle.serve.security import Security, SecuritySettings, install
from aisle.serve.security.audit import AuditLog
from aisle.serve.security.event import Event, Item
from aisle.serve.security.events import EventStore
from aisle.serve.security.limits import Limit, RateTable

ROUNDS = 5
QUERIES = (
    "brother mfc-240c ink",
    "wireless mouse for laptop under 30",
    "苹果手机壳 防摔 透明",
    "call 13800138000 about order",
)


def timed(work: Callable[[], object], times: int) -> dict[str, float]:
    """CPU microseconds of one call: median, fastest and slowest round."""
    found = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - begun) / times * 1e6)
    return {
        "median": round(statistics.median(found), 2),
        "fastest": round(min(found), 2),
        "slowest": round(max(found), 2),
    }


def count_on(path: Path, stop: Any) -> None:
    table = RateTable(path)
    while not stop.is_set():
        table.hit("another", Limit(per_minute=600))


def scope_of(headers: list[tuple[bytes, bytes]], app: FastAPI) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "path": "/search",
        "raw_path": b"/search",
        "query_string": b"q=ink",
        "headers": headers,
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8080),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "app": app,
    }


async def calls(app: Any, headers: list[tuple[bytes, bytes]], times: int) -> float:
    """CPU seconds that so many requests take, without a server around them."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200, message

    begun = time.process_time()
    for _ in range(times):
        await app(scope_of(headers, app), receive, send)
    return time.process_time() - begun


def request_costs(folder: Path) -> dict[str, Any]:
    """One empty route, plain and with security around it, alternating."""
    security = Security(folder, SecuritySettings.from_dict({"limits": {"per_minute": 0}}))
    _, text = security.keys.create("web", ["search"])
    plain, guarded = FastAPI(), FastAPI()

    async def nothing() -> dict[str, int]:
        return {}

    async def guarded_route(request: Request) -> dict[str, int]:
        await security.guard(request, "search")
        return {}

    plain.get("/search")(nothing)
    guarded.get("/search")(guarded_route)
    install(guarded, security)
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {text}".encode())]
    rounds: dict[str, list[float]] = {"plain": [], "with security": []}
    for _ in range(ROUNDS):
        for name, app in (("plain", plain), ("with security", guarded)):
            rounds[name].append(asyncio.run(calls(app, headers, 1_000)) / 1_000 * 1e6)
    security.close()
    return {
        name: {"median": round(statistics.median(held), 1), "fastest": round(min(held), 1)}
        for name, held in rounds.items()
    }


def events_a_second(folder: Path) -> dict[str, Any]:
    event = Event("impression", tuple(Item(f"p{n}", n + 1) for n in range(20)), query="brother mfc-240c ink", user="u1")
    store = EventStore(folder, 90, 10_000)
    begun = time.perf_counter()
    for _ in range(300):
        store.add_now([event])
    alone = 300 / (time.perf_counter() - begun)

    async def together() -> float:
        begun = time.perf_counter()
        for _ in range(30):
            await asyncio.gather(*(store.add([event]) for _ in range(64)))
        return 30 * 64 / (time.perf_counter() - begun)

    at_once = asyncio.run(together())
    store.close()
    return {"one at a time": round(alone), "64 at once": round(at_once)}


def main() -> int:
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split())}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        security = Security(folder / "a", SecuritySettings())
        text = security.keys.create("web", ["search"])[1]
        for n in range(200):
            security.keys.create(f"key {n}", ["search"])
        numbers["check a key of 201"] = timed(lambda: security.keys.verify(text), 2_000)
        table, limit = security.rates, Limit(per_minute=600, per_day=10_000)
        numbers["count a request"] = timed(lambda: table.hit("ours", limit), 5_000)
        fork = multiprocessing.get_context("fork")
        stop = fork.Event()
        others = [fork.Process(target=count_on, args=(table.path, stop)) for _ in range(3)]
        for other in others:
            other.start()
        numbers["count a request beside 3 processes that count without a pause"] = timed(
            lambda: table.hit("ours", limit), 2_000
        )
        stop.set()
        for other in others:
            other.join()
        security.close()
        numbers["mask a query"] = {query: timed(lambda query=query: mask(query), 1_000) for query in QUERIES}
        numbers["a request"] = request_costs(folder / "b")
        numbers["events a second on the disk"] = events_a_second(folder / "c")
        log = AuditLog(folder / "audit")
        begun = time.perf_counter()
        for _ in range(50):
            log.write("k", "product.put", "p1", "r", {"a": 1}, {"a": 2})
        numbers["milliseconds of an audit entry on the disk"] = round((time.perf_counter() - begun) / 50 * 1e3, 2)
    for what, found in numbers.items():
        print(f"{what}: {found}")
    record("security", numbers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
