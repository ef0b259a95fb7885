"""What a shop's categories and baskets bring: queries that name a category, and products bought with a product.

    python benchmarks/knowledge.py [--data ../shared/data]

Categories, on livostyle: each name of a category with at least five products is a query, in English and by the
lexicon's Chinese name; the products under it are relevant, all others are not. So this measures reach, not whether a
shopper means that category. nDCG@10 and R@100 of the hybrid ranking without and with the part "category" for products
under the named category, found by the same search within it; and of BM25 alone without and with descendants' names.

Baskets, on Online Retail (orders in time: 60% learn, 20% choose the settings, 20% are reported) and BundleRec's
sessions (split at random): of each later basket one product asks, and a hit is another of its products among the
first ten. The rest of the ten are popular products, for all systems alike.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from record import record

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.engine import SearchEngine
from aisle.evaluate.statistics import bootstrap_mean, paired_difference
from aisle.knowledge.added import add_part
from aisle.knowledge.complements import DISCOUNT, SHRINK, Complements
from aisle.knowledge.taxonomy import Taxonomy
from aisle.language.lexicon import Lexicon
from aisle.metrics import Metric
from aisle.ranking.listed import Scored
from aisle.types import Product, SearchRequest

METRICS = (Metric.parse("nDCG@10"), Metric.parse("R@100"))
DISCOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0)
SHRINKS = (1.0, 10.0, 50.0)
WEIGHT, DEPTH, K, MAX_ASKED = 1.0, 300, 10, 4_000


def summary(values: dict[str, list[float]]) -> dict[str, Any]:
    """Means with intervals, and the difference of each from the first."""
    base = next(iter(values.values()))
    rows: dict[str, Any] = {}
    for name, own in values.items():
        mean = bootstrap_mean(own)
        rows[name] = {"mean": round(mean.mean, 4), "95%": [round(mean.low, 4), round(mean.high, 4)], "n": mean.n}
        if own is not base:
            pair = paired_difference([a - b for a, b in zip(own, base, strict=True)])
            rows[name]["minus first"] = {
                "mean": round(pair.interval.mean, 4),
                "95%": [round(pair.interval.low, 4), round(pair.interval.high, 4)],
                "p": round(pair.p, 4),
                "detectable": None if pair.detectable is None else round(pair.detectable, 4),
            }
        print(name, rows[name], flush=True)
    return rows


def categories(products: Sequence[Product]) -> dict[str, Any]:
    lexicon = Lexicon()
    taxonomy = Taxonomy.learn(products, lexicon)
    queries: dict[str, dict[str, tuple[str, ...]]] = {"English": {}, "Chinese": {}}
    for path, size in taxonomy.sizes.items():
        if size >= 5 and len(path) > 1:
            queries["English"].setdefault(path[-1].casefold(), path)
            chinese = next((e.name for e in lexicon.expansions(path[-1].casefold()) if e.language == "zh"), None)
            if chinese:
                queries["Chinese"].setdefault(chinese, path)
    numbers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, SearchEngine.build(products, Path(folder) / "shop") as engine:
        for language, asked in queries.items():
            read = {text: taxonomy.category_of(text) for text in asked}
            right = sum(read[text] == path for text, path in asked.items())
            print(language, len(asked), "queries; the category they were made from is read from", right)
            numbers[language] = {"queries": list(asked), "read as that category": right}
            for metric in METRICS:
                found: dict[str, dict[str, list[float]]] = {"hybrid": {}, "bm25": {}}
                for text, path in asked.items():
                    relevant = {p.id for p in products if p.category[: len(path)] == path}
                    judged = [float(p.id in relevant) for p in products]
                    for name, run in runs(engine, taxonomy, text).items():
                        ranked: list[float | None] = [float(i in relevant) for i in run]
                        found[name.split(",")[0]].setdefault(name, []).append(metric.score(ranked, judged))
                print(language, metric)
                numbers[language][str(metric)] = {name: summary(values) for name, values in found.items()}
    return numbers


def runs(engine: SearchEngine, taxonomy: Taxonomy, text: str) -> dict[str, list[str]]:
    """A query's rankings without knowledge of categories and with it."""
    base = next(iter(engine.run_batch([SearchRequest(text, k=DEPTH)])))
    words = SearchRequest(text, k=DEPTH, mode="bm25")
    named = taxonomy.named(text)
    expanded = dataclasses.replace(words, expansions=taxonomy.expansions(named)) if named else words
    inside = base
    if named is not None:
        inside = next(iter(engine.run_batch([SearchRequest(text, k=DEPTH, filter=taxonomy.constraint(named).filter)])))
    scored: list[Scored] = [(i, score, {}) for i, score in base]
    there = {i for i, _ in base}
    scored += [(i, min(score, base[-1][1] if base else 0.0), {}) for i, score in inside if i not in there]
    certainties = {i: named.certainty for i, _ in inside} if named else {}
    return {
        "hybrid": [i for i, _ in base],
        "hybrid, part category": [item[0] for item in add_part(scored, "category", certainties, WEIGHT)],
        "bm25": [i for i, _ in engine.index.search(words, {}, DEPTH).lists["bm25"]],
        "bm25, descendants' names": [i for i, _ in engine.index.search(expanded, {}, DEPTH).lists["bm25"]],
    }


def retail_baskets(folder: Path) -> list[list[str]]:
    """Online Retail's orders in time, without cancellations and postage."""
    orders: dict[str, list[str]] = {}
    for name in ("online_retail_2009_2010.parquet", "online_retail_2010_2011.parquet"):
        table = pq.read_table(folder / name)
        invoice = "InvoiceNo" if "InvoiceNo" in table.column_names else "Invoice"
        for number, code in zip(table[invoice].to_pylist(), table["StockCode"].to_pylist(), strict=True):
            if not str(number).startswith("C") and str(code)[:1].isdigit():
                orders.setdefault(str(number), []).append(str(code))
    return [list(dict.fromkeys(items)) for items in orders.values()]


def session_baskets(folder: Path) -> list[list[str]]:
    sessions: dict[str, list[str]] = {}
    with (folder / "session_item.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            sessions.setdefault(row["session ID"], []).append(row["item ID"])
    found = [list(dict.fromkeys(items)) for items in sessions.values()]
    random.Random(0).shuffle(found)
    return found


def hits(asked: Sequence[tuple[str, frozenset[str]]], suggest: Callable[[str], list[str]]) -> list[float]:
    return [float(bool(set(suggest(item)[:K]) & rest)) for item, rest in asked]


def most_bought(orders: list[list[str]]) -> list[str]:
    return [item for item, _ in Counter(item for basket in orders for item in basket).most_common(K + 1)]


def suggesting(learnt: Complements, popular: list[str], shrink: float, discount: float) -> Callable[[str], list[str]]:
    """What to show beside a product: its complements, then what is popular."""

    def suggest(item: str) -> list[str]:
        own = [partner.product_id for partner in learnt.of(item, K, shrink, discount)]
        return [*own, *(other for other in popular if other != item and other not in own)]

    return suggest


def baskets(orders: list[list[str]]) -> dict[str, Any]:
    first, second = len(orders) * 6 // 10, len(orders) * 8 // 10
    chance = random.Random(0)

    def asked(part: list[list[str]]) -> list[tuple[str, frozenset[str]]]:
        usable = [basket for basket in part if len(basket) >= 2]
        chosen = chance.sample(usable, min(MAX_ASKED, len(usable)))
        pairs = [(chance.choice(basket), basket) for basket in chosen]
        return [(item, frozenset(basket) - {item}) for item, basket in pairs]

    tuning, reported = asked(orders[first:second]), asked(orders[second:])
    early, late = orders[:first], orders[:second]
    learnt = Complements.learn(early)
    popular = most_bought(early)
    tuned = {
        (shrink, discount): sum(hits(tuning, suggesting(learnt, popular, shrink, discount))) / len(tuning)
        for shrink in SHRINKS
        for discount in DISCOUNTS
    }
    shrink, discount = max(tuned, key=lambda key: (tuned[key], -key[1], key[0]))
    learnt, popular = Complements.learn(late), most_bought(late)
    found = {"popular": hits(reported, lambda item: [other for other in popular if other != item])}
    for name, settings in (
        ("bought together", (0.0, 0.0)),
        ("lift", (0.0, 1.0)),
        ("complements as shipped", (SHRINK, DISCOUNT)),
        (f"complements, shrink {shrink:g}, discount {discount:g}", (shrink, discount)),
    ):
        found[name] = hits(reported, suggesting(learnt, popular, *settings))
    known = sum(bool(learnt.of(item, 1)) for item, _ in reported)
    print(len(orders), "baskets,", len(reported), "asked,", known, "with a partner")
    return {
        "baskets": len(orders),
        "asked": len(reported),
        "with a partner": known,
        "hit rate@10 on the baskets that choose": {
            f"shrink {s:g}, discount {d:g}": round(v, 4) for (s, d), v in tuned.items()
        },
        "hit rate@10": summary(found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    numbers: dict[str, Any] = {}
    if (data / "livostyle").exists():
        with clean(data / "livostyle" / "products.parquet", CatalogueSettings()) as cleaned:
            numbers["categories, livostyle"] = categories(list(cleaned))
    if (data / "online_retail_uci").exists():
        numbers["baskets, online retail"] = baskets(retail_baskets(data / "online_retail_uci"))
    for part in ("electronic", "food"):
        if (data / "bundlerec" / part).exists():
            numbers[f"baskets, bundlerec {part}"] = baskets(session_baskets(data / "bundlerec" / part))
    record("knowledge", numbers)


if __name__ == "__main__":
    main()
