"""Search latency by mode, indexing rate and memory, at the size of Icecat and at 300,000 products made from it.

    python benchmarks/search_latency.py [--large 300000] [--keep FOLDER]

The large catalogue repeats the real products with another id and title ("<title> edition 7"), so that words, vectors
and filters are as varied as the real ones. Its vectors are the real product's vector plus a little noise, rescaled to
length 1: encoding 300,000 texts would measure the encoder, which benchmarks/encoder.py does. Each figure is over all
judged queries, `--rounds` times, one at a time, in one process, after ten queries that warm it up.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from record import record

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.filters import parse_filter
from aisle.types import MODES, Array, Product, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
FILTERS = {"": None, "price<100": "price<100", "brand=HP": "brand = HP"}


class Replayed:
    """Gives every text the vector its real product got, with noise: an encoder at no cost, for size only."""

    def __init__(self, real: EmbeddedEncoder, vectors: Array) -> None:
        self.real, self.vectors = real, vectors
        self.dim, self.fingerprint = real.dim, real.fingerprint
        self.rng = np.random.default_rng(0)
        self.at = 0

    def count_tokens(self, text: str) -> int:
        return self.real.count_tokens(text)

    def encode(self, texts: list[str], kind: str) -> Array:
        if kind == "query":
            return self.real.encode(texts, "query")
        rows = self.vectors[np.arange(self.at, self.at + len(texts)) % len(self.vectors)]
        self.at += len(texts)
        noisy = rows + self.rng.normal(0, 0.02, rows.shape).astype(np.float32)
        return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)


def larger(products: list[Product], size: int) -> Iterator[Product]:
    for n in range(size):
        product = products[n % len(products)]
        turn = n // len(products)
        title = product.title if not turn else f"{product.title} edition {turn}"
        yield dataclasses.replace(product, id=f"{product.id}-{turn}", title=title, identifiers=())


def latencies(engine: SearchEngine, queries: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds by mode and filter."""
    table = {}
    for mode in MODES:
        for name, expression in FILTERS.items():
            kept = parse_filter(expression) if expression else None
            for text in queries[:10]:
                engine.search(SearchRequest(text, mode=mode, filter=kept))
            taken = []
            for text in queries * rounds:
                start = time.perf_counter()
                engine.search(SearchRequest(text, mode=mode, filter=kept))
                taken.append((time.perf_counter() - start) * 1000)
            table[f"{mode} {name}".strip()] = {f"p{p}": round(float(np.percentile(taken, p)), 2) for p in (50, 95)}
    return table


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="keep the indexes here instead of a temporary folder")
    arguments = parser.parse_args()
    with (SAMPLE / "ratings.csv").open(encoding="utf-8") as file:
        queries = list(dict.fromkeys(row["query"] for row in csv.DictReader(file)))
    encoder = EmbeddedEncoder()
    with tempfile.TemporaryDirectory() as temporary:
        home = arguments.keep or Path(temporary)
        with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
            products = list(cleaned)
        numbers = {"queries": len(queries), "rounds": arguments.rounds, "k": 10}

        start = time.perf_counter()
        with SearchEngine.build(products, home / "small", encoder=encoder) as engine:
            seconds = time.perf_counter() - start
            numbers["small"] = {
                "products": len(products),
                "index_products_per_second_encoding_included": round(len(products) / seconds, 1),
                "ms": latencies(engine, queries, arguments.rounds),
                "peak_memory_mb": peak_mb(),
            }
            stored = engine.index.stored([product.id for product in products])
            vectors = np.stack([stored[product.id].vectors["text"] for product in products])
        print(numbers["small"])
        del stored

        replayed = Replayed(encoder, vectors)
        start = time.perf_counter()
        with SearchEngine.build(larger(products, arguments.large), home / "large", encoder=replayed) as engine:
            seconds = time.perf_counter() - start
            numbers["large"] = {
                "products": arguments.large,
                "index_products_per_second_without_encoding": round(arguments.large / seconds, 1),
                "ms": latencies(engine, queries, arguments.rounds),
                "peak_memory_mb": peak_mb(),
            }
        small, large = numbers["small"]["ms"], numbers["large"]["ms"]
        numbers["p95_ratio"] = {name: round(large[name]["p95"] / small[name]["p95"], 2) for name in small}
        print(numbers["large"], numbers["p95_ratio"])
    record("search_latency", numbers)


if __name__ == "__main__":
    main()
