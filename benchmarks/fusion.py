"""Scores or ranks, and with which weights: four shops, Icecat (shipped), CrowdFlower, Home Depot and a Chinese one.

    python benchmarks/fusion.py [--data ../shared/data]

Each distinct title (with its description, where there is one) of the pairs is a product; all of them are searched. A
pair's relevance minus 1 is the grade. Of Home Depot's queries a fixed 600 are used. nDCG@10 has gain 2^grade-1 and
discount log2(rank+1), the Chinese shop (one title is right for each query) MRR@10. Shops whose data is not there are
left out.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bilingual_measures import products_of, read_shop
from record import record

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings, Recipe
from aisle.engine import SearchEngine
from aisle.evaluate import evaluate
from aisle.judgments import align, read_judgments, run_name
from aisle.metrics import Metric
from aisle.types import Judgment, Product, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
NDCG, MRR = Metric.parse("nDCG@10"), Metric.parse("MRR@10")
RANKS = [("ranks", k, 0.5) for k in (5, 10, 20, 60)] + [("ranks", 20, 0.65), ("ranks", 60, 0.65)]
SCORES = [("scores", 20, weight) for weight in (0.5, 0.6, 0.65, 0.7, 0.8)]
MAX_QUERIES = 600


def hashed(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def pairs_shop(path: Path, query: str, relevance: str) -> tuple[list[Product], list[Judgment]]:
    """Products and judgments of a file of pairs."""
    csv.field_size_limit(10**9)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = set(sorted({row[query] for row in rows}, key=hashed)[:MAX_QUERIES])
    products: dict[str, Product] = {}
    grades: dict[tuple[str, str], float] = {}
    for row in rows:
        if row[query] in kept:
            description = row.get("product_description") or ""
            product_id = hashed(row["product_title"] + description)
            products[product_id] = Product(product_id, row["product_title"], description[:2_000])
            pair = (row[query], product_id)
            grades[pair] = max(grades.get(pair, 0.0), float(row[relevance]) - 1)
    judgments = [Judgment(run_name(text), text, product_id, grade) for (text, product_id), grade in grades.items()]
    return list(products.values()), judgments


def shops(data: Path) -> Iterator[tuple[str, list[Product], list[Judgment]]]:
    with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
        yield "icecat", list(cleaned), list(read_judgments(SAMPLE / "ratings.csv"))
    for name, query, relevance in (
        ("crowdflower", "query", "median_relevance"),
        ("homedepot", "search_term", "relevance"),
    ):
        path = data / name / "pairs.csv"
        if path.exists():
            yield name, *pairs_shop(path, query, relevance)
        else:
            print(f"{name} left out: {path} is not there")


def measure(engine: SearchEngine, judgments: list[Judgment], metric: Metric, k: int) -> dict[str, float]:
    texts = {judgment.query_id: judgment.query for judgment in judgments}
    requests = [SearchRequest(text, k=k) for text in texts.values()]
    run = dict(zip(texts, engine.run_batch(requests), strict=True))
    found = evaluate(align(run, judgments), judgments, [metric])
    return {t: round(found.summary(metric, t).interval.mean, 4) for t in ("wrong", "removed")}


def chinese(folder: Path) -> tuple[str, list[Product], list[Judgment]]:
    shop = read_shop(folder)
    judgments = [
        Judgment(query, shop.queries[query], title, 1.0)
        for query, titles in shop.relevant.items()
        for title in sorted(titles)
    ]
    return "multicpr_mini", products_of(shop), judgments


FUSED = Recipe.from_dict({"ranking": {"learnt": ""}})
"""The order of the fusion itself, without the combination that comes after it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-k", type=int, default=300)
    arguments = parser.parse_args()
    numbers: dict[str, Any] = {}
    here = arguments.data / "multicpr_mini"
    for name, products, judgments in [*shops(arguments.data), *([chinese(here)] if here.exists() else [])]:
        metric = MRR if name == here.name else NDCG
        with (
            tempfile.TemporaryDirectory() as folder,
            SearchEngine.build(products, Path(folder) / "shop", FUSED) as engine,
        ):
            base = engine.recipe
            numbers[name] = {"products": len(products), "queries": len({judgment.query for judgment in judgments})}
            for kind, rrf_k, dense in RANKS + SCORES:
                weights = {"bm25": 1 - dense, "dense:text": dense}
                search = dataclasses.replace(base.search, fusion=kind, rrf_k=rrf_k, weights=weights)
                engine.recipe = dataclasses.replace(base, search=search)
                label = f"{kind}, dense {dense:g}" + (f", rrf_k {rrf_k}" if kind == "ranks" else "")
                numbers[name][label] = measure(engine, judgments, metric, arguments.k)
                print(name, label, numbers[name][label], flush=True)
    record("fusion", {"k": arguments.k, "shops": numbers})


if __name__ == "__main__":
    main()
