"""The service under load, beside a plain FastAPI + sentence-transformers server, from another process on this machine.

    python benchmarks/serve_load.py --index DIR [--seconds 8] [--plain] [--rerank]

After twelve seconds of 8 clients that are not counted, every query is asked once: two to four neighbouring words of a
random product's title (seed 0), so that no cache of answers helps. Closed loop: each client asks its next query when it
has the answer, and after a 429 waits as long as Retry-After says; "hammering" is 64 clients that ask again at once.
Overload: four times the rate that 8 clients reached, at fixed times whatever comes back, then 8 clients again. The
clients are raw sockets in a process of their own, and share the cores with the servers: "client_cpu_ms" is what they
took of each request. Milliseconds are from the first byte sent to the last received.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from record import record

HERE = Path(__file__).parent
WARM_S = 12.0
"""Before anything is counted: a service runs for days, and products are read, and their words made plain, once."""
IDLE_S = 4.0
"""A connection that was idle for longer is not used again: servers end it after five seconds."""
AISLE = [sys.executable, "-c", "from aisle.cli.main import run; run()", "serve"]


def titles(index: Path) -> list[dict[str, Any]]:
    from aisle.build import stored_recipe
    from aisle.catalogue.store import product_to_dict
    from aisle.indexes.lance import LanceIndex

    opened = LanceIndex.open(index / "lance", stored_recipe(index).index)
    ids = sorted(opened.ids())
    found = [opened.get(ids[at : at + 2_000]) for at in range(0, len(ids), 2_000)]
    opened.close()
    return [product_to_dict(product) for part in found for product in part if product is not None]


def distinct_queries(products: list[dict[str, Any]], count: int) -> list[str]:
    rng = random.Random(0)
    found: dict[str, None] = {}
    while len(found) < count:
        words = rng.choice(products)["title"].split()
        size = min(len(words), rng.randint(2, 4))
        at = rng.randint(0, len(words) - size)
        found[" ".join(words[at : at + size])] = None
    return list(found)


class Client:
    """One connection that asks and reads; httpx would take more of the cores than the server does."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.retry_after_s, self.used = 0.0, 0.0

    async def ask(self, path: str) -> tuple[int, float]:
        """The status and the milliseconds; 0 where the connection broke."""
        start = time.perf_counter()
        if start - self.used > IDLE_S:
            self.close()
        try:
            if self.stream is None:
                self.stream = await asyncio.open_connection(self.host, self.port)
            reader, writer = self.stream
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            lower = head.lower()
            length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            self.retry_after_s = (
                float(lower.split(b"retry-after:")[1].split(b"\r\n")[0]) if b"retry-after:" in lower else 0.0
            )
            await reader.readexactly(length)
            self.used = time.perf_counter()
            return int(head.split(b" ", 2)[1]), (time.perf_counter() - start) * 1_000
        except (OSError, asyncio.IncompleteReadError, IndexError):
            self.close()
            return 0, (time.perf_counter() - start) * 1_000

    def close(self) -> None:
        if self.stream is not None:
            self.stream[1].close()
            self.stream = None


def path_of(query: str, mode: str) -> str:
    return "/v1/search?" + urllib.parse.urlencode({"q": query, "mode": mode, "k": 10})


async def closed_loop(
    port: int, queries: list[str], mode: str, clients: int, seconds: float, hammering: bool = False
) -> dict[str, Any]:
    left = iter(queries)
    found: list[tuple[int, float]] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        client = Client("127.0.0.1", port)
        while time.perf_counter() < end and (query := next(left, None)) is not None:
            found.append(await client.ask(path_of(query, mode)))
            if found[-1][0] == 429 and not hammering:
                await asyncio.sleep(max(0.0, min(client.retry_after_s, end - time.perf_counter())))
        client.close()

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(clients)))
    spent = (time.process_time() - cpu) * 1_000 / max(1, len(found))
    return summary(found, time.perf_counter() - start) | {"client_cpu_ms": round(spent, 2)}


async def open_loop(port: int, queries: list[str], mode: str, rate: float, seconds: float) -> dict[str, Any]:
    """Requests at fixed times, whatever comes back."""
    idle: list[Client] = []
    found: list[tuple[int, float]] = []

    async def one(query: str) -> None:
        client = idle.pop() if idle else Client("127.0.0.1", port)
        found.append(await client.ask(path_of(query, mode)))
        idle.append(client)

    start = time.perf_counter()
    tasks = []
    for number, query in enumerate(queries[: int(rate * seconds)]):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        tasks.append(asyncio.ensure_future(one(query)))
    await asyncio.gather(*tasks)
    took = time.perf_counter() - start
    for client in idle:
        client.close()
    return summary(found, took)


def summary(found: list[tuple[int, float]], seconds: float) -> dict[str, Any]:
    good = [ms for status, ms in found if status == 200]
    shed = [ms for status, ms in found if status == 429]
    said = {f"p{p}": round(float(np.percentile(good, p)), 1) for p in (50, 95, 99)} if good else {}
    other = sum(status not in (200, 429) for status, _ in found)
    return {"answered": len(good), "rps": round(len(good) / seconds, 1), **said, "shed": len(shed), "failed": other}


def loads(port: int, queries: list[str], mode: str, clients: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """Each number of clients gets queries of its own."""
    found = {}
    warm = asyncio.run(closed_loop(port, queries, mode, 8, WARM_S))
    at = warm["answered"] + warm["shed"]
    for count in clients:
        part = queries[at : at + 20_000 // len(clients)]
        found[str(count)] = asyncio.run(closed_loop(port, part, mode, count, seconds))
        at += found[str(count)]["answered"] + found[str(count)]["shed"]
        print(mode, count, found[str(count)], flush=True)
    found["64, hammering"] = asyncio.run(closed_loop(port, queries[at:], mode, 64, seconds, hammering=True))
    print(mode, "64, hammering", found["64, hammering"], flush=True)
    return found


def overload(port: int, queries: list[str], mode: str, sustained: float, seconds: float) -> dict[str, Any]:
    rate = 4 * sustained
    during = asyncio.run(open_loop(port, queries, mode, rate, seconds))
    stopped = time.perf_counter()
    recovered = None
    rest = iter(queries[int(rate * seconds) :])
    while time.perf_counter() - stopped < 30:
        after = asyncio.run(closed_loop(port, [q for q, _ in zip(rest, range(80), strict=False)], mode, 8, 1.0))
        if after["shed"] == 0 and after["failed"] == 0 and after.get("p95", 1e9) < 1_000 * 8 / sustained * 2:
            recovered = round(time.perf_counter() - stopped, 1)
            break
    print("overload", round(rate), during, "recovered in", recovered, after, flush=True)
    return {"rate": round(rate), "during": during, "recovered_s": recovered, "after": after}


def served(command: list[str], port: int, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, env=os.environ | (environment or {}), stdout=subprocess.DEVNULL)
    for _ in range(1_200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path_of('mouse', 'hybrid')}", timeout=20).read()
            break
        except OSError:
            time.sleep(0.1)
    time.sleep(10)  # suggestions are read meanwhile
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--port", type=int, default=8_765)
    parser.add_argument("--plain", action="store_true", help="measure the plain server too")
    parser.add_argument("--rerank", action="store_true", help="and the embedded re-ranker")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--work", type=Path, default=Path("serve-load"))
    given = parser.parse_args()
    products = titles(given.index)
    queries = distinct_queries(products, 40_000)
    numbers: dict[str, Any] = {"notes": " ".join((__doc__ or "").split()), "products": len(products)}
    config = ["--config", str(given.config)] if given.config else []
    port = given.port
    process = served([*AISLE, str(given.index), "--port", str(port), *config], port)
    try:
        numbers["bm25"] = loads(port, queries, "bm25", (1, 8, 64), given.seconds)
        numbers["hybrid"] = loads(port, queries[20_000:], "hybrid", (1, 8, 64), given.seconds)
        sustained = numbers["hybrid"]["8"]["rps"]
        numbers["overload"] = overload(port, queries[29_000:], "hybrid", sustained, given.seconds)
    finally:
        stop(process)
    if given.rerank:
        port += 1
        process = served([*AISLE, str(given.index), "--port", str(port), "--model", "embedded", *config], port)
        try:
            numbers["reranked"] = loads(port, queries[20_000:], "hybrid", (1, 8, 64), given.seconds)
        finally:
            stop(process)
    if given.plain:
        given.work.mkdir(exist_ok=True)
        file = given.work / "catalogue.jsonl"
        if not file.with_suffix(".npy").exists():
            file.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in products), encoding="utf-8")
            subprocess.run([sys.executable, str(HERE / "plain_server.py"), str(file)], check=True)
        for name, workers, threads in (("plain, 1 process", 1, ""), ("plain, 2 processes", 2, "1")):
            port += 1
            command = [
                sys.executable, "-m", "uvicorn", "plain_server:create", "--factory", "--app-dir", str(HERE),
                "--port", str(port), "--workers", str(workers), "--log-level", "warning", "--no-access-log",
            ]  # fmt: skip
            environment = {"AISLE_PLAIN": str(file), "AISLE_PLAIN_THREADS": threads}
            process = served(command, port, environment)
            try:
                numbers[name] = loads(port, queries[20_000:], "hybrid", (1, 8, 64), given.seconds)
            finally:
                stop(process)
    record("serve_load", numbers)


if __name__ == "__main__":
    main()
