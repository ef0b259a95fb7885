"""What synthetic pairs bring to 32 and 128 judged ones: CrowdFlower's titles, Home Depot's, Icecat's.

    python benchmarks/synthesis.py --work DIR [--data ../shared/data] [--only SHOP ...] [--queries N]

Of each shop's titles alone, all of them (a shop has its catalogue), an index is built and queries are made in the
packaged shape, which is learned from Icecat's queries: no query and no grade of CrowdFlower or Home Depot is read. Ten
draws as in benchmarks/few_shot.py: two fifths of the queries are held out, the first n pairs of a random order of the
others' are learned from. "Without" is the task head of these pairs as `aisle train` fits it without more; the weights
of cosine, wording and BM25 fitted to the same pairs, and the untouched cosine, stand beside it. "With" is the same
head, told by the synthetic pairs what the wording counts (`aisle train --pairs JUDGED --pairs SYNTHETIC`); "with
augmented": each synthetic query once more with a typing error or its words in another order. A query's
value is the mean over the draws that held it out; intervals and tests are over the queries. nDCG@10, gain 2^level-1,
discount log2(rank+1), judged titles only, queries of one grade left out. DIR keeps indexes, synthetic pairs and
vectors; --make stops after the pairs.

    python benchmarks/synthesis.py --shape    learns the packaged shape again from the Icecat sample
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from few_shot import SAMPLE, Shop, compared, described, shops
from record import record

from aisle.augment.augment import augmented
from aisle.augment.text.table import CHANGES
from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.improve.synthesis.files import write_synthetic
from aisle.improve.synthesis.shape import PACKAGED, learn_shape
from aisle.improve.synthesis.synthesise import Synthesiser, SynthesisSettings
from aisle.indexes import segment
from aisle.judgments import read_queries
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.query.learn import learn
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.head import wording
from aisle.training.combine import fit_weights
from aisle.training.head import HeadSettings, fit_head
from aisle.training.relevance.head_route import BELIEVED, wording_weight
from aisle.training.relevance.head_route import told as told_settings
from aisle.types import Product

SIZES, DRAWS = (32, 128), 10
CHANGED = ("typos", "order")
"""What is done to synthetic queries where they are augmented: each comes once more, by one of these."""
Values = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path)
    parser.add_argument("--only", nargs="*", default=["crowdflower", "homedepot", "icecat"])
    parser.add_argument("--queries", type=int, default=SynthesisSettings().queries)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--shape", action="store_true")
    given = parser.parse_args()
    if given.shape:
        write_shape()
        return
    if given.work is None:
        parser.error("--work DIR is missing")
    encoder = EmbeddedEncoder(1)
    numbers: dict[str, Any] = {"notes": " ".join((__doc__ or "").split()), "encoder": encoder.fingerprint, "shops": {}}
    for name, pairs in shops(given.data):
        if name in given.only:
            file, counts = synthetic(name, pairs, given.work, given.queries, encoder)
            if given.make:
                continue
            shop = Shop(pairs, encoder, given.work / "vectors")
            weights = {"with": taught(file, encoder, False), "with augmented": taught(file, encoder, True)}
            numbers["shops"][name] = counts | measured(name, shop, pairs, weights)
    if not given.make:
        record("synthesis", numbers)


def write_shape() -> None:
    with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
        products = list(cleaned)
    queries = [text for _, text in read_queries(SAMPLE / "ratings.csv")]
    learn_shape(queries, products, learn(products)).save(PACKAGED)


def synthetic(
    name: str, pairs: Sequence[tuple[str, str, float]], work: Path, queries: int, encoder: EmbeddedEncoder
) -> tuple[Path, dict[str, Any]]:
    """The file of synthetic pairs of a shop's titles, and how many there are; made once."""
    work.mkdir(parents=True, exist_ok=True)
    file, told = work / f"{name}.csv", work / f"{name}.json"
    if not told.exists():
        titles = list(dict.fromkeys(title for _, title, _ in pairs))
        products = [Product(str(number), title) for number, title in enumerate(titles)]
        with SearchEngine.build(products, work / f"{name}-index", encoder=encoder) as engine:
            found = Synthesiser(engine).by_templates(SynthesisSettings(queries=queries))
        write_synthetic(file, found.pairs)
        told.write_text(json.dumps({"titles": len(titles), "synthetic": dict(found.counts)}))
    return file, json.loads(told.read_text())


def taught(file: Path, encoder: EmbeddedEncoder, augment: bool) -> float:
    """What the synthetic pairs say that wording counts, perhaps with each query once more, changed."""
    pairs = read_pairs(file, need_grades=True)
    if augment:
        changed = augmented(pairs, {"query": [CHANGES[name] for name in CHANGED]}, 1, 0)
        pairs = PairSet((*pairs, *(one.pair for one in changed)), pairs.scale, pairs.source)
    asked, texts = (list(dict.fromkeys(column)) for column in zip(*((p.query, p.title) for p in pairs), strict=True))
    queries = dict(zip(asked, encoder.encode(asked, "query"), strict=True))
    titles = dict(zip(texts, encoder.encode(texts, "product"), strict=True))
    left = np.stack([queries[pair.query] for pair in pairs])
    right = np.stack([titles[pair.title] for pair in pairs])
    words = np.concatenate([wording(pair.query, [pair.title]) for pair in pairs])
    return wording_weight(left, right, words, pairs)


def measured(name: str, shop: Shop, pairs: Any, told: dict[str, float]) -> dict[str, Any]:
    statistics = WordStatistics.of([title for _, title, _ in pairs], segment)
    cosine = np.einsum("ij,ij->i", shop.queries, shop.texts)
    bm25 = np.concatenate([statistics.bm25(query, [title], segment) for query, title, _ in pairs])
    signals = np.column_stack([cosine, shop.words, bm25]).astype(np.float64)
    found: dict[str, Any] = {"queries": len(shop.telling), "wording": {k: round(v, 4) for k, v in told.items()}}
    found["untouched"] = round(float(np.mean(list(shop.zero_shot.values()))), 4)
    print(
        f"\n{name}: {len(shop.telling)} queries, zero-shot {found['untouched']}; wording {found['wording']}", flush=True
    )
    for size in SIZES:
        draws: dict[str, list[Values]] = {}
        for seed in range(DRAWS):
            out, order = shop.split(seed, "pairs")
            rows = order[:size]
            ways = {"head": head(shop, rows, seed, 0.0), "weights": weighed(shop, rows, signals), "cosine": cosine}
            ways |= {way: head(shop, rows, seed, weight) for way, weight in told.items()}
            ways["synthetic alone"] = cosine + BELIEVED * told["with"] * shop.words
            for way, score in ways.items():
                draws.setdefault(way, []).append({q: v for q, v in shop.values(score).items() if q in out})
        means = {
            way: round(float(np.mean([np.mean(list(d.values())) for d in all_])), 4) for way, all_ in draws.items()
        }
        table: dict[str, Any] = {"means": means}
        print(f"{size} judged pairs: {means}")
        for one, other in product(told, ("head", "weights", "cosine", "synthetic alone")):
            both = zip(draws[one], draws[other], strict=True)
            row = compared([[(query, value - old[query]) for query, value in new.items()] for new, old in both])
            table[f"{one} less {other}"] = row
            print(f"  {one:14s} less {other:15s} {described(row)}", flush=True)
        found[str(size)] = table
    return found


def mean_of(draws: Sequence[Values]) -> float:
    return round(float(np.mean([np.mean(list(draw.values())) for draw in draws])), 4)


def head(shop: Shop, rows: np.ndarray, seed: int, weight: float) -> np.ndarray:
    groups = [str(query) for query in shop.query[rows]]
    settings = told_settings(HeadSettings(), weight)
    fitted = fit_head(shop.queries[rows], shop.texts[rows], shop.grade[rows], groups, settings, seed, shop.words[rows])
    return fitted.score(shop.queries, shop.texts, shop.words)


def weighed(shop: Shop, rows: np.ndarray, signals: np.ndarray) -> np.ndarray:
    """The combination of an untouched encoder: weights that the same judged pairs teach."""
    groups = [np.flatnonzero(shop.query[rows] == query).tolist() for query in dict.fromkeys(shop.query[rows])]
    weights = fit_weights(signals[rows], np.asarray(shop.grade[rows], np.float64), groups)
    return np.asarray(signals @ weights)


if __name__ == "__main__":
    main()
