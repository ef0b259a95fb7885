"""What finding the rules for a query costs, with 10 rules and with 10,000: a ratio, and the milliseconds.

    python benchmarks/rules.py

Rules are for pairs of words that stand together in titles of the Icecat sample, in turn as "exact", "phrase" and
"words", and five rules are for any query. "shared" gives every rule the sample's most frequent word beside one of its
own, so that all of them are for nearly the same query. The queries are Icecat's judged ones and as many titles, one at
a time; a query's time is its median over the rounds, and the figures are the mean and the slowest of these.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.rules import Pin, Rule, RuleSet, Safety, When, active

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
MATCHES = ("exact", "phrase", "words")
SIZES = (10, 100, 1_000, 10_000)
TODAY = date(2026, 11, 25)
REFUSED = tuple(f"{thing} {how}" for thing in ("pipe", "nail", "car") for how in ("bomb", "炸弹", "explosive"))


def titles() -> list[str]:
    with gzip.open(SAMPLE / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line)["title"] for line in file]


def queries() -> list[str]:
    with (SAMPLE / "ratings.csv").open(encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(row["query"] for row in csv.DictReader(file)))


def rules(phrases: Sequence[str], count: int) -> RuleSet:
    own = [
        Rule(f"rule {n}", When((phrases[n],), MATCHES[n % 3]), priority=n % 4, pins=(Pin(str(n), 1),))
        for n in range(count - 5)
    ]
    anyhow = [Rule(f"any {n}", When((), "any"), blocked=(str(n),)) for n in range(5)]
    return RuleSet((*own, *anyhow), Safety(queries=REFUSED))


def measure(made: RuleSet, texts: Sequence[str], rounds: int) -> dict[str, float]:
    start = time.perf_counter()
    _ = made.conditions, made.refusals
    built = time.perf_counter() - start
    taken = np.zeros((rounds, len(texts)))
    fired = 0
    for turn in range(rounds):
        for place, text in enumerate(texts):
            start = time.perf_counter()
            found = active(made, text, TODAY)
            taken[turn, place] = (time.perf_counter() - start) * 1_000
            fired += len(found.rules)
    each = np.median(taken, axis=0)  # by query, so that another process's turn does not count
    return {
        "mean_ms": round(float(each.mean()), 4),
        "slowest_ms": round(float(each.max()), 4),
        "rules_per_query": round(fired / len(texts) / rounds, 2),
        "built_ms": round(built * 1_000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    everything = titles()
    rng = random.Random(1)
    words = [title.split() for title in everything]
    pairs = sorted({f"{one} {two}" for title in words for one, two in pairwise(title)})
    rng.shuffle(pairs)
    counts = Counter(word for title in words for word in title if word.isalpha())
    [(common, _)] = counts.most_common(1)
    single = sorted({word for title in words for word in title if word.isalnum()})
    rng.shuffle(single)
    shared = [f"{common} {word}" for word in single]
    asked = queries()
    texts = [*asked, *rng.sample(everything, len(asked))]
    numbers: dict[str, Any] = {"queries": len(texts), "common_word": common}
    for name, phrases in (("pairs", pairs), ("shared", shared)):
        found = {size: measure(rules(phrases, size), texts, arguments.rounds) for size in SIZES}
        ratio = round(found[SIZES[-1]]["mean_ms"] / found[SIZES[0]]["mean_ms"], 2)
        numbers[name] = {f"{size:,} rules": row for size, row in found.items()} | {"ratio_10000_to_10": ratio}
        for label, row in numbers[name].items():
            print(name, label, row)
    record("rules", numbers)


if __name__ == "__main__":
    main()
