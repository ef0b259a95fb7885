"""How good words alone are on real Chinese shop queries: MRR@10 over the whole corpus, and what each step changes.

    python benchmarks/lexical_zh.py [--data ../shared/data]

Needs `multicpr_mini` (titles, queries and judgments of Taobao; not part of the project, nobody's rows are printed) and,
for counting corrections, `taobao_queries`. No encoder takes part.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from record import record

from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.evaluate.statistics import bootstrap_mean
from aisle.language.chinese import simplify
from aisle.language.normalise import normalise
from aisle.language.pinyin import correct
from aisle.types import Array, Product, SearchRequest


class NoEncoder:
    """Vectors of nothing, for searching by words only."""

    dim = 8
    fingerprint = "none"

    def encode(self, texts: list[str], kind: str) -> Array:
        return np.eye(1, self.dim, dtype=np.float32).repeat(len(texts), axis=0)

    def count_tokens(self, text: str) -> int:
        return len(text)


def rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


def reciprocal_ranks(engine: SearchEngine, queries: dict[str, str], relevant: dict[str, set[str]]) -> dict[str, float]:
    found = {}
    for query_id, text in queries.items():
        hits = engine.search(SearchRequest(text, mode="bm25", k=10)).hits
        found[query_id] = next((1 / hit.rank for hit in hits if hit.product_id in relevant[query_id]), 0.0)
    return found


def count_corrections(engine: SearchEngine, folder: Path) -> dict[str, int]:
    """Of many queries, how many are changed for this catalogue, by the reason given."""
    counts: Counter[str] = Counter()
    for path in sorted(folder.glob("*.txt")):
        for row in rows(path):
            changes = correct(simplify(normalise(row[-1])), engine.index.words)[1]
            counts["queries"] += 1
            counts["changed"] += bool(changes)
            counts.update(change.rpartition(" (")[2].removesuffix(")") for change in changes)
    return dict(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--corrections", action="store_true", help="count corrections of the 199,995 queries: minutes")
    arguments = parser.parse_args()
    folder = arguments.data / "multicpr_mini"
    products = [Product(product_id, normalise(title)) for product_id, title in rows(folder / "corpus.tsv")]
    relevant: dict[str, set[str]] = {}
    for query_id, product_id, grade in rows(folder / "qrels.tsv"):
        if grade == "1":
            relevant.setdefault(query_id, set()).add(product_id)
    queries = {query_id: text for query_id, text in rows(folder / "queries.tsv") if query_id in relevant}
    mrr: dict[str, dict[str, float]] = {}
    numbers: dict[str, object] = {"titles": len(products), "queries": len(queries), "MRR@10": mrr}
    recipes = {
        "default": Recipe(),
        "without pinyin": replace(Recipe(), search=replace(Recipe().search, pinyin=False)),
        "without other names": replace(Recipe(), search=replace(Recipe().search, expansion_weight=0.0)),
        "neither": replace(Recipe(), search=replace(Recipe().search, pinyin=False, expansion_weight=0.0)),
    }
    with tempfile.TemporaryDirectory() as temporary:
        shop, encoder = Path(temporary) / "shop", NoEncoder()
        SearchEngine.build(products, shop, encoder=encoder).close()
        for name, recipe in recipes.items():
            with SearchEngine.open(shop, recipe, encoder=encoder) as engine:
                found = reciprocal_ranks(engine, queries, relevant)
            values = [found[query_id] for query_id in queries]
            interval = bootstrap_mean(values)
            mrr[name] = {"mean": interval.mean, "low": interval.low, "high": interval.high}
            print(f"{name}: {interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]")
        if arguments.corrections:
            with SearchEngine.open(shop, encoder=encoder) as engine:
                numbers["corrections"] = count_corrections(engine, arguments.data / "taobao_queries")
    record("lexical_zh", numbers)


if __name__ == "__main__":
    main()
