"""What `bilingual.py` measures: each function takes encoders by name and gives rows of one value a query.

Knows no printing, no means and no results file. Texts that do not go through a whole engine pass `normalise`, as they
would in one. With a `limit` everything is cut to so many queries, candidates and products: for trying, not for results.
"""

from __future__ import annotations

import csv
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from icecat_quality import SAMPLE
from lexical_zh import rows

from aisle.catalogue.clean import clean
from aisle.cli.evaluate_index import DEPTH
from aisle.cli.search import answer
from aisle.config import CatalogueSettings, Recipe
from aisle.encoders.onnx import MODEL_FILE, OnnxEncoder
from aisle.engine import SearchEngine
from aisle.evaluate import evaluate
from aisle.judgments import align, read_judgments, read_queries
from aisle.language.chinese import simplify
from aisle.language.normalise import normalise
from aisle.metrics import Metric
from aisle.types import MODES, Array, Judgment, Product, SearchRequest

Encoders = Mapping[str, OnnxEncoder]
NDCG = Metric.parse("nDCG@10")
CANDIDATES = 1_000
NEIGHBOURS = 5
ROUNDS = 5
MB = 1e6
TIE = 1e-6
"""Cosines this close are one: equal vectors differ by less in the last bits of a matrix product."""
PRODUCT_WORD = "HCCX"

PHONE = ("mobile phone", "cell phone", "移动电话", "手套", "shouji")
COSINES = (
    *(("手机", other) for other in PHONE),
    ("耳机", "headphones"),
    ("连衣裙", "dress"),
    ("运动鞋", "sneakers"),
    ("充电宝", "power bank"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: a value for every query, in the same order for every encoder, and what the values rest on."""

    name: str
    values: Mapping[str, Sequence[float]]
    note: str


@dataclass(frozen=True, slots=True)
class Shop:
    """Titles by id, and the queries that have a relevant one."""

    titles: Mapping[str, str]
    queries: Mapping[str, str]
    relevant: Mapping[str, frozenset[str]]


def vectors(encoder: OnnxEncoder, texts: Iterable[str]) -> dict[str, Array]:
    """Each distinct text's vector; queries and products are encoded alike."""
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, encoder.encode([normalise(text) for text in distinct], "product"), strict=True))


# --- Chinese search --------------------------------------------------------------------------------------


def read_shop(folder: Path, limit: int | None = None) -> Shop:
    """multicpr_mini: label 1 is relevant, label 0 is not read."""
    relevant: dict[str, set[str]] = {}
    for query_id, product_id, label in rows(folder / "qrels.tsv"):
        if label == "1":
            relevant.setdefault(query_id, set()).add(product_id)
    asked = [(query_id, text) for query_id, text in rows(folder / "queries.tsv") if query_id in relevant][:limit]
    wanted = set().union(*(relevant[query_id] for query_id, _ in asked))
    titles = {
        product_id: normalise(title)
        for place, (product_id, title) in enumerate(rows(folder / "corpus.tsv"))
        if limit is None or place < limit or product_id in wanted
    }
    return Shop(titles, dict(asked), {query_id: frozenset(relevant[query_id]) for query_id, _ in asked})


@contextmanager
def indexed(products: Iterable[Product], encoder: OnnxEncoder) -> Iterator[SearchEngine]:
    """The real engine over these products, in a folder that goes away."""
    with tempfile.TemporaryDirectory() as temporary:
        recipe = replace(Recipe(), encoder=str(encoder.folder))
        with SearchEngine.build(products, Path(temporary) / "index", recipe, encoder=encoder) as engine:
            yield engine


def products_of(shop: Shop) -> list[Product]:
    return [Product(product_id, title) for product_id, title in shop.titles.items()]


def chinese_search(encoders: Encoders, folder: Path, limit: int | None) -> list[Row]:
    """MRR@10 over the whole corpus in every mode."""
    shop = read_shop(folder, limit)
    found: dict[str, dict[str, list[float]]] = {mode: {} for mode in MODES}
    words_only: Counter[str] = Counter()
    for name, encoder in encoders.items():
        with indexed(products_of(shop), encoder) as engine:
            for mode in MODES:
                values = found[mode][name] = []
                for query_id, text in shop.queries.items():
                    ranking = engine.search(SearchRequest(text, mode=mode, k=10))
                    ranks = (hit.rank for hit in ranking.hits if hit.product_id in shop.relevant[query_id])
                    values.append(1 / next(ranks, np.inf))
                    words_only[mode] += bool(ranking.degraded)
    cut = {mode: f"; {count} answers by words only" for mode, count in words_only.items() if count}
    notes = {mode: f"{len(shop.titles):,} titles{cut.get(mode, '')}" for mode in MODES}
    return [Row(f"{mode}, MRR@10", found[mode], notes[mode]) for mode in ("dense", "bm25", "hybrid")]


def worst_answers(encoder: OnnxEncoder, folder: Path, count: int, limit: int | None) -> list[tuple[Any, ...]]:
    """Where dense search puts the relevant title last: query, its rank, its cosine, the top cosine, the top title."""
    shop = read_shop(folder, limit)
    found = []
    with indexed(products_of(shop), encoder) as engine:
        for query_id, text in shop.queries.items():
            hits = engine.search(SearchRequest(text, mode="dense", k=len(shop.titles))).hits
            cosine = [hit.parts["dense:text"].score if "dense:text" in hit.parts else np.nan for hit in hits]
            at = next((i for i, hit in enumerate(hits) if hit.product_id in shop.relevant[query_id]), None)
            if at is None or not hits:
                found.append((text, len(shop.titles) + 1, np.nan, np.nan, hits[0].product.title if hits else ""))
            else:
                found.append((text, at + 1, cosine[at], cosine[0], hits[0].product.title))
    return sorted(found, key=lambda row: -row[1])[:count]


# --- across languages ------------------------------------------------------------------------------------


def cosines(encoders: Encoders) -> dict[str, dict[str, float]]:
    """A few pairs by hand, each encoder's cosine."""
    found: dict[str, dict[str, float]] = {f"{one} / {other}": {} for one, other in COSINES}
    for name, encoder in encoders.items():
        of = vectors(encoder, chain.from_iterable(COSINES))
        for one, other in COSINES:
            found[f"{one} / {other}"][name] = float(of[one] @ of[other])
    return found


def translation(
    encoders: Encoders,
    held: Sequence[tuple[str, str]],
    others: Sequence[tuple[str, str]],
    limit: int | None,
) -> list[Row]:
    """Recall@1 of held-out pairs ``(zh, en)`` in both directions; other pairs fill the candidates up to 1,000."""
    pairs, count = asked_among(held, others, limit)
    directions = (("zh -> en", 0, 1), ("en -> zh", 1, 0))
    found: dict[str, dict[str, list[float]]] = {direction: {} for direction, _, _ in directions}
    for name, encoder in encoders.items():
        of = vectors(encoder, chain.from_iterable(pairs))
        matrices = [np.array([of[pair[side]] for pair in pairs]) for side in (0, 1)]
        for direction, source, target in directions:
            scores = matrices[source][:count] @ matrices[target].T
            own = scores.diagonal().copy()
            np.fill_diagonal(scores, -np.inf)
            found[direction][name] = [float(hit) for hit in own > scores.max(axis=1) + TIE]
    note = f"{len(pairs):,} candidates, {len(pairs) - count:,} of them fillers"
    return [Row(f"{direction}, recall@1", found[direction], note) for direction, _, _ in directions]


def asked_among(
    held: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]], limit: int | None = None
) -> tuple[list[tuple[str, str]], int]:
    """1,000 distinct pairs, or ``limit`` if that is less, and how many of them, the first ones, are held out."""
    size = min(CANDIDATES, limit or CANDIDATES)
    asked = _distinct(held, [])[:size]
    return asked + _distinct(others, asked)[: size - len(asked)], len(asked)


def _distinct(pairs: Sequence[tuple[str, str]], before: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs in a seeded order, each Chinese and each English text once, none that came before."""
    taken = {_key(text) for pair in before for text in pair}
    kept = []
    for pair in random.Random(0).sample(pairs, len(pairs)):
        keys = {_key(text) for text in pair}
        if len(keys) == 2 and not keys & taken:
            taken |= keys
            kept.append(pair)
    return kept


def _key(text: str) -> str:
    """Alike where an encoder sees no difference: case, width, traditional characters."""
    return simplify(normalise(text)).casefold()


# --- English ---------------------------------------------------------------------------------------------


def icecat(encoders: Encoders, limit: int | None) -> list[Row]:
    """nDCG@10 of dense search on the whole catalogue, with both treatments of unjudged products."""
    judgments, queries = read_judgments(SAMPLE / "ratings.csv"), read_queries(SAMPLE / "ratings.csv")
    found = {}
    for name, encoder in encoders.items():
        with (
            clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned,
            indexed(islice(cleaned, limit), encoder) as engine,
        ):
            count = engine.index.count()
            run = align(answer(engine, queries, "dense", DEPTH), judgments)
        found[name] = evaluate(run, judgments, [NDCG])
    labels = {"removed": "judged only", "wrong": "unjudged = wrong"}
    note = f"{count:,} products; {found['encoder'].counts.skipped} queries without a relevant one left out"
    return [
        Row(
            f"Icecat nDCG@10, {label}",
            {name: list(evaluation.values(NDCG, treatment).values()) for name, evaluation in found.items()},
            note,
        )
        for treatment, label in labels.items()
    ]


def crowdflower(encoders: Encoders, folder: Path, limit: int | None) -> list[Row]:
    return [_pools(encoders, "crowdflower", _judged(folder, "query", "median_relevance", limit))]


def homedepot(encoders: Encoders, folder: Path, limit: int | None) -> list[Row]:
    return [_pools(encoders, "homedepot", _judged(folder, "search_term", "relevance", min(600, limit or 600)))]


def _judged(folder: Path, query: str, relevance: str, limit: int | None) -> list[tuple[str, str, float]]:
    """``(query, title, grade)`` of the first queries by name; the grade is the relevance, halves up, minus 1."""
    with (folder / "pairs.csv").open(encoding="utf-8", newline="") as file:
        pairs = list(csv.DictReader(file))
    first = set(sorted({row[query] for row in pairs})[:limit])
    return [
        (row[query], row["product_title"], np.floor(float(row[relevance]) + 0.5) - 1)
        for row in pairs
        if row[query] in first
    ]


def _pools(encoders: Encoders, name: str, pairs: Sequence[tuple[str, str, float]]) -> Row:
    """nDCG@10 inside each query's judged titles; equal cosines keep the file's order."""
    judgments = [Judgment(query, query, str(place), grade) for place, (query, _, grade) in enumerate(pairs)]
    pools: dict[str, list[tuple[str, str]]] = {}
    for place, (query, title, _) in enumerate(pairs):
        pools.setdefault(query, []).append((str(place), title))
    found = {}
    for encoder_name, encoder in encoders.items():
        of = vectors(encoder, chain.from_iterable((query, title) for query, title, _ in pairs))
        run = {
            query: sorted(
                ((place, float(of[query] @ of[title])) for place, title in pool), key=lambda hit: -round(hit[1], 6)
            )
            for query, pool in pools.items()
        }
        found[encoder_name] = evaluate(run, judgments, [NDCG])
    grades = [{pairs[int(place)][2] for place, _ in pool} for pool in pools.values()]
    alike = sum(len(distinct) == 1 and min(distinct) >= 1 for distinct in grades)
    note = (
        f"{len(pairs):,} pairs; {found['encoder'].counts.skipped} queries without a relevant title left out;"
        f" {alike} whose titles are all graded alike score 1 in any order"
    )
    values = {
        encoder_name: list(evaluation.values(NDCG, "wrong").values()) for encoder_name, evaluation in found.items()
    }
    return Row(f"{name} nDCG@10 in the pool", values, note)


# --- what a title sells ----------------------------------------------------------------------------------


def product_words(folder: Path) -> dict[str, set[str]]:
    """Each distinct title of dev and test with its product words; titles without one are left out."""
    found: dict[str, set[str]] = {}
    for file in ("dev.txt", "test.txt"):
        for block in (folder / file).read_text(encoding="utf-8").split("\n\n"):
            lines = [line.rpartition(" ") for line in block.split("\n") if line]
            words: list[str] = []
            inside = False
            for character, _, tag in lines:
                mark, _, kind = tag.partition("-")
                if kind == PRODUCT_WORD and (mark == "B" or not inside):
                    words.append(character)
                elif kind == PRODUCT_WORD:
                    words[-1] += character
                inside = kind == PRODUCT_WORD
            if words:
                found.setdefault("".join(character for character, _, _ in lines), set()).update(words)
    return found


def neighbours(encoders: Encoders, folder: Path, limit: int | None) -> list[Row]:
    """Precision@5: of a title's nearest others so many have a product word in common with it."""
    words = dict(islice(product_words(folder).items(), limit))
    titles = list(words)
    shares = np.array([[not words[one].isdisjoint(words[other]) for other in titles] for one in titles])
    np.fill_diagonal(shares, False)
    best = float(np.minimum(shares.sum(axis=1), NEIGHBOURS).mean() / NEIGHBOURS)
    found = {}
    for name, encoder in encoders.items():
        of = vectors(encoder, titles)
        matrix = np.array([of[title] for title in titles])
        scores = np.round(matrix @ matrix.T, 6)
        np.fill_diagonal(scores, -np.inf)
        nearest = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS]
        found[name] = np.take_along_axis(shares, nearest, axis=1).mean(axis=1).tolist()
    return [Row("same product word, precision@5", found, f"{best:.3f} is the most possible")]


# --- size and speed --------------------------------------------------------------------------------------


def sizes(encoder: OnnxEncoder) -> dict[str, float]:
    """Megabytes (10^6 bytes) of the folder and of the graph in it."""
    files = [path for path in encoder.folder.rglob("*") if path.is_file()]
    return {
        "folder_mb": sum(path.stat().st_size for path in files) / MB,
        "model_mb": (encoder.folder / MODEL_FILE).stat().st_size / MB,
    }


def latency(encoders: Encoders, chinese: Sequence[str]) -> dict[str, Any]:
    """Milliseconds of one query at a time, and each median over the English-only one's.

    The workloads take turns as a whole, in another order every round: query by query, whoever comes after a run of
    the same graph would find it in the processor's cache.
    """
    queries = [normalise(text) for _, text in read_queries(SAMPLE / "ratings.csv")]
    work = {f"{name}, Icecat queries": (encoder, queries) for name, encoder in encoders.items()}
    if chinese:
        work["encoder, multicpr queries"] = (encoders["encoder"], [normalise(text) for text in chinese])
    times: dict[str, list[float]] = {name: [] for name in work}
    for encoder, texts in work.values():
        encoder.encode(texts[:1], "query")  # loads the graph
    for turn in range(ROUNDS):
        for name in (list(work) * 2)[turn % len(work) :][: len(work)]:
            encoder, texts = work[name]
            for text in texts:
                start = time.perf_counter()
                encoder.encode([text], "query")
                times[name].append(1e3 * (time.perf_counter() - start))
    p50 = {name: float(np.median(values)) for name, values in times.items()}
    base = p50.get("english, Icecat queries")
    return {
        name: {
            "timed": len(times[name]),
            "mean_tokens": float(np.mean([encoder.count_tokens(text) for text in texts])),
            "p50_ms": p50[name],
            "times_english": p50[name] / base if base else None,
        }
        for name, (encoder, texts) in work.items()
    }
