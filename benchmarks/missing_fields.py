"""What search loses where half of a catalogue's products lack a description, a brand, attributes.

    python benchmarks/missing_fields.py [--only FIELD ...]

The sample is indexed anew with a field empty in a random half of the products, the same half for every field, and with
all of them (Icecat has no categories). Judgments stay as they are: the product is the same. nDCG@10, gain 2^grade-1,
discount log2(rank+1), whole catalogue, 1,000 products a query; paired with the whole index.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from icecat_quality import SAMPLE, TREATMENTS
from record import record

from aisle.catalogue.clean import clean
from aisle.cli.evaluate_index import DEPTH, MODES
from aisle.cli.search import answer
from aisle.config import CatalogueSettings
from aisle.engine import SearchEngine
from aisle.evaluate import compare
from aisle.evaluate.plain import comparison_to_dict
from aisle.judgments import align, read_judgments, read_queries
from aisle.metrics import Metric
from aisle.types import Product

EMPTY: Mapping[str, Any] = {"description": "", "brand": "", "attributes": {}}
ALL = "all three"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=[*EMPTY, ALL], default=[*EMPTY, ALL])
    given = parser.parse_args()
    with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
        products = list(cleaned)
    judgments = read_judgments(SAMPLE / "ratings.csv")
    whole = searched(products)
    numbers: dict[str, Any] = {"notes": " ".join((__doc__ or "").split()), "rows": {}}
    print("| half without | mode | unjudged = wrong | judged only |\n|---|---|---|---|", flush=True)
    for field in given.only:
        fields = list(EMPTY) if field == ALL else [field]
        runs = searched(without(products, fields))
        for mode, run in runs.items():
            before, after = (align(one, judgments) for one in (whole[mode], run))
            row = comparison_to_dict(compare(before, after, judgments, Metric.parse("nDCG@10")))
            del row["queries"]
            numbers["rows"][f"{field}, {mode}"] = row
            cells = [told(row[treatment]) for treatment in TREATMENTS]
            print(f"| {field} | {mode} | {cells[0]} | {cells[1]} |", flush=True)
    record("missing_fields", numbers)


def without(products: Sequence[Product], fields: Sequence[str]) -> list[Product]:
    """Half of the products without some fields."""
    chance = Random(0)
    empty = {field: EMPTY[field] for field in fields}
    return [replace(product, **empty) if chance.random() < 0.5 else product for product in products]


def searched(products: Sequence[Product]) -> dict[str, dict[str, list[tuple[str, float]]]]:
    """The runs of all modes over an index of the products."""
    queries = read_queries(SAMPLE / "ratings.csv")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "shop"
        SearchEngine.build(products, folder).close()
        with SearchEngine.open(folder) as engine:
            return {mode: answer(engine, queries, mode, DEPTH) for mode in MODES}


def told(row: Mapping[str, Any]) -> str:
    mean, low, high = (row["difference"][name] for name in ("mean", "low", "high"))
    moved = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}], p {row['p']:.3g}, detectable {row['detectable'] or 0:.3f}"
    return f"{row['mean_a']:.3f} -> {row['mean_b']:.3f}, {moved}"


if __name__ == "__main__":
    main()
