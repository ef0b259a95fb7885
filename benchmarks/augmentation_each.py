"""What each change of text alone does to a training, on the shop whose queries or titles it can change.

    python benchmarks/augmentation_each.py --work DIR [--data ../shared/data] [--record]

The encoder learns from about 500 pairs of a shop, whole queries drawn at random, three epochs, once as they are and
once with half of the draws changed by one change; both are measured on other queries as they are, and with that change
made to every query (to half of the titles). Two draws, the same for all changes of a shop. nDCG@10, gain 2^level - 1,
of the 8-bit files that are served. JOBS says what is measured where:

crowdflower: titles inside each query's judged ones, 60 queries a draw.
homedepot: the same, 150 queries a draw, queries of four titles or more. A change that few queries allow is measured
among those that allow it.
qbqtc: Chinese web search, one judged title for nearly every query. Learns from queries with a title of grade 1 or 2;
300 others are measured: their titles among the 50 nearest ones of 4,000 (by the encoder before training), which count
0.

Changes that leave the grade open, or lower it, and those that need a shop's brands are no part of a training; they come
as a file of further pairs ("file"). There the training without learns from the same lists as often, unchanged. What
leaves the grade open is given the grade that it had ("as if kept"), which nobody should do without a judge: the row
says what it would cost.

DIR keeps the models and what was measured; a run that was stopped goes on. Needs aisle[train].

--head: the task head in place of the encoder, without PyTorch: the changed pairs always come as a file, four draws. It
learns nothing from queries with one title, so that the Chinese changes are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
from augmentation import Score, encoder, line, ndcg, scorer, told_of
from record import record

from aisle.augment.augment import augmented
from aisle.augment.change import Change, Side
from aisle.augment.text.brands import BrandDropped, Brands, BrandSwapped
from aisle.augment.text.table import CHANGES
from aisle.encoders.embedded import FOLDER
from aisle.encoders.kept import KeptVectors
from aisle.encoders.onnx import OnnxEncoder
from aisle.improve.robustness import OnQueries, OnTitles, perturbed
from aisle.judgments.pairs import PairSet, Scale, TextPair, read_pairs
from aisle.rerankers.head import wording, zero_shot
from aisle.training.head import HeadSettings, fit_head
from aisle.types import Array

PAIRS, DRAWS, HEAD_DRAWS = 500, 2, 4
TESTED = {"crowdflower": 60, "homedepot": 150, "qbqtc": 300}
BESIDE, TITLES = 50, 4000
BRANDS = (
    "ryobi", "dewalt", "milwaukee", "husky", "makita", "hampton bay", "behr", "ridgid", "kohler", "moen", "delta", "ge",
    "lg", "samsung", "whirlpool", "everbilt", "american standard", "glacier bay", "martha stewart", "kraftmaid",
    "bosch", "toro", "husqvarna", "black and decker", "craftsman", "weber", "3m", "pergo", "trafficmaster", "honeywell",
    "lutron", "leviton", "schlage", "kwikset", "rubbermaid", "werner", "maytag", "frigidaire", "philips", "rheem",
    "hunter", "simpson strong-tie", "klein", "porter cable", "dremel", "cree", "daltile", "rust-oleum", "zinsser",
    "echo",
)  # fmt: skip
"""Such as a shop gives `aisle augment text --brands`."""
Way = Literal["drawn", "file"]


@dataclass(frozen=True)
class Job:
    """One row: which change, of what, on which shop, and how a training is told of it."""

    name: str
    side: Side
    shop: str = "crowdflower"
    way: Way = "drawn"
    fitting: bool = False
    """Only queries that the change can change."""

    @property
    def label(self) -> str:
        return f"{self.name}@{self.side}" + ("" if self.shop == "crowdflower" else f", {self.shop}")

    @property
    def change(self) -> Change:
        brands = Brands(BRANDS)
        if self.name == "brand-swapped":
            return BrandSwapped(brands)
        return BrandDropped(brands, self.side) if self.name == "brand-dropped" else CHANGES[self.name]


def _jobs(side: Side, names: str, shop: str = "crowdflower", way: Way = "drawn", fitting: bool = False) -> list[Job]:
    return [Job(name, side, shop, way, fitting) for name in names.split()]


JOBS = (
    *_jobs("query", "units abbreviations", "homedepot", fitting=True),
    *_jobs("title", "units abbreviations", "homedepot"),
    *_jobs("query", "chinese-errors same-sound pinyin-letters traditional", "qbqtc"),
    *_jobs("query", "near-sound like-shape doubled-character", "qbqtc"),
    *_jobs("query", "swapped-characters missing-character", "qbqtc", fitting=True),
    *_jobs("title", "chinese-errors traditional", "qbqtc"),
    *_jobs("query", "synonyms", "qbqtc"),
    *_jobs("query", "brand-swapped", "homedepot", "file", fitting=True),
    *_jobs("title", "synonyms"),
    *_jobs("query", "deletion", way="file"),
    *_jobs("title", "brand-dropped", "homedepot", "file"),
    *_jobs("query", "brand-dropped", "homedepot", "file", fitting=True),
    *_jobs("query", "mixed-language", way="file"),
    *_jobs("query", "adjacent-key transposed missing-letter doubled-letter"),
    *_jobs("query", "filler", "homedepot", fitting=True),
    *_jobs("title", "joined torn order phonetic"),
    *_jobs("query", "typos phonetic joined torn order wordy synonyms"),
    *_jobs("title", "typos dropped truncated markup stuffed"),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", choices=[job.label for job in JOBS], help="these rows, in this order")
    parser.add_argument("--head", action="store_true")
    parser.add_argument("--record", action="store_true", help="of what is measured already")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    rows: dict[str, Any] = {}
    shops: dict[str, PairSet] = {}
    vectors = KeptVectors(OnnxEncoder(FOLDER, threads=1), 200_000)
    by_label = {job.label: job for job in JOBS}
    for job in [by_label[label] for label in given.only or by_label]:
        if given.head and job.shop == "qbqtc":
            continue
        path = given.work / f"{'head, ' if given.head else ''}{job.label}.json"
        if not path.exists() and not given.record:
            if job.shop not in shops:
                shops[job.shop] = read_shop(given.data, job.shop)
            pairs = fitting(job, shops[job.shop])
            row = by_head(job, pairs, vectors) if given.head else measured(job, pairs, given.work)
            path.write_text(json.dumps(row) + "\n")
        if path.exists():
            rows[job.label] = json.loads(path.read_text())
            told = {label: line(row) for label, row in rows[job.label].items() if isinstance(row, dict)}
            print(job.label, rows[job.label]["pairs"], told, flush=True)
    if given.record:
        record(f"augmentation_each{'_head' if given.head else ''}", {"notes": " ".join(__doc__.split()), "rows": rows})
    return 0


def read_shop(data: Path, shop: str) -> PairSet:
    pairs = read_pairs(data / shop / ("pairs.jsonl" if shop == "qbqtc" else "pairs.csv"), need_grades=True)
    levels = pairs.levels()
    groups = pairs.by_query().values()
    if shop == "qbqtc":
        return pairs.subset([row for rows in groups if max(levels[rows]) >= 1 for row in rows])
    if shop == "homedepot":
        return pairs.subset(
            [row for rows in groups if len(rows) >= 4 and len(set(levels[rows].tolist())) > 1 for row in rows]
        )
    return pairs


# --- one row -------------------------------------------------------------------------------------------------


def fitting(job: Job, pairs: PairSet) -> PairSet:
    if not job.fitting:
        return pairs
    change, rng = job.change, Random(0)
    groups = pairs.by_query().values()
    wanted = [rows for rows in groups if change.apply(query := pairs[rows[0]].query, rng) not in (None, query)]
    return pairs.subset([row for rows in wanted for row in rows])


def by_head(job: Job, pairs: PairSet, vectors: KeptVectors) -> dict[str, Any]:
    change = job.change
    values: dict[str, dict[str, list[float]]] = {"clean": {}, "perturbed": {}, "learnt": {}}
    for draw in range(HEAD_DRAWS):
        learnt, tested = drawn(pairs, draw, TESTED[job.shop])
        without, other = (head_of(some, vectors) for some in with_more(learnt, change, job.side, draw))
        base = ndcg(tested, without)
        add(values["learnt"], ndcg(tested, head_of(None, vectors)), base)
        add(values["clean"], base, ndcg(tested, other))
        if change.effect == "keeps":
            changed = perturbed(tested, OnQueries(change) if job.side == "query" else OnTitles(change), draw)
            add(values["perturbed"], ndcg(changed, without), ndcg(changed, other))
    told_all = {what: told_of(found) for what, found in values.items() if found}
    return {"shop": job.shop, "way": "file", "effect": change.effect, "pairs": len(learnt), **told_all}


def head_of(learnt: PairSet | None, vectors: KeptVectors) -> Score:
    """Scores of the head that the pairs teach; of the untaught one without them."""

    def read(pairs: PairSet) -> tuple[Array, Array, Array]:
        asked, texts = (list(dict.fromkeys(some)) for some in zip(*((p.query, p.title) for p in pairs), strict=True))
        queries = dict(zip(asked, vectors.encode(asked, "query"), strict=True))
        titles = dict(zip(texts, vectors.encode(texts, "product"), strict=True))
        left, right = np.stack([queries[p.query] for p in pairs]), np.stack([titles[p.title] for p in pairs])
        return left, right, np.concatenate([wording(p.query, [p.title]) for p in pairs])

    def score(pairs: PairSet) -> Array:
        left, right, words = read(pairs)
        if learnt is None:
            return zero_shot(left.shape[1]).score(left, right, words)
        return made.score(left, right, words)

    if learnt is not None:
        left, right, words = read(learnt)
        made = fit_head(
            left, right, learnt.levels().astype(np.float32), [p.query_id for p in learnt], HeadSettings(), 0, words
        )
    return score


def measured(job: Job, pairs: PairSet, work: Path) -> dict[str, Any]:
    change = job.change
    shop = job.shop + (f", {job.label}" if job.fitting else "")
    values: dict[str, dict[str, list[float]]] = {"clean": {}, "perturbed": {}, "learnt": {}}
    for draw in range(DRAWS):
        learnt, tested = drawn(pairs, draw, TESTED[job.shop])
        if job.shop == "qbqtc":
            others = work / f"beside, {shop}-{draw}.json"
            tested = among_others(tested, pairs, {pair.query_id for pair in learnt}, others)
        if job.way == "drawn":
            name, told = f"none, {shop}", [f"augment.{job.side}={{{job.name}=0.5}}"]
            without, other = trained(name, learnt, work, draw), trained(job.label, learnt, work, draw, told)
        else:
            name, (before, after) = f"none, {job.label}", with_more(learnt, change, job.side, draw)
            without, other = trained(name, before, work, draw), trained(job.label, after, work, draw)
        base = kept(work / f"{name}-{draw}.json", tested, without)
        add(values["learnt"], kept(work / f"untrained, {shop}-{draw}.json", tested, FOLDER), base)
        add(values["clean"], base, ndcg(tested, scorer(other)))
        if change.effect == "keeps":
            changed = perturbed(tested, OnQueries(change) if job.side == "query" else OnTitles(change), draw)
            add(values["perturbed"], *(ndcg(changed, scorer(folder)) for folder in (without, other)))
    told_all = {what: told_of(found) for what, found in values.items() if found}
    return {"shop": job.shop, "way": job.way, "effect": change.effect, "pairs": len(learnt), **told_all}


def kept(path: Path, tested: PairSet, folder: Path) -> dict[str, float]:
    """What is the same for many rows is measured once."""
    if not path.exists():
        path.write_text(json.dumps(ndcg(tested, scorer(folder))) + "\n")
    found: dict[str, float] = json.loads(path.read_text())
    return found


def add(values: dict[str, list[float]], before: Mapping[str, float], after: Mapping[str, float]) -> None:
    for query, value in before.items():
        values.setdefault(query, []).append(after[query] - value)


def trained(name: str, learnt: PairSet, work: Path, draw: int, told: Sequence[str] = ()) -> Path:
    return encoder(learnt, work / f"{name}-{draw}", ["fit.epochs=3", f"fit.seed={draw}", *told])


def drawn(pairs: PairSet, draw: int, tested: int) -> tuple[PairSet, PairSet]:
    """About so many pairs of whole queries, and other queries: half of what there is at most for each."""
    groups = pairs.by_query()
    asked = list(groups)
    Random(f"augmentation {draw}").shuffle(asked)
    rows: list[int] = []
    while len(rows) < min(PAIRS, len(pairs) // 2):
        rows += groups[asked.pop()]
    return pairs.subset(rows), pairs.subset([row for query in asked[:tested] for row in groups[query]])


def among_others(tested: PairSet, pairs: PairSet, learnt: set[str], path: Path) -> PairSet:
    """Each query's titles, and the nearest ones of other queries, of grade 0; none that was learnt from."""
    open_ = [pair for pair in pairs if pair.query_id not in learnt]
    texts = list(dict.fromkeys([*(pair.title for pair in tested), *(pair.title for pair in open_)]))[:TITLES]
    groups = tested.by_query()
    if not path.exists():
        model = OnnxEncoder(FOLDER, threads=1)
        vectors = model.encode(texts, "product")
        asked = model.encode([tested[rows[0]].query for rows in groups.values()], "query")
        path.write_text(json.dumps(np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :100].tolist()) + "\n")
    nearest = json.loads(path.read_text())
    levels, found = tested.levels(), list[TextPair]()
    for (query, rows), near in zip(groups.items(), nearest, strict=True):
        own, text = {tested[row].title for row in rows}, tested[rows[0]].query
        found += [replace(tested[row], doc_id=f"own {row}", grade=float(levels[row])) for row in rows]
        others = [row for row in near if texts[row] not in own][:BESIDE]
        found += [TextPair(query, text, f"other {row}", texts[row], grade=0.0) for row in others]
    return PairSet(tuple(found), Scale(0, 2), tested.source)


def with_more(learnt: PairSet, change: Change, side: Side, seed: int) -> tuple[PairSet, ...]:
    """The pairs with the changed ones once more, and, to compare, with what these were made of once more."""
    grades = {f"{pair.query_id}/{pair.doc_id}": pair for pair in learnt}
    more, same = [], []
    for one in augmented(learnt, {side: [change]}, 1, seed):
        source = grades[one.provenance.source]
        more.append(one.pair if change.effect != "unknown" else replace(one.pair, grade=source.grade))
        same.append(replace(source, query_id=f"{source.query_id} again", doc_id=f"{source.doc_id} again"))
    return tuple(PairSet((*learnt, *some), learnt.scale, learnt.source) for some in (same, more))


if __name__ == "__main__":
    sys.exit(main())
