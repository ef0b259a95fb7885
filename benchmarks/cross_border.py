"""Chinese queries on an English catalogue: the judged queries of Icecat as a Chinese shopper would type them.

    python benchmarks/cross_border.py [--index FOLDER] [--set search.KEY=VALUE ...] [--no-record]

benchmarks/labels/icecat_queries_zh.csv has a Chinese form of each query, written by the project before any was
searched. What is judged for the English query is judged for the Chinese one: a product fits or not in whatever language
it is asked for. nDCG@10, gain 2^grade-1, discount log2(rank+1), whole catalogue, by BM25, dense and hybrid; each paired
with the English query in the same mode. Queries that are the same in both languages (PS4) are left out of both.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from pathlib import Path
from typing import Any

from icecat_quality import SAMPLE, TREATMENTS
from record import record

from aisle.catalogue.clean import clean
from aisle.cli.evaluate_index import DEPTH, MODES
from aisle.cli.search import answer
from aisle.config import CatalogueSettings, Recipe, with_changes
from aisle.engine import SearchEngine
from aisle.evaluate import compare, evaluate
from aisle.evaluate.plain import comparison_to_dict, evaluation_to_dict
from aisle.judgments import Judgments, align, read_judgments, read_queries
from aisle.metrics import Metric

LABELS = Path(__file__).parent / "labels" / "icecat_queries_zh.csv"
METRIC, JUDGED = Metric.parse("nDCG@10"), Metric.parse("judged@10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, help="an index of the sample that is there already")
    parser.add_argument("--set", nargs="*", default=[], dest="changes", help="of the recipe")
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--show", action="store_true", help="the queries that lose or gain, hybrid, judged only")
    given = parser.parse_args()
    with LABELS.open(encoding="utf-8", newline="") as file:
        chinese = {row["query"]: row["zh"] for row in csv.DictReader(file)}
    judgments = read_judgments(SAMPLE / "ratings.csv")
    asked = [
        (query, text)
        for query, text in read_queries(SAMPLE / "ratings.csv")
        if chinese[text].casefold() != text.casefold()
    ]
    kept = {query for query, _ in asked}
    known = Judgments(tuple(one for one in judgments if one.query_id in kept))
    recipe = Recipe.from_dict(with_changes({}, given.changes))
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.index or Path(temporary) / "icecat"
        if not folder.exists():
            with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
                SearchEngine.build(cleaned, folder).close()
        with SearchEngine.open(folder, recipe) as engine:
            translated = [(query, chinese[text]) for query, text in asked]
            runs = {
                mode: {
                    "English": answer(engine, asked, mode, DEPTH),
                    "Chinese": answer(engine, translated, mode, DEPTH),
                }
                for mode in MODES
            }
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "rows": {}}
    print("| mode | query | unjudged = wrong | judged only | judged@10 |\n|---|---|---|---|---|")
    for mode, named in runs.items():
        found = {name: align(run, known) for name, run in named.items()}
        for name, run in found.items():
            measured = evaluation_to_dict(evaluate(run, known, [METRIC, JUDGED]))["metrics"]
            numbers["rows"][f"{mode}, {name}"] = measured
            wrong, only = (measured[str(METRIC)][treatment]["mean"] for treatment in TREATMENTS)
            print(f"| {mode} | {name} | {wrong:.3f} | {only:.3f} | {measured[str(JUDGED)]['wrong']['mean']:.2f} |")
        paired = comparison_to_dict(compare(found["English"], found["Chinese"], known, METRIC))
        queries = paired.pop("queries")
        numbers["rows"][f"{mode}, Chinese less English"] = paired
        cells = (
            f"{mean:+.3f} [{low:+.3f}, {high:+.3f}], {detectable:.3f}"
            for mean, low, high, detectable in (
                (*(row["difference"][name] for name in ("mean", "low", "high")), row["detectable"])
                for row in (paired[treatment] for treatment in TREATMENTS)
            )
        )
        print(f"| {mode} | Chinese less English, detectable | {' | '.join(cells)} | |")
        if given.show and mode == "hybrid":
            for row in sorted(queries, key=lambda row: row["removed"]["difference"]):
                one = row["removed"]
                print(f"{one['difference']:+.3f} {one['a']:.3f} {one['b']:.3f}", row["query"], chinese[row["query"]])
    if not given.no_record:
        record("cross_border", numbers)


if __name__ == "__main__":
    main()
