"""What distillation on unlabelled pairs brings over the same student taught by the labels alone, and what in it.

    python benchmarks/distillation.py --work DIR [--data ../shared/data] [--only MODEL ...] [--fold N ...]

crowdflower, every query held out once (five folds by query). In each fold the teacher and the students that learn from
labels learn from the same four fifths of the queries; unlabelled pairs are made of those queries, of queries made
from titles, and of all titles; a query of the fifth is in none of them. nDCG@10 inside each query's judged texts: gain
2^level - 1, level = grade - lowest grade, queries whose texts are all graded alike left out; 8-bit files; titles only.
Icecat: judged only and unjudged = wrong, whole catalogue, with teachers that saw no label of Icecat. DIR keeps models,
teachers' scores and each query's values, which are taken as they are; a row is of all folds that both its models have
done. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import record
from relevance import NDCG, SAMPLE, searched, shop, versus

from aisle.artifacts import Manifest, write_manifest
from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.evaluate import evaluate
from aisle.evaluate.pools import pool_ndcg
from aisle.indexes import segment
from aisle.judgments import align, read_judgments, read_queries
from aisle.judgments.pairs import PairSet
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import ARCHITECTURE, SIGNALS, Combination, fingerprint, word_signals
from aisle.rerankers.combination import FILE as COMBINATION
from aisle.rerankers.head import FORMAT, KIND
from aisle.rerankers.load import load_reranker
from aisle.training.combine import fit_weights
from aisle.training.distil.build import Told, distil
from aisle.training.distil.material import Material, catalogue_products, pair_products
from aisle.training.distil.recipe import load_distil_recipe
from aisle.training.distil.route import Distiller, Taught
from aisle.training.relevance.data import cosines, turns
from aisle.types import Product

_TWO = ["layers=2", "fit.rate=3e-4"]
_SMALL = ["pairs.made=1000", "fit.epochs=1"]
DISTILLED: Mapping[str, list[str]] = {
    "distilled": [*_TWO, *_SMALL, "fit.vectors=1"],
    "vectors": [*_TWO, *_SMALL, "fit.vectors=1", "fit.listwise=0"],
    "order": [*_TWO, *_SMALL],
    "margin": [*_TWO, *_SMALL, "fit.vectors=1", "fit.listwise=0", "fit.margin=1"],
    "more": [*_TWO, "pairs.made=2000", "fit.epochs=2", "fit.vectors=1"],
    "more vectors": [*_TWO, "pairs.made=2000", "fit.epochs=2", "fit.vectors=1", "fit.listwise=0"],
    "six": ["fit.rate=1e-4", *_SMALL],
}
"""Settings of each student. It begins as the encoder inside the teacher, which learnt from the labels; "vectors" hears
nothing of the teacher's scores."""
AGAIN: Mapping[str, str] = {
    "vectors, labels": "vectors",
    "distilled, labels": "distilled",
    "more, labels": "more",
    "more vectors, labels": "more vectors",
}
"""Students that then learn from the labels as `aisle train` does, and what they were before."""
GIVEN = ("untouched", "labels", "tuned", "teacher")
"""The packaged encoder; two of its layers taught by labels alone; all of them; that with the words' signals."""
MODELS = (*GIVEN, *DISTILLED, *AGAIN)
ROWS = (
    ("labels", "distilled"),
    ("vectors, labels", "distilled"),
    ("vectors, labels", "distilled, labels"),
    ("vectors", "distilled"),
    ("labels", "vectors, labels"),
    ("distilled", "order"),
    ("distilled", "margin"),
    ("distilled", "more"),
    ("vectors, labels", "more"),
    ("vectors, labels", "more, labels"),
    ("more vectors, labels", "more"),
    ("more vectors, labels", "more, labels"),
    ("labels", "more"),
    ("untouched", "distilled"),
    ("untouched", "more"),
    ("distilled", "teacher"),
    ("tuned", "six"),
)
HEAD = "| crowdflower | folds | queries | before | after | difference, 95% | p | detectable |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=[*MODELS, "icecat"], help="to be made; default: all")
    parser.add_argument("--fold", nargs="*", type=int, choices=range(5), default=range(5), help="some of the folds")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in [*MODELS, "icecat"] if not given.only or name in given.only]
    pairs = shop(given.data, "crowdflower")
    for fold in given.fold:
        make_fold(pairs, fold, [name for name in wanted if name != "icecat"], given.work)
    rows = crowdflower(given.work)
    if "icecat" in wanted:
        rows |= icecat(given.work)
    print(HEAD + "\n" + "|---" * 8 + "|")
    for label, row in rows.items():
        print(line(label, row), flush=True)
    settings = {name: " ".join(changes) for name, changes in DISTILLED.items()}
    record("distillation", {"notes": " ".join(__doc__.split()), "settings": settings, "rows": rows})
    return 0


# --- crowdflower -------------------------------------------------------------------------------------------


def crowdflower(work: Path) -> dict[str, Any]:
    """Each two models that are compared, over the queries of the folds that both have done."""
    rows = {}
    for before, after in ROWS:
        folds = [fold for fold in range(5) if values_of(work, before, fold) and values_of(work, after, fold)]
        found = {name: {} for name in (before, after)}
        for fold in folds:
            for name, values in found.items():
                values |= values_of(work, name, fold)
        if folds:
            rows[f"{after} against {before}"] = {"folds": folds, **compared(found[before], found[after])}
    return rows


def values_of(work: Path, name: str, fold: int) -> dict[str, float]:
    """Each query's value under a model of a fold; empty where it is not made yet."""
    kept = work / f"{name}-{fold}.json"
    found: dict[str, float] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    return found


def make_fold(pairs: PairSet, fold: int, names: Sequence[str], work: Path) -> None:
    """The values of those models of a fold that are not there yet, over the queries that it holds out."""
    names = [name for name in names if not values_of(work, name, fold)]
    if not names:
        return
    mask = turns(pairs, 0)[fold]
    rest, held = (pairs.subset(np.flatnonzero(part).tolist()) for part in (~mask, mask))
    material = Material(pair_products([pairs]), (), "crowdflower", rest, rest, held)
    made = Fold(material, fold, work)
    for name in names:
        scores = scored(made.teacher, held) if name == "teacher" else cosines(encode(made.model(name)), held, False)
        found = pool_ndcg(held.by_query(), held.levels(), scores)
        (work / f"{name}-{fold}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{name}, fold {fold}: {np.mean(list(found.values())):.4f}", file=sys.stderr, flush=True)


class Fold:
    """The models of one fold, made where they are not there yet; unlabelled pairs once for all students of a kind."""

    def __init__(self, material: Material, number: int, work: Path) -> None:
        self.material, self.number, self.work = material, number, work
        self.teacher = teacher_of(material, work / f"teacher{number}")
        self._taught: dict[Any, Taught] = {}

    def model(self, name: str) -> Path:
        """The folder of an encoder."""
        folder = self.work / f"{name}-{self.number}".replace(", ", "-")
        if name == "untouched":
            return FOLDER
        if name == "tuned":
            return self.teacher / "encoder"
        if name == "labels":
            return by_labels(self.material, ["layers=2"], "embedded", folder)
        if name in AGAIN:
            return by_labels(self.material, [], str(self.model(AGAIN[name])), folder)
        return folder if (folder / "manifest.json").exists() else self._distilled(DISTILLED[name], folder)

    def _distilled(self, changes: Sequence[str], folder: Path) -> Path:
        """The student, begun as the encoder inside the teacher."""
        run = distiller(self.teacher, ["fit.threads=1", *changes], folder)
        pairs = run.recipe.pairs
        if pairs not in self._taught:
            self._taught[pairs] = run.taught(self.material, [str(self.teacher)], self.work / "cache")
        return run.learn(self._taught[pairs], None).rename(folder)


def encode(folder: Path) -> Any:
    return OnnxEncoder(folder).encode


def distiller(student: Path | str, changes: Sequence[str], folder: Path) -> Distiller:
    """What makes a student, with a folder of its own beside where it will stand."""
    work = folder.with_name(f".{folder.name}.work")
    work.mkdir(exist_ok=True)
    told = Told(note=lambda text: print(f"{folder.name}: {text}", file=sys.stderr, flush=True))
    return Distiller(str(student), load_distil_recipe(None, changes), work, told.report, told.note, told.progress)


def teacher_of(material: Material, folder: Path) -> Path:
    """A combination as `aisle train` makes it of the training queries with ``trees=false`` and ``neighbours=false``.

    Its weights are fitted to the cosines of the untouched encoder, which learnt from none of them.
    """
    assert material.judged is not None
    judged = material.judged
    if not (folder / "encoder" / "manifest.json").exists():
        folder.mkdir(exist_ok=True)
        by_labels(material, [], "embedded", folder / "encoder")
    if not (folder / "manifest.json").exists():
        words = WordStatistics.of([pair.title for pair in judged], segment)
        groups = judged.by_query()
        signals = np.zeros((len(judged), len(SIGNALS)))
        signals[:, 0] = cosines(OnnxEncoder(FOLDER).encode, judged, False)
        for rows in groups.values():
            signals[rows, 1:] = word_signals(words, judged[rows[0]].query, [judged[row].title for row in rows])
        weights = fit_weights(signals, judged.levels(), list(groups.values()))
        named = {name: float(weight) for name, weight in zip(SIGNALS, weights, strict=True)}
        Combination(named, words).save(folder / COMBINATION)
        write_manifest(folder, Manifest(KIND, FORMAT, fingerprint(folder), {"architecture": ARCHITECTURE}))
    return folder


def by_labels(material: Material, changes: Sequence[str], student: str, folder: Path) -> Path:
    """An encoder taught by the labels as `aisle train` does."""
    if not (folder / "manifest.json").exists():
        run = distiller(student, ["fit.threads=1", *changes], folder)
        assert material.judged is not None
        run.learn_labels(material.judged).rename(folder)
    return folder


def scored(model: Path, pairs: PairSet) -> Any:
    reranker = load_reranker(model)
    scores = np.zeros(len(pairs), np.float32)
    for rows in pairs.by_query().values():
        texts = [Product(pairs[row].doc_id, pairs[row].title, pairs[row].description) for row in rows]
        scores[rows] = reranker.score(pairs[rows[0]].query, texts)
    return scores


# --- icecat ------------------------------------------------------------------------------------------------


def icecat(work: Path) -> dict[str, Any]:
    """The packaged encoder taught on Icecat's catalogue by the untouched encoder and BM25 together, no label at all."""
    judgments = read_judgments(SAMPLE / "ratings.csv")
    queries = read_queries(SAMPLE / "ratings.csv")
    folder = work / "icecat"
    if not (folder / "manifest.json").exists():
        material = Material(catalogue_products(SAMPLE / "products.jsonl.gz"), forbidden=[text for _, text in queries])
        recipe = load_distil_recipe(None, ["fit.threads=1", "fit.epochs=1"])
        distil(material, ["embedded", "bm25"], recipe, folder, cache=work / "cache", resume=True)
    runs = [searched(OnnxEncoder(encoder), queries) for encoder in (FOLDER, folder)]
    found = {}
    for mode in runs[0]:
        both = [evaluate(align(run[mode], judgments), judgments, [NDCG]) for run in runs]
        for treatment, label in (("removed", "judged only"), ("wrong", "unjudged = wrong")):
            one, other = (evaluation.values(NDCG, treatment) for evaluation in both)
            values = {"english": list(one.values()), "encoder": [other[query] for query in one]}
            found[f"icecat without labels, {mode}, {label}: distilled against packaged"] = versus(values)
    return found


# --- figures -----------------------------------------------------------------------------------------------


def compared(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
    return versus({"english": list(before.values()), "encoder": [after[query] for query in before]})


def line(label: str, row: Mapping[str, Any]) -> str:
    found, folds = row["difference"], len(row.get("folds", ()))
    detectable = "" if row["detectable"] is None else f"{row['detectable']:.3f}"
    return (
        f"| {label} | {folds or ''} | {row['queries']:,} | {row['before']:.4f} | {row['after']:.4f} |"
        f" {found['mean']:+.4f} [{found['low']:+.3f}, {found['high']:+.3f}] | {row['p']:.4f} | {detectable} |"
    )


if __name__ == "__main__":
    sys.exit(main())
