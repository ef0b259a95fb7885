"""What distillation on unlabelled pairs brings over the same student taught by the labels alone.

    python benchmarks/distillation.py --work DIR [--data ../shared/data] [--only PART ...] [--fold N ...]

crowdflower, every query held out once (five folds by query). In each fold the teacher and the student that learns from
labels alone learn from the same four fifths of the queries; unlabelled pairs are made of those queries, of queries made
from titles, and of all titles; a query of the fifth is in none of them. nDCG@10 inside each query's judged texts: gain
2^level - 1, level = grade - lowest grade, queries whose texts are all graded alike left out; 8-bit files; titles only.
Icecat: judged only and unjudged = wrong, whole catalogue, with teachers that saw no label of Icecat. DIR keeps models
and teachers' scores, and each fold's values, which are taken as they are. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
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
from aisle.training.distil.route import Distiller
from aisle.training.relevance.data import cosines, turns
from aisle.types import Product

STUDENTS: Mapping[str, list[str]] = {
    "layers2": ["layers=2", "pairs.made=1000", "fit.epochs=1", "fit.rate=3e-4", "fit.vectors=1"],
    "layers6": ["pairs.made=1000", "fit.epochs=1", "fit.rate=1e-4"],
}
"""Settings of each student. It begins as the encoder inside the teacher, which learnt from the labels."""
HEAD = "| student | queries | labels alone | distilled | difference, 95% | p | detectable |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=[*STUDENTS, "icecat"], help="default: all")
    parser.add_argument("--fold", nargs="*", type=int, choices=range(5), default=range(5), help="some of the folds")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    parts = [name for name in [*STUDENTS, "icecat"] if not given.only or name in given.only]
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "folds": list(given.fold), "rows": {}}
    pairs = shop(given.data, "crowdflower")
    print(HEAD + "\n" + "|---" * 7 + "|", flush=True)
    for name in parts:
        rows = icecat(given.work) if name == "icecat" else crowdflower(pairs, name, given.fold, given.work)
        numbers["rows"] |= rows
        for label, row in rows.items():
            print(line(label, row), flush=True)
    record("distillation", numbers)
    return 0


# --- crowdflower -------------------------------------------------------------------------------------------


def crowdflower(pairs: PairSet, name: str, folds: Iterable[int], work: Path) -> dict[str, Any]:
    """Each query's nDCG@10 under each model of its fold."""
    values: dict[str, dict[str, float]] = {}
    for fold in folds:
        for model, found in one_fold(pairs, fold, name, work).items():
            values[model] = values.get(model, {}) | found
    befores = [model for model in values if model not in ("distilled", "teacher")]
    rows = [*((before, "distilled") for before in befores), ("distilled", "teacher")]
    return {f"{name}: {after} against {before}": compared(values[before], values[after]) for before, after in rows}


def one_fold(pairs: PairSet, fold: int, name: str, work: Path) -> dict[str, dict[str, float]]:
    """Each query's value under the models of one fold, made where they are not there yet, over what it holds out."""
    kept = work / f"{name}-{fold}.json"
    if kept.exists():
        known: dict[str, dict[str, float]] = json.loads(kept.read_text(encoding="utf-8"))
        return known
    mask = turns(pairs, 0)[fold]
    rest, held = (pairs.subset(np.flatnonzero(part).tolist()) for part in (~mask, mask))
    material = Material(pair_products([pairs]), (), "crowdflower", rest, rest, held)
    teacher = teacher_of(material, work / f"teacher{fold}")
    models = {"untouched": FOLDER, "labels alone": teacher / "encoder"}
    if name != "layers6":  # with all its layers the encoder inside the teacher is the student on labels alone
        models["labels alone"] = by_labels(material, name, "embedded", work / f"{name}-{fold}-labels")
    models["distilled"] = distilled(material, name, teacher, models["labels alone"], work / f"{name}-{fold}")
    groups, levels = held.by_query(), held.levels()
    found = {
        model: pool_ndcg(groups, levels, cosines(OnnxEncoder(folder).encode, held, False))
        for model, folder in models.items()
    }
    found["teacher"] = pool_ndcg(groups, levels, scored(teacher, held))
    kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def distilled(material: Material, name: str, teacher: Path, against: Path, out: Path) -> Path:
    """The student, begun as the encoder inside the teacher."""
    if not (out / "manifest.json").exists():
        recipe = load_distil_recipe(None, ["fit.threads=1", *STUDENTS[name]])
        told = Told(note=lambda text: print(f"{out.name}: {text}", file=sys.stderr, flush=True))
        begun, asked, cache = str(teacher), [str(teacher)], out.with_name("cache")
        distil(material, asked, recipe, out, student=begun, against=against, cache=cache, resume=True, told=told)
    return out


def teacher_of(material: Material, folder: Path) -> Path:
    """A combination as `aisle train` makes it of the training queries.

    Its weights are fitted to the cosines of the untouched encoder, which learnt from none of them.
    """
    assert material.judged is not None
    judged = material.judged
    if not (folder / "encoder" / "manifest.json").exists():
        folder.mkdir(exist_ok=True)
        by_labels(material, "layers6", "embedded", folder / "encoder")
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


def by_labels(material: Material, name: str, student: str, folder: Path) -> Path:
    """The same student taught by the labels alone, as `aisle train` does, begun as ``student`` without some layers."""
    if not (folder / "manifest.json").exists():
        work = folder.with_name(f".{folder.name}.work")
        work.mkdir(exist_ok=True)
        layers = [change for change in STUDENTS[name] if change.startswith("layers=")]
        quiet = Told()
        recipe = load_distil_recipe(None, ["fit.threads=1", *layers])
        run = Distiller(student, recipe, work, quiet.report, quiet.note, quiet.progress)
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
    difference = row["difference"]
    detectable = "" if row["detectable"] is None else f"{row['detectable']:.3f}"
    return (
        f"| {label} | {row['queries']:,} | {row['before']:.4f} | {row['after']:.4f} | {difference['mean']:+.4f}"
        f" [{difference['low']:+.3f}, {difference['high']:+.3f}] | {row['p']:.4f} | {detectable} |"
    )


if __name__ == "__main__":
    sys.exit(main())
