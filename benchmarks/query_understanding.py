"""How well queries are understood, and what it does to rankings.

    python benchmarks/query_understanding.py [--data ../shared/data] [--index FOLDER]

1. Precision and recall of brand, price, colour and size on labelled queries (benchmarks/labels), 200 of Icecat and
   CrowdFlower, half of them labelled after the code was frozen, and 120 more of Home Depot and Taobao. CrowdFlower's,
   Home Depot's titles and the tagged Chinese titles serve as catalogues.
2. Chinese brands: learned from the training titles of the e-commerce NER set, read in test titles that are not among
   them.
3. Soft boosts on the whole Icecat catalogue: nDCG@10, the weight chosen in folds by query; the same on composed queries
   (a demand of one of the relevant products added).
4. Relaxation: demands added at random to Icecat's queries and made filters.
5. The category that a query is after, on livostyle.

Data that is not there is left out. Indexes the samples unless ``--index`` names an index of Icecat's.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from query_understanding_measures import (
    against_labels,
    boost_gain,
    boosted,
    chinese_brands,
    hashed,
    met_demands,
    search_all,
    tagged_titles,
)
from record import record

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.engine import SearchEngine
from aisle.judgments import read_judgments
from aisle.query.category import wanted_category
from aisle.query.facts import CatalogueFacts
from aisle.query.learn import learn
from aisle.query.parse import KINDS, SAID_OUTRIGHT, read_demands
from aisle.query.relax import relaxations
from aisle.types import Judgment, Product, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
PAIRS = {"crowdflower": ("query", "product_title"), "homedepot": ("search_term", "product_title")}
CERTAIN = 0.8
DEPTH = 100


def pairs_shop(path: Path, query: str, title: str) -> tuple[list[Product], set[str]]:
    """Each distinct title with its description as a product, and the queries."""
    csv.field_size_limit(10**9)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    products = {}
    for row in rows:
        description = row.get("product_description") or ""
        product_id = hashed(row[title] + description)
        products[product_id] = Product(product_id, row[title], description[:2_000])
    return list(products.values()), {row[query] for row in rows}


def taobao_queries(folder: Path) -> set[str]:
    lines = [line for path in sorted(folder.glob("*.txt")) for line in path.read_text(encoding="utf-8").split("\n")]
    return {line.split("\t")[1] for line in lines if "\t" in line}


def labels(icecat: CatalogueFacts, queries: Iterable[str], data: Path) -> dict[str, Any]:
    facts, texts = {"icecat": icecat}, {"icecat": set(queries)}
    for name, columns in PAIRS.items():
        if (path := data / name / "pairs.csv").exists():
            products, texts[name] = pairs_shop(path, *columns)
            facts[name] = learn(products)
    train, taobao = data / "ecommerce_ner" / "train.txt", data / "taobao_queries"
    if train.exists() and taobao.exists():
        facts["taobao"], texts["taobao"] = ner_facts(train), taobao_queries(taobao)
    return against_labels(facts, texts)


def ner_facts(path: Path) -> CatalogueFacts:
    """Tagged titles as a catalogue with a brand column."""
    return learn(
        Product(str(n), title, brand="/".join(brands)) for n, (title, brands) in enumerate(tagged_titles(path))
    )


def ner(folder: Path) -> dict[str, Any]:
    seen = {title for title, _ in tagged_titles(folder / "train.txt")}
    titles = [(title, brands) for title, brands in tagged_titles(folder / "test.txt") if title not in seen]
    return chinese_brands(ner_facts(folder / "train.txt"), titles)


def boosts(engine: SearchEngine, facts: CatalogueFacts, judgments: list[Judgment]) -> dict[str, Any]:
    report: dict[str, Any] = {}
    queries = {judgment.query_id: judgment.query for judgment in judgments}
    found = search_all(engine, queries, DEPTH)
    for name, kinds in (("said outright", SAID_OUTRIGHT), ("attributes too", KINDS)):
        demands = {q: read_demands(text, facts, kinds).constraints for q, text in queries.items()}
        report[f"judged queries, {name}"] = boost_gain(found, demands, judgments)
    products = {j.product_id: p for j in judgments if (p := engine.index.get([j.product_id])[0])}
    composed = met_demands(judgments, products)
    texts = {judgment.query_id: judgment.query_id for judgment in composed}
    found = search_all(engine, texts, DEPTH)
    for name, chosen in (
        ("with a demand", texts),
        ("with a price", {q for q in texts if " under " in q}),
        ("with a brand or a colour", {q for q in texts if " under " not in q}),
    ):
        demands = {q: read_demands(texts[q], facts).constraints for q in chosen}
        of_these = [judgment for judgment in composed if judgment.query_id in chosen]
        gain = boost_gain({q: found[q] for q in chosen}, demands, of_these)
        report[f"composed queries, {name}"] = {"queries": len(chosen), **gain}
    return report


def relaxing(engine: SearchEngine, facts: CatalogueFacts, judgments: list[Judgment], seed: int = 0) -> dict[str, Any]:
    """Random demands as filters: how often nothing is found, and how often relaxing then finds something relevant."""
    chance = random.Random(seed)
    relevant: dict[str, set[str]] = {}
    for judgment in judgments:
        if judgment.grade >= 1:
            relevant.setdefault(judgment.query, set()).add(judgment.product_id)
    terms = {(t.kind, t.name): t for several in facts.terms.values() for t in several if t.certainty >= CERTAIN}
    common = sorted(terms.values(), key=lambda term: (-term.products, term.name))
    brands = [term.name for term in common if term.kind == "brand"][:40]
    colours = [term.name for term in common if term.kind == "colour" and term.name.isascii()][:12]
    counts = dict.fromkeys(
        ("queries", "nothing passes", "no word matches", "relaxed to something relevant", "steps"), 0
    )
    counts |= {"relevant found at once": 0, "relevant lost by a filter that finds something": 0}
    counts |= {"relevant without filters": 0, "relevant with a boost of 0.1": 0}
    for query, ids in sorted(relevant.items()):
        brand, colour, price = chance.choice(brands), chance.choice(colours), chance.choice((5, 10, 20, 50, 100))
        for text in (
            f"{brand} {query}",
            f"{colour} {query}",
            f"{brand} {query} under {price} dollars",
            f"{colour} {query} under {price} dollars",
            f"{colour} {brand} {query} under {price} dollars",
        ):
            asked = read_demands(text, facts)
            steps = relaxations(asked.constraints, CERTAIN)
            if len(steps) == 1:
                continue
            counts["queries"] += 1
            counts["nothing passes"] += engine.index.count(steps[0].filter) == 0
            words = asked.rest or asked.searched
            plain = engine.search(SearchRequest(asked.searched, k=DEPTH)).hits
            for weight, name in ((0.0, "without filters"), (0.1, "with a boost of 0.1")):
                run = boosted({"": plain}, {"": asked.constraints}, weight)[""]
                counts[f"relevant {name}"] += any(product_id in ids for product_id, _ in run[:10])
            for number, step in enumerate(steps):
                if engine.search(SearchRequest(words, step.filter, k=1, mode="bm25")).hits:
                    good = hits(engine, SearchRequest(asked.searched, step.filter, k=10), ids)
                    if number == 0:
                        counts["relevant found at once"] += good
                        counts["relevant lost by a filter that finds something"] += not good
                    else:
                        counts["no word matches"] += 1
                        counts["relaxed to something relevant"] += good
                        counts["steps"] += number
                    break
    return counts


def hits(engine: SearchEngine, request: SearchRequest, ids: set[str]) -> bool:
    return any(hit.product_id in ids for hit in engine.search(request).hits)


def categories(file: Path, count: int = 400, seed: int = 0) -> dict[str, Any]:
    """The last two words of a title as a query for the category of its product, which itself may not vote."""
    with clean(file, CatalogueSettings(near_duplicates=False)) as cleaned:
        products = list(cleaned)
    facts = learn(products)
    chosen = random.Random(seed).sample(
        [p for p in products if len(p.category) > 1 and len(p.title.split()) > 3], count
    )
    report: dict[str, Any] = {"products": len(products), "queries": count}
    with tempfile.TemporaryDirectory() as folder, SearchEngine.build(products, Path(folder) / "shop") as engine:
        for name in ("votes", "votes and names"):
            tally = dict.fromkeys(("none", "wrong", "right", "right and the leaf"), 0)
            sure, sure_right = 0, 0
            for product in chosen:
                text = " ".join(product.title.split()[-2:])
                found = [hit for hit in engine.search(SearchRequest(text, k=30)).hits if hit.product_id != product.id]
                named = read_demands(text, facts).constraints if name == "votes and names" else ()
                wanted = wanted_category([(hit.product, hit.score) for hit in found], named)
                if wanted is None:
                    tally["none"] += 1
                    continue
                right = product.category[: len(wanted[0])] == wanted[0]
                leaf = right and len(wanted[0]) == len(product.category)
                tally["right and the leaf" if leaf else "right" if right else "wrong"] += 1
                sure, sure_right = sure + (wanted[1] >= CERTAIN), sure_right + (wanted[1] >= CERTAIN and right)
            report[name] = {**tally, "share of 0.8 and more": sure, "of these right": sure_right}
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--index", type=Path, help="an index of Icecat's sample that is there already")
    parser.add_argument(
        "--only", choices=("labels", "ner", "boost", "relax", "category"), help="one part; not recorded"
    )
    arguments = parser.parse_args()
    only = arguments.only
    judgments = list(read_judgments(SAMPLE / "ratings.csv"))
    numbers: dict[str, Any] = {"certain": CERTAIN}
    with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
        products = list(cleaned)
    start = time.process_time()
    facts = learn(products)
    numbers["learning Icecat's 19,406 products, CPU seconds"] = round(time.process_time() - start, 1)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "facts.json"
        facts.save(path)
        numbers["file of facts, KB"] = round(path.stat().st_size / 1000)
        start = time.process_time()
        CatalogueFacts.load(path)
        numbers["loading it, CPU milliseconds"] = round((time.process_time() - start) * 1000)
        if only in (None, "labels"):
            numbers["labels"] = labels(facts, (j.query for j in judgments), arguments.data)
        if only in (None, "ner") and (arguments.data / "ecommerce_ner").exists():
            numbers["chinese brands"] = ner(arguments.data / "ecommerce_ner")
        folder = arguments.index or Path(temporary) / "icecat"
        if only in (None, "boost", "relax"):
            if not arguments.index:
                SearchEngine.build(products, folder).close()
            with SearchEngine.open(folder) as engine:
                if only != "relax":
                    numbers["boost"] = boosts(engine, facts, judgments)
                if only != "boost":
                    numbers["relaxation"] = relaxing(engine, facts, judgments)
    file = arguments.data / "livostyle" / "products.parquet"
    if only in (None, "category") and file.exists():
        numbers["category, livostyle"] = categories(file)
    if only is None:
        record("query_understanding", numbers)
    else:
        print(numbers)


if __name__ == "__main__":
    main()
