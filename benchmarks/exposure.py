"""Which brands and price bands Icecat's rankings show, against how relevant they are.

    python benchmarks/exposure.py [--index FOLDER]

The sample (or the index of it that is named) in every mode, and hybrid with one tile a family on a page: the first 10
products for each judged query. Relevance is the gain 2^grade-1 of the judged products. Icecat names no sellers.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from record import record

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.config import DiversitySettings as Diversity
from aisle.engine import SearchEngine
from aisle.evaluate.exposure import KindExposure, exposure, merits_of
from aisle.evaluate.groups import groups_of
from aisle.judgments import align, read_judgments
from aisle.ranking.diversity import diversify, steepness
from aisle.types import MODES, Product, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
SHOWN = 8


def numbers_of(found: KindExposure) -> dict[str, Any]:
    return {
        "disparity": [round(x, 3) for x in dataclasses.astuple(found.disparity)[:3]],
        "ideal disparity": round(found.ideal_disparity, 3),
        "groups": {
            group.group: {
                "exposure": [round(x, 3) for x in dataclasses.astuple(group.exposure)[:3]],
                "relevance": round(group.relevance, 3),
                "ratio": group.ratio and [round(x, 2) for x in dataclasses.astuple(group.ratio)[:3]],
                "treatment ratio": group.treatment_ratio and round(group.treatment_ratio, 2),
                "queries": group.relevant,
            }
            for group in found.groups[:SHOWN]
        },
    }


def measure(engine: SearchEngine, products: list[Product]) -> dict[str, Any]:
    judgments = list(read_judgments(SAMPLE / "ratings.csv"))
    texts = {judgment.query_id: judgment.query for judgment in judgments}
    groups, merits, known = groups_of(products), merits_of(judgments), {product.id: product for product in products}
    runs = {
        mode: dict(
            zip(texts, engine.run_batch([SearchRequest(t, k=1_000, mode=mode) for t in texts.values()]), strict=True)
        )
        for mode in MODES
    }
    caps = Diversity(per_family=1)
    runs["hybrid, one of a family"] = {}
    for query, text in texts.items():
        found = engine.ranked(SearchRequest(text))[:1_000]
        varied = diversify(found, known, {}, caps, steepness(found[: caps.window]))
        runs["hybrid, one of a family"][query] = tuple(item[:2] for item in varied)
    numbers: dict[str, Any] = {}
    for name, run in runs.items():
        report = exposure(align(run, judgments), groups, merits)
        for found in report.kinds:
            made = numbers.setdefault(found.kind, {}).setdefault(found.treatment, {})[name] = numbers_of(found)
            print(f"{found.kind:6} {found.treatment:8} {name:24} disparity {made['disparity']}", end="")
            print(f", ideal {made['ideal disparity']}")
    return {
        "queries": report.queries,
        "groups": {kind: len(set(own.values())) for kind, own in groups.items()},
    } | numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path)
    arguments = parser.parse_args()
    with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as rows:
        products = list(rows)
    if arguments.index:
        with SearchEngine.open(arguments.index) as engine:
            numbers = measure(engine, products)
    else:
        with tempfile.TemporaryDirectory() as folder, SearchEngine.build(products, Path(folder) / "shop") as engine:
            numbers = measure(engine, products)
    record("exposure", numbers)


if __name__ == "__main__":
    main()
