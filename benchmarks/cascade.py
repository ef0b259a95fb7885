"""Re-ranking: latency by depth, and what ending early saves and costs. Icecat's catalogue, its 89 judged queries.

    python benchmarks/cascade.py [--index DIR] [--model SPEC] [--rounds 3]

Every query is asked by itself in one process, ten warm it up. SPEC is a model that `aisle search --model` takes;
"embedded" is the packaged encoder's cosine of query and title, in 8 bits. It remembers the vectors of titles: "new" is
measured with a model that has read nothing yet, loaded anew for every query, "read lately" in the rounds after one that
is not measured. No score of a query is remembered. Slack is `rerank_slack`: the re-ranker stops where no product below
is expected among the first 10. nDCG@10 has gain 2^grade-1,
discount log2(rank+1), over the queries with a relevant product. Without --index the catalogue is indexed first. With
--rounds 0 latencies, which need a quiet machine, stay those of the last results.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from record import RESULTS, conditions, record

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.engine import SearchEngine
from aisle.evaluate import evaluate
from aisle.evaluate.statistics import paired_difference
from aisle.judgments import align, read_judgments
from aisle.metrics import Metric
from aisle.rerankers.load import load_reranker
from aisle.types import Array, Product, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
NDCG = Metric.parse("nDCG@10")
DEPTHS, SLACKS = (0, 10, 20, 50, 100), (1.0, 1.5, 2.0, 3.0)
TIMED = (*((depth, 0.0) for depth in DEPTHS), *((depth, slack) for depth in (50, 100) for slack in (2.0, 3.0)))
"""Depths and slacks whose latency is measured."""


class Counting:
    """Counts what the re-ranker reads."""

    def __init__(self, spec: str) -> None:
        self.spec, self.read = spec, 0
        self.forget()

    def forget(self) -> None:
        """Load the model anew: it remembers no title."""
        self.model = load_reranker(self.spec)
        self.model.score("warm up", [Product("0", "warm up")])

    def score(self, query: str, products: list[Product]) -> Array:
        self.read += len(products)
        return self.model.score(query, products)


def ask(
    engine: SearchEngine, queries: dict[str, str], reranker: Counting, depth: int, slack: float, forget: bool = False
) -> Any:
    """The run, milliseconds of every query and how many products were read a query."""
    search = dataclasses.replace(engine.recipe.search, rerank_depth=max(depth, 1), rerank_slack=slack)
    recipe = dataclasses.replace(engine.recipe, search=search)
    asked = SearchEngine(engine.index, engine.encoder, recipe, reranker if depth else None)
    asked.search(SearchRequest("warm up", k=10))
    run, times, before = {}, [], reranker.read
    for query_id, text in queries.items():
        if forget:
            reranker.forget()
        ranking = asked.search(SearchRequest(text, k=10))
        run[query_id] = [(hit.product_id, hit.score) for hit in ranking.hits]
        times.append(sum(ranking.timings_ms.values()))
    return run, times, (reranker.read - before) / len(queries)


def opened(index: Path | None, folder: Path) -> SearchEngine:
    if index:
        return SearchEngine.open(index)
    with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
        return SearchEngine.build(cleaned, folder)


def kept(name: str) -> list[dict[str, Any]]:
    """The latencies of the last results, with the commit they were measured at."""
    last = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return [{"commit": last["conditions"]["commit"], **row} for row in last["latency"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    judgments = read_judgments(SAMPLE / "ratings.csv")
    queries = {judgment.query_id: judgment.query for judgment in judgments}
    reranker = Counting(given.model)
    name = "cascade" if given.model == "embedded" else f"cascade_{Path(given.model).name}"
    latency, stops = ([] if given.rounds else kept(name)), []
    with tempfile.TemporaryDirectory() as folder, opened(given.index, Path(folder) / "shop") as engine:
        ask(engine, dict(list(queries.items())[:10]), reranker, 50, 0.0)
        print("| depth | slack | new: p50 ms | p95 ms | read lately: p50 ms | p95 ms |\n|---|---|---|---|---|---|")
        for depth, slack in TIMED if given.rounds else ():
            new = ask(engine, queries, reranker, depth, slack, forget=True)[1]
            ask(engine, queries, reranker, depth, slack)
            known = [ms for _ in range(given.rounds) for ms in ask(engine, queries, reranker, depth, slack)[1]]
            found = [float(np.percentile(times, share)) for times in (new, known) for share in (50, 95)]
            timing = dict(zip(("new_p50_ms", "new_p95_ms", "p50_ms", "p95_ms"), found, strict=True))
            about = {"cores": len(os.sched_getaffinity(0)), "commit": conditions()["commit"]}
            latency.append({"depth": depth, "slack": slack, **timing, **about})
            shown = " | ".join(f"{ms:.0f}" for ms in found)
            print(f"| {depth or 'no re-ranker'} | {slack or 'none'} | {shown} |", flush=True)
        print("| depth | slack | read | unjudged wrong | change | judged only | change, detectable | other top 10 |")
        print("|---|---|---|---|---|---|---|---|")
        for depth in (50, 100):
            full = ask(engine, queries, reranker, depth, 0.0)[0]
            for slack in (0.0, *SLACKS):
                run, _, read = ask(engine, queries, reranker, depth, slack)
                row: dict[str, Any] = {"depth": depth, "slack": slack, "read": read}
                moved = [[key for key, _ in run[query]] != [key for key, _ in full[query]] for query in queries]
                row["other_top_10"] = float(np.mean(moved))
                for treatment in ("wrong", "removed"):
                    both = [evaluate(align(found, judgments), judgments, [NDCG]) for found in (full, run)]
                    one, other = (found.values(NDCG, treatment) for found in both)
                    difference = paired_difference([other[query] - one[query] for query in one])
                    row[treatment] = {
                        "mean": float(np.mean(list(other.values()))),
                        "difference": difference.interval.mean,
                    }
                    row[treatment]["detectable"] = difference.detectable
                stops.append(row)
                wrong, judged = row["wrong"], row["removed"]
                print(
                    f"| {depth} | {slack or 'none'} | {read:.0f} | {wrong['mean']:.3f} | {wrong['difference']:+.4f} "
                    f"| {judged['mean']:.3f} | {judged['difference']:+.4f}, {judged['detectable'] or 0:.4f} "
                    f"| {row['other_top_10']:.0%} |",
                    flush=True,
                )
    record(name, {"notes": " ".join(__doc__.split()), "latency": latency, "early_stop": stops})


if __name__ == "__main__":
    main()
