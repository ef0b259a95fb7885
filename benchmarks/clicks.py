"""Weak labels from clicks against people's grades: without correction, with estimated looks, with the true ones.

    python benchmarks/clicks.py --data ../shared/data

A simulation with a known truth, the right test of an estimator and no evidence about shoppers. A shopper looks at
position k with probability 1/k, and likes a product by the grade that one of Icecat's three raters, drawn for each
page, gave it: .03, .15, .35, .6 for 0 to 3. A page shows ten judged products of a query by a noisy ranking of the
settled grades; a share of the pages by another one. Labels are measured against the settled grades.

Purchases without impressions (`online_retail_uci`) are read too, to record that they are refused.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import math
from pathlib import Path

import numpy as np
from record import record

from aisle.errors import InputError
from aisle.evaluate import bootstrap_mean
from aisle.evaluate.statistics import paired_difference
from aisle.improve.behaviour import grade_by, weak_labels
from aisle.judgments.split import query_key
from aisle.monitor.pages import Page, Place
from aisle.types import Judgment

RATERS = ("agent_1_rating", "agent_2_rating", "agent_3_rating")
LIKES = (0.03, 0.15, 0.35, 0.6)
LOOKS = tuple(1 / position for position in range(1, 11))
START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
SIZES = (1_000, 3_000, 10_000, 30_000)
SEEDS = 3

Grades = dict[str, dict[str, tuple[int, ...]]]


def read(file: Path) -> Grades:
    """Query to product to three raters' grades and the settled one; queries with 10 products or more."""
    found: Grades = {}
    keys: dict[str, str] = {}
    with file.open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            query = keys.setdefault(query_key(row["query"]), row["query"])
            if query == row["query"]:
                found.setdefault(query, {})[row["docid"]] = tuple(int(row[name]) for name in (*RATERS, "final_rating"))
    return {query: products for query, products in found.items() if len(products) >= 10}


def simulate(grades: Grades, count: int, seed: int, other: float) -> tuple[list[Page], dict[str, list[str]]]:
    """Pages, and the first ranking of each query."""
    generator = np.random.default_rng(seed)
    rankings: dict[str, list[list[str]]] = {}
    for query, products in grades.items():
        ids = list(products)
        shown = [ids[at] for at in generator.choice(len(ids), 10, replace=False)]
        rankings[query] = [
            sorted(shown, key=lambda one: -(products[one][3] + 2 * noise[one]))
            for noise in (dict(zip(shown, generator.normal(size=10), strict=True)) for _ in range(2))
        ]
    pages, queries = [], list(grades)
    for number in range(count):
        query = queries[int(generator.integers(len(queries)))]
        ranking = rankings[query][int(generator.random() < other)]
        rater = int(generator.integers(3))
        draws = generator.random((10, 2))
        clicked = {
            product
            for at, product in enumerate(ranking)
            if draws[at, 0] < LOOKS[at] and draws[at, 1] < LIKES[grades[query][product][rater]]
        }
        places = tuple(Place(product, at) for at, product in enumerate(ranking, start=1))
        pages.append(Page(START + dt.timedelta(seconds=number), query, places, clicked=clicked))
    return pages, {query: two[0] for query, two in rankings.items()}


def ndcg(order: list[str], products: dict[str, tuple[int, ...]]) -> float | None:
    """Of these products alone, by the settled grades; gain 2^grade - 1."""
    gains = [2 ** products[one][3] - 1 for one in order]
    best = math.fsum(gain / math.log2(at + 2) for at, gain in enumerate(sorted(gains, reverse=True)))
    return math.fsum(gain / math.log2(at + 2) for at, gain in enumerate(gains)) / best if best else None


def measure(grades: Grades, pages: list[Page], first: dict[str, list[str]], looks: dict[str, object]) -> dict:
    """Each correction: nDCG of the order by label for each query, kappa of cut labels, error of the looks."""
    anchors = [
        Judgment(query, query, one, four[3]) for query, products in grades.items() for one, four in products.items()
    ]
    found = {}
    for name, options in looks.items():
        labels = weak_labels(pages, minimum=0.0, **options)
        worth = {(one.query, one.product_id): one.relevance for one in labels.labels}
        values = {}
        for query, shown in first.items():
            # a product without a label is last; equal ones go by id, not by where they stood
            value = ndcg(sorted(shown, key=lambda one: (-worth.get((query, one), -1.0), one)), grades[query])
            if value is not None:
                values[query] = value
        graded = grade_by(labels.labels, anchors)
        estimated = labels.propensities[: len(LOOKS)]
        error = float(np.mean([abs(a - b) for a, b in zip(estimated, LOOKS, strict=False)]))
        found[name] = {"ndcg": values, "kappa": graded.kappa, "looks": list(estimated), "error": error}
    shown_as = {query: ndcg(order, grades[query]) for query, order in first.items()}
    found["the ranking itself"] = {"ndcg": {query: value for query, value in shown_as.items() if value is not None}}
    return found


def table(grades: Grades, other: float) -> list[dict]:
    """Means over seeds; intervals over queries of the mean over seeds."""
    ways = {
        "none": {"propensities": [1.0] * 10},
        "swaps": {"method": "swaps"},
        "em": {"method": "em"},
        "true looks": {"propensities": LOOKS},
    }
    rows = []
    for count in SIZES:
        runs: list[dict] = []
        refused: dict[str, str] = {}
        for seed in range(SEEDS):
            pages, first = simulate(grades, count, seed, other)
            try:
                runs.append(measure(grades, pages, first, ways))
            except InputError as error:
                refused["swaps"] = error.received
        if not runs:
            rows.append({"pages": count, "refused": refused})
            print(rows[-1])
            continue
        per_query = {
            name: {query: float(np.mean([run[name]["ndcg"][query] for run in runs])) for query in runs[0][name]["ndcg"]
                   if all(query in run[name]["ndcg"] for run in runs)}
            for name in runs[0]
        }  # fmt: skip
        common = sorted(set.intersection(*(set(one) for one in per_query.values())))
        for name in runs[0]:
            values = [per_query[name][query] for query in common]
            base = paired_difference([per_query[name][query] - per_query["none"][query] for query in common])
            interval = bootstrap_mean(values)
            row = {
                "pages": count, "runs": len(runs), "correction": name, "queries": len(common),
                "ndcg": interval.mean, "low": interval.low, "high": interval.high,
                "against none": base.interval.mean, "against none low": base.interval.low,
                "against none high": base.interval.high, "p": base.p, "detectable": base.detectable,
            }  # fmt: skip
            for extra in ("kappa", "error"):
                if extra in runs[0][name]:
                    row[extra] = float(np.mean([run[name][extra] for run in runs]))
            rows.append(row)
            print({key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()})
    return rows


def purchases(folder: Path) -> dict:
    """What the purchases without impressions are answered with."""
    import pyarrow.parquet as parquet

    rows, baskets = 0, {}
    for file in sorted(folder.glob("*.parquet")):
        part = parquet.read_table(file)
        rows += part.num_rows
        names = part.column_names
        invoice, item = (next(name for name in names if name.lower().replace(" ", "") in some)
                         for some in (("invoice", "invoiceno"), ("stockcode",)))  # fmt: skip
        for one, product in zip(part[invoice].to_pylist(), part[item].to_pylist(), strict=True):
            baskets.setdefault(str(one), set()).add(str(product))
    pages = [Page(START, "", (), bought=products) for products in baskets.values()]
    try:
        weak_labels(pages, signal="purchase")
    except InputError as error:
        return {"rows": rows, "baskets": len(baskets), "refused": error.received, "fix": error.fix}
    raise SystemExit("labels came of purchases that nobody was shown")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with icecat/ and online_retail_uci/")
    arguments = parser.parse_args()
    grades = read(arguments.data / "icecat" / "individual_ratings.csv")
    fixed, _ = simulate(grades, 3_000, 0, 0.0)
    try:
        weak_labels(fixed)
        raise SystemExit("looks were told from one ranking alone")
    except InputError as error:
        refused = error.received
    numbers = {
        "queries": len(grades),
        "one ranking alone": refused,
        "purchases": purchases(arguments.data / "online_retail_uci"),
    }
    print(numbers)
    for share in (0.1, 0.5):
        numbers[f"{share:.0%} of the pages by another ranking"] = table(grades, share)
    record("clicks", numbers)


if __name__ == "__main__":
    main()
