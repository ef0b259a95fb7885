"""What changed texts bring to a training: all together against the robustness suite (each: augmentation_each.py).

    python benchmarks/augmentation.py --work DIR [--data ../shared/data] [--variant NAME ...]

nDCG@10 inside each query's judged texts, gain 2^level - 1, titles only, the 8-bit files that are served.

Two folds by query. An encoder learns from half of CrowdFlower's queries with one of VARIANTS and is measured by
SUITE, from `aisle evaluate --robustness`, on the other half and on the titles of Icecat's judged products, of which it
saw nothing; also with the words' signals beside it, weighed on the half that its twin did not see; each with queries
corrected by the words of the shop's titles (`correct = true`). Loss: clean less the mean over the suite.

DIR keeps the models and what was measured; a run that was stopped goes on. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.encoders.embedded import FOLDER
from aisle.encoders.kept import KeptVectors
from aisle.encoders.onnx import OnnxEncoder
from aisle.evaluate.pools import pool_ndcg
from aisle.evaluate.statistics import paired_difference
from aisle.improve.robustness import named, robustness, standard
from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.judgments.split import folds
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import word_signals
from aisle.rerankers.spelling import Speller
from aisle.training.combine import fit_weights
from aisle.training.relevance.catalogue import judged_products
from aisle.training.relevance.data import cosines
from aisle.training.relevance.recipe import load_recipe
from aisle.types import Array

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
_MILD = (
    "augment.query={typos=0.2,phonetic=0.05,joined=0.1,torn=0.05,order=0.1,wordy=0.05}",
    "augment.title={truncated=0.1,dropped=0.1,typos=0.05,markup=0.1,stuffed=0.1,joined=0.05}",
)
_STRONG = (
    "augment.query={typos=0.3,phonetic=0.1,joined=0.15,order=0.05}",
    "augment.title={truncated=0.15,dropped=0.05,typos=0.05,stuffed=0.35}",
    "fit.rate=1e-4",
    "fit.epochs=4",
)
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "clean": (),
    "control": ("fit.rate=1e-4", "fit.epochs=4"),
    "mild": (*_MILD, "augment.consistency=2"),
    "strong": (*_STRONG, "augment.consistency=10"),
    "strong, clean lists": (*_STRONG, "augment.consistency=10", "augment.lists=clean"),
    "strong, no consistency": _STRONG,
}
"""What each training is told beyond the defaults; the control has the rate and the length of strong, and no change."""
SUITE = (
    "typo", "phonetic", "case", "order", "plural", "synonym", "units", "abbreviations", "joined", "mixed", "around",
    "case@title", "typo@title", "truncated@title", "html@title", "stuffed@title",
)  # fmt: skip
"""Of the suite what can change an English query or title; full-width letters are normalised away."""
SEEDS = (0,)
Score = Callable[[PairSet], Array]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--variant", nargs="*", choices=list(VARIANTS)[1:], default=["strong"])
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split())}
    numbers["robust"] = robust(pairs, given.work, given.variant)
    if given.record:
        record("augmentation", numbers)
    return 0


def told_of(found: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """The mean difference over queries, each the mean of its draws."""
    difference = paired_difference([float(np.mean(values)) for values in found.values()])
    interval = difference.interval
    return {
        "queries": interval.n,
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "p": difference.p,
        "detectable": difference.detectable,
    }


def line(row: Mapping[str, Any]) -> str:
    least = "none" if row["detectable"] is None else f"{row['detectable']:.4f}"
    return f"{row['mean']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}] p {row['p']:.4f}, detectable {least}"


# --- the whole suite -----------------------------------------------------------------------------------------


def robust(pairs: PairSet, work: Path, variants: Sequence[str]) -> dict[str, Any]:
    """Clean and robust nDCG@10 of each variant, and what they are to the training without changes."""
    found = {name: measured(pairs, work, name) for name in ("clean", *variants)}
    rows: dict[str, Any] = {}
    for name, labels in found.items():
        for label, folds_ in labels.items():
            plain = found["clean"][label.removesuffix(", corrected")]
            rows[f"{name}: {label}"] = row = against(plain, folds_)
            drops = " ".join(f"{what} {value:+.3f}" for what, value in row["drops"].items())
            print(f"{name}: {label}: {row['clean']:.4f} robust {row['robust']:.4f} loss {row['loss']:.4f} | {drops}")
            print("   ", {what: line(row[what]) for what in ("clean_difference", "loss_difference")}, flush=True)
            if "control" in found and name not in ("clean", "control"):  # what is left for the changes themselves
                beside = against(found["control"][label], folds_)
                row["beside_control"] = {what: beside[what] for what in ("clean_difference", "loss_difference")}
                print("    beside control", {what: line(value) for what, value in row["beside_control"].items()})
    return rows


def measured(pairs: PairSet, work: Path, name: str) -> dict[str, list[dict[str, Any]]]:
    """For each way to score the two folds: values of each query, clean and in the mean of the suite, and the drops."""
    path = work / f"{name}.json"
    if path.exists():
        kept: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())
        return kept
    suite = named(SUITE, standard())
    words = WordStatistics.of([pair.title for pair in pairs], segment)
    speller = Speller(words.carriers)
    icecat = judged_products(SAMPLE / "products.jsonl.gz", SAMPLE / "ratings.csv", False)
    other = Speller(WordStatistics.of([pair.title for pair in icecat], segment).carriers)
    halves = [{judgment.query_id for judgment in fold.test} for fold in folds(pairs.judgments(), 2, 0)]
    tests = [pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id in half]) for half in halves]
    scores = [scorer(encoder(tests[1 - fold], work / f"{name}{fold}", VARIANTS[name])) for fold in (0, 1)]
    signals = [signals_of(score, words, corrected(tests[fold], speller)) for fold, score in enumerate(scores)]
    found: dict[str, list[dict[str, Any]]] = {}
    for fold, score in enumerate(scores):
        twin = tests[1 - fold]
        weights = fit_weights(signals[1 - fold], twin.levels(), list(twin.by_query().values()))
        mixed = combined(score, words, weights)
        for label, one, asked, spelling in (
            ("encoder", score, tests[fold], speller),
            ("combination", mixed, tests[fold], speller),
            ("encoder, Icecat", score, icecat, other),
        ):
            both = ((label, one), (f"{label}, corrected", spelled(one, spelling)))
            for full, way in both:
                report = robustness(way, asked, suite, SEEDS)
                found.setdefault(full, []).append(
                    {
                        "clean": dict(report.clean_values),
                        "robust": dict(report.robust_values),
                        "drops": {drop.name: drop.difference.interval.mean for drop in report.drops},
                    }
                )
    path.write_text(json.dumps(found) + "\n")
    return found


def against(plain: Sequence[Mapping[str, Any]], given: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over all queries of both folds; a query that both have, as on Icecat, is the mean of its two models."""
    before, after = values(plain), values(given)
    clean = {query: after[query][0] - before[query][0] for query in before}
    loss = {
        query: after[query][0] - after[query][1] - before[query][0] + before[query][1] for query in before
    }  # what the suite costs, more or less than without changes
    sizes = [len(fold["clean"]) for fold in given]
    names = given[0]["drops"]
    return {
        "queries": len(after),
        "clean": float(np.mean([one for one, _ in after.values()])),
        "robust": float(np.mean([one for _, one in after.values()])),
        "loss": float(np.mean([one - other for one, other in after.values()])),
        "loss_before": float(np.mean([one - other for one, other in before.values()])),
        "clean_difference": told_of({query: [value] for query, value in clean.items()}),
        "loss_difference": told_of({query: [value] for query, value in loss.items()}),
        "drops": {
            name: float(np.average([fold["drops"].get(name, 0.0) for fold in given], weights=sizes)) for name in names
        },
    }


def values(given: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for fold in given:
        for query, value in fold["clean"].items():
            found.setdefault(query, []).append((value, fold["robust"][query]))
    return {query: tuple(np.mean(some, axis=0).tolist()) for query, some in found.items()}


def signals_of(score: Score, words: WordStatistics, pairs: PairSet) -> np.ndarray:
    """Cosine, wording and BM25 of each pair, ``(n, 3)``."""
    found = np.zeros((len(pairs), 3))
    found[:, 0] = score(pairs)
    rows_of: dict[str, list[int]] = {}
    for row, pair in enumerate(pairs):
        rows_of.setdefault(pair.query, []).append(row)
    for query, rows in rows_of.items():
        found[rows, 1:] = word_signals(words, query, [pairs[row].title for row in rows])
    return found


def combined(score: Score, words: WordStatistics, weights: np.ndarray) -> Score:
    return lambda pairs: np.asarray(signals_of(score, words, pairs) @ weights, np.float32)


def corrected(pairs: PairSet, speller: Speller) -> PairSet:
    known = {query: speller.corrected(query) for query in dict.fromkeys(pair.query for pair in pairs)}
    return replace(pairs, items=tuple(replace(pair, query=known[pair.query]) for pair in pairs))


def spelled(score: Score, speller: Speller) -> Score:
    return lambda pairs: score(corrected(pairs, speller))


# --- models --------------------------------------------------------------------------------------------------


def encoder(pairs: PairSet, folder: Path, told: Sequence[str]) -> Path:
    """The folder of an encoder that learnt from all of the pairs."""
    from aisle.training.relevance.encoder_route import EncoderRoute

    done = folder / "m" / "folder"
    if not (done / "manifest.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        recipe = load_recipe(None, ["model=encoder", "fit.threads=1", "fit.track=none", *told])
        route = EncoderRoute(recipe, [], folder, lambda *_: None, lambda _: None)
        route.train([pairs], pairs.subset([]), "m", recipe.fit)
        (folder / "m" / "checkpoint.pt").unlink(missing_ok=True)
    return done


def scorer(folder: Path = FOLDER) -> Score:
    """Cosines; every text is encoded once."""
    kept = KeptVectors(OnnxEncoder(folder, threads=1), 100_000)
    return lambda pairs: cosines(kept.encode, pairs, False)


def ndcg(pairs: PairSet, score: Score) -> dict[str, float]:
    return dict(pool_ndcg(pairs.by_query(), pairs.levels(), score(pairs)))


if __name__ == "__main__":
    sys.exit(main())
