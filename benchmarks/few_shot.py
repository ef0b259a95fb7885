"""What 8, 32, 128 and 512 judged pairs bring: the task-adaptation layer on three shops' titles.

    python benchmarks/few_shot.py [--data ../shared/data] [--cache FOLDER]

Each of 10 draws holds out two fifths of a shop's queries, of its own choice, and takes the first n pairs of its own
random order of the others' pairs: single pairs ("pairs"), one query's after another's as somebody judges who works off
queries ("queries"), or single pairs whose wording the layer is not told ("vectors alone"). Every head is used as it
comes out, without a gate. A query's value is the mean over the draws that held it out; intervals and tests are over
the queries. Vectors are the embedded encoder's, kept in the cache folder under its fingerprint.

CrowdFlower (gain 2^(relevance-1)-1), Icecat (2^rating-1) and Home Depot (2^(relevance-1)-1; 600 of its queries with
five pairs or more). nDCG@10 has discount log2(rank+1). Only judged titles are ranked, so the treatments of unjudged
products agree; queries with one grade alone are skipped. Titles with equal scores go by row.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.evaluate import bootstrap_mean, detectable_difference, sign_flip_p
from aisle.judgments import read_judgments
from aisle.metrics import Metric
from aisle.rerankers.head import wording, zero_shot
from aisle.training.head import HeadSettings, fit_head

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
SIZES = (8, 32, 128, 512)
DRAWS = 10
HELD_OUT = 0.4
WAYS = ("pairs", "queries", "vectors alone")
METRIC = Metric.parse("nDCG@10")
Pairs = list[tuple[str, str, float]]


def shops(data: Path) -> Iterator[tuple[str, Pairs]]:
    """Query, title, grade."""
    csv.field_size_limit(10**9)
    for name, query in (("crowdflower", "query"), ("homedepot", "search_term")):
        path = data / name / "pairs.csv"
        if not path.exists():
            print(f"{name} left out: {path} is not there")
            continue
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        grade = "median_relevance" if "median_relevance" in rows[0] else "relevance"
        pairs = [(row[query], row["product_title"], float(row[grade]) - 1) for row in rows]
        if name == "homedepot":
            counts = Counter(pair[0] for pair in pairs)
            kept = set(sorted((text for text in counts if counts[text] >= 5), key=hashed)[:600])
            pairs = [pair for pair in pairs if pair[0] in kept]
        yield name, pairs
    with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
        titles = {product.id: product.title for product in cleaned}
    judgments = read_judgments(SAMPLE / "ratings.csv")
    yield "icecat", [(j.query, titles[j.product_id], j.grade) for j in judgments if j.product_id in titles]


def hashed(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Shop:
    """Judged pairs with vectors and wording."""

    def __init__(self, pairs: Pairs, encoder: EmbeddedEncoder, cache: Path) -> None:
        self.query = np.array([query for query, _, _ in pairs])
        self.grade = np.array([grade for _, _, grade in pairs])
        file_name = cache / f"{hashed(encoder.fingerprint + repr(pairs))}.npz"
        if not file_name.exists():
            cache.mkdir(parents=True, exist_ok=True)
            names = sorted(set(self.query))
            vectors = dict(zip(names, encoder.encode(names, "query"), strict=True))
            queries = np.stack([vectors[query] for query in self.query])
            np.savez(file_name, queries=queries, texts=encoder.encode([text for _, text, _ in pairs], "product"))
        with np.load(file_name, allow_pickle=False) as kept:
            self.queries, self.texts = kept["queries"], kept["texts"]
        self.words = np.concatenate([wording(query, [text]) for query, text, _ in pairs])
        self.rows = {str(name): np.flatnonzero(self.query == name) for name in sorted(set(self.query))}
        self.telling = [name for name, rows in self.rows.items() if len(set(self.grade[rows])) > 1]
        self.zero_shot = self.values(zero_shot(encoder.dim).score(self.queries, self.texts))

    def values(self, score: np.ndarray) -> dict[str, float]:
        """The metric of each query that has more than one grade."""
        found = {}
        for name in self.telling:
            rows = self.rows[name]
            grades = self.grade[rows].tolist()
            found[name] = METRIC.score([grades[i] for i in np.lexsort((rows, -score[rows]))], grades)
        return found

    def split(self, seed: int, way: str) -> tuple[set[str], np.ndarray]:
        """The queries held out, and all rows of the others in the order in which the draw takes them."""
        generator = np.random.default_rng(seed)
        names = [str(name) for name in generator.permutation(list(self.rows))]
        out = round(HELD_OUT * len(names))
        taught = [self.rows[name] for name in names[out:]]
        if way == "queries":
            return set(names[:out]), np.concatenate([generator.permutation(rows) for rows in taught])
        return set(names[:out]), generator.permutation(np.concatenate(taught))

    def after(self, size: int, way: str, seed: int) -> dict[str, float]:
        """What ``size`` pairs of this draw add to the zero-shot value of each query held out."""
        out, order = self.split(seed, way)
        rows, told = order[:size], way != "vectors alone"
        groups = [str(name) for name in self.query[rows]]
        words = self.words[rows] if told else None
        head = fit_head(self.queries[rows], self.texts[rows], self.grade[rows], groups, HeadSettings(), seed, words)
        values = self.values(head.score(self.queries, self.texts, self.words if told else None))
        return {name: value - self.zero_shot[name] for name, value in values.items() if name in out}


def measure(shop: Shop, way: str) -> dict[str, Any]:
    print(f"\n{way}: less zero-shot, mean of {DRAWS} draws")
    print("pairs  difference  95% interval          p       detectable  worst draw  seconds")
    table: dict[str, Any] = {}
    draws: dict[int, list[dict[str, float]]] = {}
    for size in SIZES:
        started = time.perf_counter()
        draws[size] = [shop.after(size, way, seed) for seed in range(DRAWS)]
        by_draw = [round(float(np.mean(list(draw.values()))), 4) for draw in draws[size]]
        seconds = round((time.perf_counter() - started) / DRAWS, 2)
        row = compared([draw.items() for draw in draws[size]]) | {"by_draw": by_draw, "seconds": seconds}
        table[str(size)] = row
        print(f"{size:5d}  {described(row)}      {min(by_draw):+.4f}     {seconds:.2f}")
    more = [
        [(name, value - least[name]) for name, value in most.items()]
        for least, most in zip(draws[SIZES[0]], draws[SIZES[-1]], strict=True)
    ]
    table[f"{SIZES[-1]} less {SIZES[0]}"] = row = compared(more)
    print(f"{SIZES[-1]}-{SIZES[0]}  {described(row)}")
    return table


def compared(draws: list[Any]) -> dict[str, float]:
    """Mean over the queries of differences that are means over the draws, with what so many queries can tell."""
    by_query: dict[str, list[float]] = {}
    for draw in draws:
        for name, value in draw:
            by_query.setdefault(name, []).append(value)
    differences = [float(np.mean(values)) for values in by_query.values()]
    interval = bootstrap_mean(differences)
    found = {"difference": interval.mean, "low": interval.low, "high": interval.high, "p": sign_flip_p(differences)[0]}
    found["detectable"] = detectable_difference(differences) or 0.0
    return {name: round(value, 4) for name, value in found.items()} | {"queries": len(differences)}


def described(row: dict[str, float]) -> str:
    interval = f"{row['low']:+.4f} to {row['high']:+.4f}"
    return f"{row['difference']:+.4f}     {interval}    {row['p']:.4f}  {row['detectable']:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "aisle-few-shot")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    encoder = EmbeddedEncoder(arguments.threads)
    numbers: dict[str, Any] = {
        "metric": "nDCG@10, gain 2^grade-1 of grades from 0, discount log2(rank+1)",
        "treatment": "judged titles only, flat queries skipped",
        "encoder": encoder.fingerprint,
        "draws": DRAWS,
    }
    for name, pairs in shops(arguments.data):
        shop = Shop(pairs, encoder, arguments.cache)
        base = float(np.mean(list(shop.zero_shot.values())))
        print(f"\n== {name}: {len(shop.telling)} queries with more than one grade, zero-shot nDCG@10 {base:.4f}")
        counts = {"pairs": len(pairs), "queries": len(shop.telling), "zero_shot": round(base, 4)}
        numbers[name] = counts | {way: measure(shop, way) for way in WAYS}
    record("few_shot", numbers)


if __name__ == "__main__":
    main()
