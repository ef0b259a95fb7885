"""The LanceDB index alone: rates, latency by stage, recall against probing, BM25 weights and typo tolerance.

    python benchmarks/index.py [--large 300000]

Reads the shipped sample. The large index repeats its products with another id and title ("<title> edition 7") and
with a little noise on the vector. Latencies are over the judged queries, one at a time, 200 candidates, after ten that
warm up. BM25 quality is nDCG@10 with gain 2^grade - 1 over queries with a relevant product, on all results (unjudged
counted as wrong) and on judged ones only; no weights were fitted to it.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import math
import tempfile
import time
from pathlib import Path

import numpy as np
from record import record

from aisle.catalogue.clean import clean
from aisle.catalogue.render import Renderer
from aisle.config import CatalogueSettings, IndexSettings, RenderSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.filters import parse_filter, parse_sort
from aisle.indexes.connection import TABLE, connect
from aisle.indexes.lance import LanceIndex
from aisle.language.normalise import normalise
from aisle.types import Record, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
DEPTH = 200
FILTERS = {"": None, "price<100": parse_filter("price<100"), "brand=HP": parse_filter("brand=HP")}


def build(folder, products, vectors, count):
    """Index ``count`` products made from these; returns the index and its rates."""
    rng = np.random.default_rng(0)
    index = LanceIndex.create(folder, IndexSettings(), {"text": vectors.shape[1]})
    writing = 0.0
    for first in range(0, count, 4_096):
        batch = []
        for n in range(first, min(count, first + 4_096)):
            product, turn = products[n % len(products)], n // len(products)
            vector = vectors[n % len(products)]
            if turn:
                product = dataclasses.replace(
                    product, id=f"{product.id}-{turn}", title=f"{product.title} edition {turn}", identifiers=()
                )
                vector = vector + rng.normal(0, 0.02, vector.shape).astype(np.float32)
                vector /= np.linalg.norm(vector)
            batch.append(Record(product, "", {"text": vector}))
        start = time.perf_counter()
        index.upsert(batch)
        writing += time.perf_counter() - start
    start = time.perf_counter()
    index.optimize()
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return index, {
        "products": count,
        "written_per_second": round(count / writing),
        "optimise_seconds": round(time.perf_counter() - start, 1),
        "megabytes": round(size / 1e6),
    }


def milliseconds(calls):
    """p50 and p95 of calling each once, after the first ten as warm-up."""
    for call in calls[:10]:
        call()
    taken = []
    for call in calls:
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1000)
    return {f"p{p}": round(float(np.percentile(taken, p)), 1) for p in (50, 95)}


def latencies(index, queries, vectors):
    found = {}
    for name, kept in FILTERS.items():
        for mode in ("bm25", "dense"):
            requests = [
                (SearchRequest(q, mode=mode, filter=kept), {"text": v}) for q, v in zip(queries, vectors, strict=True)
            ]
            calls = [lambda r=r, v=v: index.search(r, v, DEPTH) for r, v in requests]
            found[f"{mode} {name}".strip()] = milliseconds(calls)
    some = dict(index.search(SearchRequest("black", mode="bm25"), {}, DEPTH).lists)["bm25"]
    ids = [product_id for product_id, _ in some]
    one = {
        "get 10": lambda: index.get(ids[:10]),
        "features 200": lambda: index.features(ids, SearchRequest("black cable"), {"text": vectors[0]}),
        "lookup": lambda: index.lookup(["lc51c", "0095205603217"]),
        "browse by price": lambda: index.search(SearchRequest("", sort=parse_sort("price")), {}, DEPTH),
        "browse by attribute": lambda: index.search(SearchRequest("", sort=parse_sort("weight")), {}, DEPTH),
        "count weight<500": lambda: index._table.count_rows(_condition("weight<500")),
        "facet brand": lambda: index.facets(["brand"]),
        "facet attribute": lambda: index.facets(["product_colour"]),
    }
    return found | {name: milliseconds([call] * 5) for name, call in one.items()}


def _condition(text):
    from aisle.indexes.sql import where

    return where(parse_filter(text))


def probing(folder, vectors):
    """Recall and time of looking into some of the partitions only."""
    table = connect(folder).open_table(TABLE)

    def ids(vector, probes):
        search = table.search(vector, vector_column_name="vec_text", query_type="vector").distance_type("dot")
        return search.select(["id", "_distance"]).limit(DEPTH).nprobes(probes).to_arrow()["id"].to_pylist()

    exact = [ids(vector, 1_000_000) for vector in vectors]
    found = {}
    for probes in (15, 30, 60, 90, 1_000_000):
        got = [ids(vector, probes) for vector in vectors]
        found[str(probes)] = {
            "recall@10": round(
                float(np.mean([len(set(g[:10]) & set(e[:10])) / 10 for g, e in zip(got, exact, strict=True)])), 4
            ),
            "recall@200": round(
                float(np.mean([len(set(g) & set(e)) / len(e) for g, e in zip(got, exact, strict=True)])), 4
            ),
            "ms": milliseconds([lambda v=v, p=probes: ids(v, p) for v in vectors]),
        }
    return found


def ndcg(index, judged):
    """nDCG@10 with unjudged products as wrong, and on judged products only."""
    sums = np.zeros(2)
    counted = 0
    for query, grades in judged.items():
        ideal = sorted((2**grade - 1 for grade in grades.values()), reverse=True)[:10]
        best = sum(gain / math.log2(place + 2) for place, gain in enumerate(ideal))
        if not best:
            continue
        counted += 1
        hits = index.search(SearchRequest(normalise(query), mode="bm25"), {}, DEPTH).lists["bm25"]
        for treatment, ids in enumerate(([i for i, _ in hits], [i for i, _ in hits if i in grades])):
            gains = [2 ** grades.get(i, 0) - 1 for i in ids[:10]]
            sums[treatment] += sum(gain / math.log2(place + 2) for place, gain in enumerate(gains)) / best
    return {
        "queries": counted,
        "all": round(float(sums[0]) / counted, 4),
        "judged_only": round(float(sums[1]) / counted, 4),
    }


def quality(folder, judged):
    weights = IndexSettings().field_weights
    variants = {
        "default": IndexSettings(),
        "without typo tolerance": IndexSettings(fuzziness=0),
        "title 1": IndexSettings(field_weights=weights | {"title": 1.0}),
        "title 5": IndexSettings(field_weights=weights | {"title": 5.0}),
        "attributes 0": IndexSettings(field_weights=weights | {"attributes": 0.0}),
        "attributes 1": IndexSettings(field_weights=weights | {"attributes": 1.0}),
        "title alone": IndexSettings(field_weights={"title": 1.0}),
    }
    found = {}
    for name, settings in variants.items():
        index = LanceIndex.open(folder, settings)
        found[name] = ndcg(index, judged)
        index.close()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", type=int, default=300_000)
    arguments = parser.parse_args()
    judged = {}
    with (SAMPLE / "ratings.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            judged.setdefault(row["query"], {})[row["docid"]] = int(float(row["rating"]))
    with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
        products = list(cleaned)
    encoder = EmbeddedEncoder()
    renderer = Renderer(RenderSettings(), encoder.count_tokens)
    vectors = encoder.encode([renderer.text(product) for product in products], "product")
    queries = list(judged)
    asked = encoder.encode(queries, "query")
    numbers = {}
    with tempfile.TemporaryDirectory() as home:
        for name, count in (("small", len(products)), ("large", arguments.large)):
            folder = Path(home) / name
            index, rates = build(folder, products, vectors, count)
            numbers[name] = rates | {"ms": latencies(index, queries, asked)}
            index.close()
            print(name, numbers[name], flush=True)
        numbers["bm25_ndcg@10"] = quality(Path(home) / "small", judged)
        numbers["probes_large"] = probing(Path(home) / "large", asked)
    print(numbers["bm25_ndcg@10"], numbers["probes_large"])
    record("index", numbers)


if __name__ == "__main__":
    main()
