"""A Chinese shop that calls things otherwise than its shoppers: what the lexicon's other names are worth there.

    python benchmarks/other_names.py [--data data]

The written titles of `data/shop_titles`, in which every word of three characters or more that the lexicon has another
name for, and that a query of that title uses, is written by that name; asked are the queries that use such a word.
MRR@10 over all 1,933 titles, one relevant title a query; paired with a search without other names. The encoder has
learnt from these titles and queries as they were, so that its own figures, and hybrid's, are flattered.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from record import record

from aisle.config import Recipe
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.evaluate.statistics import bootstrap_mean, paired_difference
from aisle.language.lexicon import Lexicon
from aisle.language.normalise import normalise
from aisle.language.script import scripts_of
from aisle.types import Product, SearchRequest

LEAST = 3
"""Characters of a word that is renamed: a pair is one token and is found whole or not at all."""
Asked = list[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent.parent / "data")
    titles, asked = read(parser.parse_args().data / "shop_titles")
    products, renamed = rename(titles, asked)
    with_names, without = Recipe(), replace(Recipe(), search=replace(Recipe().search, expansion_weight=0.0))
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "titles": len(titles), "queries": len(renamed)}
    print(f"{len(titles):,} titles, {len(renamed):,} queries")
    with tempfile.TemporaryDirectory() as temporary:
        shop = Path(temporary) / "shop"
        SearchEngine.build(products, shop, encoder=EmbeddedEncoder()).close()
        for mode in ("bm25", "dense", "hybrid"):
            values = []
            for recipe in (without, with_names):
                with SearchEngine.open(shop, recipe, encoder=EmbeddedEncoder()) as engine:
                    values.append(reciprocal_ranks(engine, mode, renamed))
            before, after = (bootstrap_mean(some) for some in values)
            difference = paired_difference([b - a for a, b in zip(*values, strict=True)])
            change = difference.interval
            numbers[mode] = {
                "without": before.mean,
                "with": after.mean,
                "difference": [change.mean, change.low, change.high],
                "p": difference.p,
                "detectable": difference.detectable,
            }
            print(
                f"{mode}: without {before.mean:.3f}, with {after.mean:.3f} [{after.low:.3f}, {after.high:.3f}],"
                f" {change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}], p {difference.p:.4f}"
            )
    record("other_names", numbers)


def read(folder: Path) -> tuple[dict[str, str], Asked]:
    """Titles by id, and queries with the id of their title."""
    titles: dict[str, str] = {}
    asked: Asked = []
    for path in sorted(folder.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                product_id = f"{path.stem}-{len(titles)}"
                titles[product_id] = normalise(row["title"])
                asked += [(normalise(query), product_id) for query in row["queries"].split("|")]
    return titles, asked


def rename(titles: dict[str, str], asked: Asked) -> tuple[list[Product], Asked]:
    """The shop under other names, and the queries that ask by one that it has no more."""
    lexicon = Lexicon()
    others: dict[str, str] = {}
    for query, product_id in asked:
        for expansion in lexicon.expansions(query):
            word, name = expansion.because, expansion.name
            usable = expansion.language == "zh" and len(word) >= LEAST and is_han(word) and is_han(name)
            if usable and word in titles[product_id] and word not in name and name not in word:
                others.setdefault(word, name)
    longest = sorted(others, key=len, reverse=True)
    renamed = dict(titles)
    for product_id in renamed:
        for word in longest:
            renamed[product_id] = renamed[product_id].replace(word, others[word])
    kept = [
        (query, product_id)
        for query, product_id in asked
        if any(word in query and word in titles[product_id] for word in longest)
    ]
    return [Product(product_id, title) for product_id, title in renamed.items()], kept


def is_han(text: str) -> bool:
    return set(scripts_of(text)) == {"Han"}


def reciprocal_ranks(engine: SearchEngine, mode: Any, asked: Asked) -> list[float]:
    rankings = engine.search_batch([SearchRequest(query, mode=mode, k=10) for query, _ in asked])
    return [
        next((1 / hit.rank for hit in ranking.hits if hit.product_id == product_id), 0.0)
        for ranking, (_, product_id) in zip(rankings, asked, strict=True)
    ]


if __name__ == "__main__":
    main()
