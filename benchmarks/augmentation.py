"""What changed texts bring to a training: all together against the robustness suite (each: augmentation_each.py).

    python benchmarks/augmentation.py --work DIR [--data ../shared/data] [--variant NAME ...] [--record]

nDCG@10 inside each query's judged texts, gain 2^level - 1, titles only, the 8-bit files that are served.

CrowdFlower and Icecat's judged products, two folds by query each: a combination learns from half of a shop's queries as
one of VARIANTS says and is measured by SUITE, from `aisle evaluate --robustness`, on the other half; its weights are
fitted to that half's twin: to what the encoder and the trees of the other half say of its own. WAYS: as it is; with
queries corrected by the words of the shop's titles (`correct = true`); and with texts read without their echoes
(`ignore_echo = true`). Loss: clean less the mean over the suite. "crowdflower -> icecat": CrowdFlower's encoders alone,
corrected by the words of Icecat's judged titles.

DIR keeps the models and what was measured; a run that was stopped goes on. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import shutil
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
from aisle.rerankers.combination import CombinationReranker
from aisle.rerankers.spelling import Speller
from aisle.training.relevance.catalogue import judged_products
from aisle.training.relevance.combining import Combining
from aisle.training.relevance.data import cosines
from aisle.training.relevance.fit import Outcome
from aisle.training.relevance.recipe import FitSettings, TrainingRecipe, load_recipe
from aisle.training.relevance.rounds import Scored, weigh
from aisle.types import Array

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
_MILD = (
    "augment.query={typos=0.2,phonetic=0.05,joined=0.1,torn=0.05,order=0.1,wordy=0.05}",
    "augment.title={truncated=0.1,dropped=0.1,typos=0.05,markup=0.1,stuffed=0.1,joined=0.05}",
)
_CHANGES = (
    "augment.query={typos=0.3,phonetic=0.1,joined=0.15,order=0.05}",
    "augment.title={truncated=0.15,dropped=0.05,typos=0.05,stuffed=0.35}",
)
_STRONG = (*_CHANGES, "fit.rate=1e-4", "fit.epochs=4")
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "clean": (),
    "control": ("fit.rate=1e-4", "fit.epochs=4"),
    "light": _CHANGES,
    "mild": (*_MILD, "augment.consistency=2"),
    "strong": (*_STRONG, "augment.consistency=10"),
    "strong, clean lists": (*_STRONG, "augment.consistency=10", "augment.lists=clean"),
    "strong, no consistency": _STRONG,
}
"""What each training is told beyond the defaults; light has the changes of strong alone, the control its rate and its
length without any."""
WAYS: Mapping[str, tuple[str, ...]] = {
    "combination": (),
    "combination, corrected": ("correct=true",),
    "combination, corrected, echoes ignored": ("correct=true", "ignore_echo=true"),
}
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
    parser.add_argument("--variant", nargs="*", choices=list(VARIANTS)[1:], default=["light"])
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    shops = {
        "crowdflower": read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True),
        "icecat": judged_products(SAMPLE / "products.jsonl.gz", SAMPLE / "ratings.csv", False),
    }
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split())}
    numbers["robust"] = robust(shops, given.work, given.variant)
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


def robust(shops: Mapping[str, PairSet], work: Path, variants: Sequence[str]) -> dict[str, Any]:
    """Clean and robust nDCG@10 of each variant, and what they are to the training without changes."""
    found = {name: measured(shops, work, name) for name in ("clean", *variants)}
    rows: dict[str, Any] = {}
    for name, labels in found.items():
        for label, folds_ in labels.items():
            plain = found["clean"][label.split(", ")[0]]
            rows[f"{name}: {label}"] = row = against(plain, folds_)
            drops = " ".join(f"{what} {value:+.3f}" for what, value in row["drops"].items())
            print(f"{name}: {label}: {row['clean']:.4f} robust {row['robust']:.4f} loss {row['loss']:.4f} | {drops}")
            print("   ", {what: line(row[what]) for what in ("clean_difference", "loss_difference")}, flush=True)
            if name != "clean":  # what the changes bring by themselves
                row["beside_clean"] = beside = {
                    what: against(found["clean"][label], folds_)[what]
                    for what in ("clean_difference", "loss_difference")
                }
                print("    the same way without changes", {what: line(value) for what, value in beside.items()})
    return rows


def measured(shops: Mapping[str, PairSet], work: Path, name: str) -> dict[str, list[dict[str, Any]]]:
    """For each shop and way the two folds: values of each query, clean and in the mean of the suite, and the drops."""
    path = work / f"{name}.json"
    found: dict[str, list[dict[str, Any]]] = json.loads(path.read_text()) if path.exists() else {}

    def put(label: str, folds_: list[dict[str, Any]]) -> None:
        found[label] = folds_
        path.write_text(json.dumps(found) + "\n")

    for shop, pairs in shops.items():
        tests = halves(pairs)
        for way, told in WAYS.items():
            if f"{shop}: {way}" not in found:
                served = combinations(pairs, work / shop / name, (*VARIANTS[name], *told))
                models = [by_query(CombinationReranker(folder)) for folder in served]
                put(f"{shop}: {way}", [told_by(model, test) for model, test in zip(models, tests, strict=True)])
    other = Speller(WordStatistics.of([pair.title for pair in shops["icecat"]], segment).carriers)
    scorers = [scorer(work / "crowdflower" / name / str(fold) / "m" / "folder") for fold in (0, 1)]
    for label, change in (("", lambda one: one), (", corrected", lambda one: spelled(one, other))):
        if f"crowdflower -> icecat: encoder{label}" not in found:
            folds_ = [told_by(change(one), shops["icecat"]) for one in scorers]
            put(f"crowdflower -> icecat: encoder{label}", folds_)
    return found


def told_by(score: Score, pairs: PairSet) -> dict[str, Any]:
    report = robustness(score, pairs, named(SUITE, standard()), SEEDS)
    drops = {drop.name: drop.difference.interval.mean for drop in report.drops}
    return {"clean": dict(report.clean_values), "robust": dict(report.robust_values), "drops": drops}


def halves(pairs: PairSet) -> list[PairSet]:
    sides = [{judgment.query_id for judgment in fold.test} for fold in folds(pairs.judgments(), 2, 0)]
    return [pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id in side]) for side in sides]


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


def corrected(pairs: PairSet, speller: Speller) -> PairSet:
    known = {query: speller.corrected(query) for query in dict.fromkeys(pair.query for pair in pairs)}
    return replace(pairs, items=tuple(replace(pair, query=known[pair.query]) for pair in pairs))


def spelled(score: Score, speller: Speller) -> Score:
    return lambda pairs: score(corrected(pairs, speller))


# --- models --------------------------------------------------------------------------------------------------


class Trainer:
    """Trains an encoder on all pairs it is given; one that is there already stays as it is."""

    def __init__(self, folder: Path, recipe: TrainingRecipe) -> None:
        self.folder, self.recipe = folder, recipe

    def train(
        self, sets: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[Path, Outcome]:
        from aisle.training.relevance.encoder_route import EncoderRoute

        done = self.folder / name / "folder"
        outcome = Outcome(0.0, (), 0, 1.0, 0.0)
        if not (done / "manifest.json").exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            route = EncoderRoute(self.recipe, [], self.folder, lambda *_: None, lambda _: None)
            done, outcome = route.train(sets, validation, name, settings)
            (self.folder / name / "checkpoint.pt").unlink(missing_ok=True)
        return done, outcome

    def score(self, folder: Path, pairs: PairSet) -> Array:
        return cosines(OnnxEncoder(folder, threads=1).encode, pairs, False)


def encoder(pairs: PairSet, folder: Path, told: Sequence[str]) -> Path:
    """The folder of an encoder that learnt from all of the pairs."""
    recipe = load_recipe(None, ["model=encoder", "fit.threads=1", "fit.track=none", *told])
    return Trainer(folder, recipe).train([pairs], pairs.subset([]), "m", recipe.fit)[0]


def combinations(pairs: PairSet, work: Path, told: Sequence[str]) -> list[Path]:
    """For each half the folder of a combination that learnt from the other one."""
    recipe = load_recipe(None, ["model=combination", "fit.threads=1", "fit.track=none", *told])
    tests = halves(pairs)
    makers = [Combining(Trainer(work / str(fold), recipe), pairs, [], recipe) for fold in (0, 1)]
    parts = [makers[fold].train([tests[1 - fold]], pairs.subset([]), "m", recipe.fit)[0] for fold in (0, 1)]
    scored = [makers[fold].score(parts[fold], tests[fold]) for fold in (0, 1)]
    found = []
    for fold in (0, 1):
        twin, maker = tests[1 - fold], makers[fold]
        signals, changed = np.split(scored[1 - fold].astype(np.float64), [len(maker.names)], axis=1)
        rows = Scored(twin, scored[1 - fold], np.zeros(len(twin), np.int64), np.ones(len(twin), bool))
        weights = weigh(rows, signals, changed if maker.changes else None)[1]
        out = work / f"{fold}-{'-'.join(str(flag) for flag in (recipe.correct, recipe.ignore_echo))}"
        if not (out / "folder" / "manifest.json").exists():
            copy = out / "m" / "folder"
            shutil.copytree(parts[fold], copy, dirs_exist_ok=True)
            shutil.copy(parts[fold].parent / "trees.txt", copy.parent)
            maker.write(copy, None, dict(zip(maker.names, weights.tolist(), strict=True)), out)
        found.append(out / "folder")
    return found


def by_query(model: CombinationReranker) -> Score:
    """Scores of pairs, each query's texts as one list."""

    def score(pairs: PairSet) -> Array:
        found = np.zeros(len(pairs), np.float32)
        for rows in pairs.by_query().values():
            found[rows] = model.score_texts(pairs[rows[0]].query, [pairs[row].title for row in rows])
        return found

    return score


def scorer(folder: Path = FOLDER) -> Score:
    """Cosines; every text is encoded once."""
    kept = KeptVectors(OnnxEncoder(folder, threads=1), 100_000)
    return lambda pairs: cosines(kept.encode, pairs, False)


def ndcg(pairs: PairSet, score: Score) -> dict[str, float]:
    return dict(pool_ndcg(pairs.by_query(), pairs.levels(), score(pairs)))


if __name__ == "__main__":
    sys.exit(main())
