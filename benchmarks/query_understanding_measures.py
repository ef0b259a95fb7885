"""The parts of benchmarks/query_understanding.py: labels, readings against them, composed queries, boosted runs."""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from aisle.engine import SearchEngine
from aisle.evaluate import evaluate, paired_difference
from aisle.judgments import folds
from aisle.language.normalise import normalise
from aisle.metrics import Metric
from aisle.query.boost import boost
from aisle.query.constraint import Constraint, verdict
from aisle.query.facts import CatalogueFacts
from aisle.query.keys import key_of
from aisle.query.parse import read_demands
from aisle.types import Hit, Judgment, Product, SearchRequest

LABELS = Path(__file__).parent / "labels" / "query_understanding.csv"
KINDS = ("brand", "price", "colour", "size")
NDCG = Metric.parse("nDCG@10")
TREATMENTS = ("wrong", "removed")
WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)


def hashed(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


# --- readings against labels ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Labelled:
    part: str
    source: str
    text: str
    wanted: Mapping[str, frozenset[str]]  # kind to keys


def labelled(texts: Mapping[str, Iterable[str]]) -> Iterator[Labelled]:
    """The labelled queries of the sources whose texts are there."""
    known = {source: {hashed(text): text for text in several} for source, several in texts.items()}
    with LABELS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["source"] in known:
                text = row["query"] if row["source"] == "icecat" else known[row["source"]][row["query"]]
                wanted = {kind: frozenset(_words(text, row[kind])) for kind in KINDS}
                yield Labelled(row["part"], row["source"], text, wanted)


def _words(text: str, cell: str) -> Iterator[str]:
    for place in filter(None, cell.split("|")):
        start, end = place.split("-")
        yield key_of(normalise(text[int(start) : int(end)]))


def read_keys(constraints: Iterable[Constraint], kind: str, least: float = 0.0) -> set[str]:
    """The keys of the words that a reading takes for a kind."""
    texts = [c.text for c in constraints if c.kind == kind and c.certainty >= least]
    return {key_of(part.split(" -> ")[0]) for text in texts for one in text.split(", ") for part in one.split("/")}


def score(pairs: Iterable[tuple[set[str], Iterable[str]]]) -> dict[str, Any]:
    """Precision and recall over (read, wanted), None where nothing was read or wanted."""
    right = read = wanted = 0
    for got, want in pairs:
        right, read, wanted = right + len(got & set(want)), read + len(got), wanted + len(set(want))
    return {
        "wanted": wanted,
        "read": read,
        "right": right,
        "precision": round(right / read, 3) if read else None,
        "recall": round(right / wanted, 3) if wanted else None,
    }


def against_labels(facts: Mapping[str, CatalogueFacts], texts: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Precision and recall by part, source and kind; of brands also of those that the catalogue sells."""
    found: dict[str, Any] = {}
    times = []
    groups: dict[tuple[str, str], list[tuple[Labelled, tuple[Constraint, ...]]]] = {}
    for query in labelled(texts):
        start = perf_counter()
        asked = read_demands(query.text, facts[query.source])
        times.append((perf_counter() - start) * 1000)
        groups.setdefault((query.part, query.source), []).append((query, asked.constraints))
    both = {part: [item for (p, s), g in groups.items() if p == part and s in CLAIM for item in g] for part in PARTS}
    everything = [(f"{part}, {source}", group) for (part, source), group in groups.items()]
    for name, group in [*everything, *((f"{part}, icecat and crowdflower", group) for part, group in both.items())]:
        found[name] = {"queries": len(group)}
        for kind in KINDS:
            found[name][kind] = score((read_keys(constraints, kind), q.wanted[kind]) for q, constraints in group)
        sold = [(read_keys(c, "brand"), _sold(facts[q.source], q.wanted["brand"])) for q, c in group]
        found[name]["brand, recall of those sold"] = score(sold)["recall"]
        found[name]["wrong or missed"] = [
            f"{kind}: {sorted(got - want)} {sorted(want - got)}"
            for q, constraints in group
            for kind in KINDS
            if (got := read_keys(constraints, kind)) != (want := set(q.wanted[kind])) and q.source == "icecat"
        ]
    found["milliseconds a query, median"] = round(median(times), 3)
    found["milliseconds a query, longest"] = round(max(times), 3)
    return found


PARTS = ("developed", "frozen")
CLAIM = ("icecat", "crowdflower")


def _sold(facts: CatalogueFacts, brands: Iterable[str]) -> set[str]:
    return {key for key in brands if any(term.kind == "brand" for term in facts.terms.get(key, ()))}


# --- Chinese brands ---------------------------------------------------------------------------------------


def tagged_titles(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Titles with their brands (HPPX), from one character and tag a line."""
    titles = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        rows = [line.rpartition(" ") for line in block.splitlines() if line.strip()]
        brands: list[str] = []
        before = "O"
        for character, _, tag in rows:
            if tag.endswith("HPPX"):
                if tag.startswith("B") or not before.endswith("HPPX"):
                    brands.append("")
                brands[-1] += character
            before = tag
        if rows:
            titles.append(("".join(character or " " for character, _, _ in rows), tuple(dict.fromkeys(brands))))
    return titles


def chinese_brands(facts: CatalogueFacts, titles: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, Any]:
    read = [(read_demands(title, facts, kinds=("brand",)).constraints, brands) for title, brands in titles]
    found: dict[str, Any] = {"titles": len(titles)}
    for least in (0.0, 0.5, 0.7):
        pairs = [(read_keys(constraints, "brand", least), {key_of(b) for b in brands}) for constraints, brands in read]
        found[f"certainty from {least:g}"] = score(pairs)
        sold = score((got, _sold(facts, want)) for got, want in pairs)["recall"]
        found[f"certainty from {least:g}"]["recall of brands in the catalogue"] = sold
    return found


# --- soft boosts ------------------------------------------------------------------------------------------

Found = Mapping[str, Sequence[Hit]]


def search_all(engine: SearchEngine, queries: Mapping[str, str], k: int) -> dict[str, tuple[Hit, ...]]:
    return {name: engine.search(SearchRequest(text, k=k)).hits for name, text in queries.items()}


def boosted(found: Found, demands: Mapping[str, Sequence[Constraint]], weight: float) -> dict[str, Any]:
    """A run of the hits, boosted."""
    return {
        name: tuple(
            (product_id, score)
            for product_id, score, _ in boost(
                [(hit.product_id, hit.score, dict(hit.parts)) for hit in hits],
                {hit.product_id: hit.product for hit in hits},
                demands[name],
                weight,
            )
        )
        for name, hits in found.items()
    }


def boost_gain(found: Found, demands: Mapping[str, Sequence[Constraint]], judgments: list[Judgment]) -> dict[str, Any]:
    """nDCG@10 by weight, and with the weight that the other queries choose, in five folds by query."""
    values = {
        weight: {t: result.values(NDCG, t) for t in TREATMENTS}
        for weight in WEIGHTS
        if (result := evaluate(boosted(found, demands, weight), judgments, [NDCG]))
    }
    report: dict[str, Any] = {
        "queries with a demand": sum(bool(demands[name]) for name in found),
        "by weight": {f"{w:g}": {t: _mean(by[t].values()) for t in TREATMENTS} for w, by in values.items()},
    }
    chosen: dict[str, float] = {}
    for fold in folds(judgments, 5):
        train = {j.query_id for j in fold.train}
        best = max(
            WEIGHTS,
            key=lambda w: (sum(v for t in TREATMENTS for q, v in values[w][t].items() if q in train), -w),
        )
        chosen |= {j.query_id: best for j in fold.test}
    report["weights chosen in folds"] = dict(Counter(f"{w:g}" for w in chosen.values()))
    for t in TREATMENTS:
        base, other = values[0.0][t], {q: values[chosen[q]][t][q] for q in values[0.0][t]}
        difference = paired_difference([other[q] - base[q] for q in base])
        report[f"held out, {t}"] = {
            "hybrid": _mean(base.values()),
            "with boost": _mean(other.values()),
            "difference": [
                round(v, 4) for v in (difference.interval.mean, difference.interval.low, difference.interval.high)
            ],
            "p": round(difference.p, 4),
            "detectable": round(difference.detectable, 4) if difference.detectable else None,
            "wins, losses, ties": [difference.wins, difference.losses, difference.ties],
        }
    return report


def _mean(values: Iterable[float]) -> float:
    items = list(values)
    return round(sum(items) / len(items), 4)


# --- composed queries -------------------------------------------------------------------------------------


def met_demands(judgments: list[Judgment], products: Mapping[str, Product], seed: int = 0) -> list[Judgment]:
    """Judged queries with a demand added that some of their relevant products meet and others contradict.

    A brand, a colour or a price bound of a relevant product. A judged product that contradicts the demand by its own
    fields gets grade 0, one whose fields are silent is left out. The composed text is the query's id and the base its
    text, so that folds keep what comes of one query together.
    """
    chance = random.Random(seed)
    by_query: dict[str, list[Judgment]] = {}
    for judgment in judgments:
        by_query.setdefault(judgment.query, []).append(judgment)
    made: list[Judgment] = []
    for query, several in sorted(by_query.items()):
        relevant = [products[j.product_id] for j in several if j.grade >= 1 and j.product_id in products]
        for words, meets in _demands_of(relevant, chance):
            grades = [
                (j.product_id, j.grade if meets(products[j.product_id]) else 0.0)
                for j in several
                if j.product_id in products and meets(products[j.product_id]) is not None
            ]
            text = f"{words[0]} {query} {words[1]}".strip()
            if sum(grade >= 1 for _, grade in grades) >= 2:
                made += [Judgment(text, query, product_id, grade) for product_id, grade in grades]
    return made


def _demands_of(relevant: list[Product], chance: random.Random) -> Iterator[tuple[tuple[str, str], Any]]:
    brands = Counter(p.brand for p in relevant)
    colours = Counter(str(p.attributes["product_colour"]) for p in relevant if "product_colour" in p.attributes)
    prices = sorted(p.price for p in relevant if p.price)
    for brand in _some(brands, chance):
        yield (brand, ""), lambda p, brand=brand: p.brand == brand
    for colour in _some(colours, chance):
        yield (
            (colour.lower(), ""),
            lambda p, colour=colour: (
                (p.attributes["product_colour"] == colour) if "product_colour" in p.attributes else None
            ),
        )
    if len(prices) >= 4:
        bound = float(round(prices[len(prices) // 2]))
        yield ("", f"under {bound:g}"), lambda p: None if p.price is None else p.price < bound


def _some(values: Counter[str], chance: random.Random) -> list[str]:
    """One value that two or more products have, but not all."""
    total = sum(values.values())
    fit = sorted(value for value, count in values.items() if 2 <= count < total and value.isascii())
    return [chance.choice(fit)] if fit else []


def contradicting(constraints: Sequence[Constraint], product: Product) -> bool:
    return any(verdict(constraint, product).status == "contradicted" for constraint in constraints)
