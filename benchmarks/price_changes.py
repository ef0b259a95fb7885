"""Searches while prices change: hybrid, 8 clients, with none, one and five patches a second of random products.

    python benchmarks/price_changes.py --index DIR --work DIR [--seconds 20]

A service over a copy of the index. Closed loop as in `serve_load.py`; the patches are made one after another at fixed
times, each acknowledged only when it is durable. "write" is how long that took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import record
from serve_load import AISLE, closed_loop, distinct_queries, served, stop, titles


async def patches(port: int, ids: list[str], rate: float, seconds: float) -> list[float]:
    """Milliseconds of each."""
    if not rate:
        return []
    rng, found, start = random.Random(0), list[float](), time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
        if time.perf_counter() - start > seconds:
            break
        body = json.dumps({"price": round(rng.uniform(1, 500), 2)}).encode()
        head = f"PATCH /v1/products/{rng.choice(ids)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        head += "Content-Type: application/json\r\n"
        begun = time.perf_counter()
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in answer.split(b"\r\n")[0], answer
        await reader.readexactly(int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        found.append((time.perf_counter() - begun) * 1_000)
    writer.close()
    return found


async def both(port: int, ids: list[str], queries: list[str], rate: float, seconds: float) -> dict[str, Any]:
    found, took = await asyncio.gather(
        closed_loop(port, queries, "hybrid", 8, seconds), patches(port, ids, rate, seconds)
    )
    return found | {"patches": len(took), "write_p50": round(float(np.median(took)), 1) if took else None}


def asked(port: int, ids: list[str], queries: list[str], rate: float, seconds: float) -> dict[str, Any]:
    asyncio.run(closed_loop(port, queries[:60], "hybrid", 4, 5.0))
    return asyncio.run(both(port, ids, queries[60:], rate, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--port", type=int, default=8_795)
    given = parser.parse_args()
    products = titles(given.index)
    queries, ids = distinct_queries(products, 20_000), [one["id"] for one in products]
    shop = given.work / "shop"
    shutil.rmtree(shop, ignore_errors=True)
    shutil.copytree(given.index, shop)
    numbers: dict[str, Any] = {"notes": " ".join((__doc__ or "").split()), "products": len(products)}
    process = served([*AISLE, str(shop), "--port", str(given.port)], given.port)
    try:
        for place, rate in enumerate((0.0, 1.0, 5.0)):
            numbers[f"{rate:g} a second"] = asked(given.port, ids, queries[place * 6_000 :], rate, given.seconds)
            print(rate, numbers[f"{rate:g} a second"], flush=True)
    finally:
        stop(process)
    record("price_changes", numbers)


if __name__ == "__main__":
    main()
