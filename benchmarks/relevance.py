"""What training on judgments brings, on queries that nothing was learnt or tuned on; every part can be run alone.

    python benchmarks/relevance.py --work DIR [--data ../shared/data] [--only PART ...] [--name NAME]

nDCG@10 inside each query's judged texts: gain 2^level - 1, level = grade - lowest grade, discount log2(rank + 1),
queries whose texts are all graded alike left out, nothing unjudged. The encoders before and after are the 8-bit files
that are served. crowdflower and icecat: every query held out once (five folds by query); homedepot and qbqtc: a fifth
of the queries. Icecat's catalogue is searched whole in every row of it. cross, full_both and cross_homedepot train
cross-encoders: on CrowdFlower alone, with Home Depot first and all signals weighed, and on Home Depot;
cross_icecat scores Icecat's judged products with that of full_both. DIR keeps the models; a part whose model is there
already is only measured again, one that was stopped goes on. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import bilingual_measures as measures
from record import record

from aisle.catalogue.clean import clean
from aisle.cli.search import answer
from aisle.config import CatalogueSettings
from aisle.encoders.cosines import cosines
from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.errors import AisleError
from aisle.evaluate import evaluate
from aisle.evaluate.pools import pool_ndcg
from aisle.evaluate.statistics import paired_difference
from aisle.judgments import align, read_judgments, read_queries
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.judgments.split import folds
from aisle.metrics import Metric
from aisle.rerankers.cross_encoder import OnnxCrossEncoder
from aisle.training.relevance.build import train
from aisle.training.relevance.catalogue import judged_products
from aisle.training.relevance.recipe import load_recipe

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
NDCG = Metric.parse("nDCG@10")
HEAD = "| training data -> test | queries | before | after | difference, 95% | p | detectable | promoted |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=list(PARTS), help="default: all whose data is there")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--name", help="record a run of some parts, or of other settings, under this name")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "changes": given.changes, "parts": {}}
    print(HEAD + "\n" + "|---" * 8 + "|", flush=True)
    for name, part in PARTS.items():
        if given.only and name not in given.only:
            continue
        try:
            found = part(given.data, given.work, given.changes)
        except AisleError as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            continue
        numbers["parts"][name] = found
        for label, row in found.items():
            print(line(label, row), flush=True)
    if given.name or (not given.changes and not given.only):
        record(given.name or "relevance", numbers)
    return 0


def crowdflower(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    return {"crowdflower": learn(shop(data, "crowdflower"), work / "crowdflower", changes, 0)}


def homedepot(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    return {"homedepot": learn(shop(data, "homedepot"), work / "homedepot", changes, 0)}


def both(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    """Home Depot's judgments first, without any query of CrowdFlower's."""
    out, more = work / "both", [shop(data, "homedepot")]
    return {"crowdflower, homedepot first": learn(shop(data, "crowdflower"), out, changes, 0, more)}


def icecat_after_crowdflower(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    if not (work / "crowdflower" / "manifest.json").exists():
        crowdflower(data, work, changes)
    encoders = {"encoder": OnnxEncoder(work / "crowdflower" / "encoder"), "english": OnnxEncoder(FOLDER)}
    return {f"crowdflower -> {row.name}, dense": versus(row.values) for row in measures.icecat(encoders, None)}


def icecat(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    """Five folds by query: an encoder learns from four, and the whole catalogue is searched with it for the fifth."""
    judgments = read_judgments(SAMPLE / "ratings.csv")
    pairs = judged_products(SAMPLE / "products.jsonl.gz", SAMPLE / "ratings.csv", False)
    before = searched(OnnxEncoder(FOLDER), read_queries(SAMPLE / "ratings.csv"))
    after: dict[str, dict[str, Any]] = {mode: {} for mode in before}
    for number, fold in enumerate(folds(judgments, 5, 0)):
        asked = set(fold.test.queries)
        rest = pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id not in asked])
        learn(rest, work / f"icecat{number}", ["model=encoder", *changes], 1)
        queries = [(key, text) for key, text in read_queries(SAMPLE / "ratings.csv") if key in asked]
        for mode, run in searched(OnnxEncoder(work / f"icecat{number}"), queries).items():
            after[mode] |= run
    found = {}
    for mode in before:
        both = [evaluate(align(run[mode], judgments), judgments, [NDCG]) for run in (before, after)]
        for treatment, label in (("removed", "judged only"), ("wrong", "unjudged = wrong")):
            one, other = (evaluation.values(NDCG, treatment) for evaluation in both)
            values = {"english": list(one.values()), "encoder": [other[query] for query in one]}
            found[f"Icecat's other queries -> Icecat, whole catalogue, {mode}, {label}"] = versus(values)
    return found


def searched(encoder: OnnxEncoder, queries: Sequence[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """The runs of dense and hybrid search over the whole catalogue, indexed with this encoder."""
    with (
        clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned,
        measures.indexed(cleaned, encoder) as engine,
    ):
        return {mode: answer(engine, queries, mode, measures.DEPTH) for mode in ("dense", "hybrid")}


def qbqtc(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    pairs = read_pairs(data / "qbqtc" / "pairs.jsonl", need_grades=True)
    changes = ["fit.loss=cosent", "fit.queries=96", *changes]
    return {"qbqtc": learn(pairs, work / "qbqtc", changes, 0)}


def cross(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    found = learn(shop(data, "crowdflower"), work / "cross", ["model=full", *changes], 0)
    return signals("crowdflower", found)


def full_both(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    """Home Depot's judgments first, without any query of CrowdFlower's, for the encoder and for the cross-encoder."""
    more = [shop(data, "homedepot")]
    found = learn(shop(data, "crowdflower"), work / "full_both", ["model=full", *changes], 0, more)
    return signals("crowdflower, homedepot first", found)


def cross_homedepot(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    changes = ["model=cross-encoder", *changes]
    return {"homedepot, cross-encoder": learn(shop(data, "homedepot"), work / "cross_homedepot", changes, 0)}


def cross_icecat(data: Path, work: Path, changes: list[str]) -> dict[str, Any]:
    """The titles of Icecat's judged products, by a cross-encoder that saw nothing of Icecat."""
    if not (work / "full_both" / "manifest.json").exists():
        full_both(data, work, changes)
    pairs = judged_products(SAMPLE / "products.jsonl.gz", SAMPLE / "ratings.csv", False)
    groups, levels = pairs.by_query(), pairs.levels()
    asked, titles = [pair.query for pair in pairs], [pair.title for pair in pairs]
    before = pool_ndcg(groups, levels, cosines(OnnxEncoder(FOLDER).encode, asked, titles))
    after = pool_ndcg(groups, levels, OnnxCrossEncoder(work / "full_both" / "cross").score_pairs(asked, titles))
    values = {"english": list(before.values()), "encoder": [after[query] for query in before]}
    return {"crowdflower, homedepot first -> judged products of Icecat, cross-encoder alone": versus(values)}


def signals(label: str, found: dict[str, Any]) -> dict[str, Any]:
    """The verdict on the combination, and the same on each model in it by itself."""
    alone = found["training"]["alone"]
    rows = {f"{label}, {name} alone": row | {"promoted": None} for name, row in alone.items()}
    return {f"{label}, all signals": found} | rows


PARTS: Mapping[str, Callable[[Path, Path, list[str]], dict[str, Any]]] = {
    "crowdflower": crowdflower,
    "homedepot": homedepot,
    "both": both,
    "icecat_after_crowdflower": icecat_after_crowdflower,
    "icecat": icecat,
    "qbqtc": qbqtc,
    "cross": cross,
    "full_both": full_both,
    "cross_homedepot": cross_homedepot,
    "cross_icecat": cross_icecat,
}


def shop(data: Path, name: str) -> PairSet:
    return read_pairs(data / name / "pairs.csv", need_grades=True)


def learn(pairs: PairSet, out: Path, changes: list[str], seed: int, more: Sequence[PairSet] = ()) -> dict[str, Any]:
    """The verdict of a training, from its folder if it is there already."""
    if not (out / "manifest.json").exists():
        recipe = load_recipe(None, [f"seed={seed}", f"fit.seed={seed}", *changes])
        train(pairs, more, recipe, out, resume=True, report=told, note=lambda text: print(text, file=sys.stderr))
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    verdict = found["verdict"]
    return {
        "queries": verdict["queries"],
        "before": verdict["mean_current"],
        "after": verdict["mean_candidate"],
        "difference": verdict["difference"],
        "p": verdict["p"],
        "detectable": verdict["detectable"],
        "promoted": verdict["promoted"],
        "seconds": found["seconds"],
        "training": found["training"],
    }


def told(step: int, steps: int, losses: Mapping[str, float]) -> None:
    if "validation" in losses:
        shown = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
        print(f"step {step:,} of {steps:,}: {shown}", file=sys.stderr, flush=True)


def versus(values: Mapping[str, Any]) -> dict[str, Any]:
    before, after = values["english"], values["encoder"]
    differences = [b - a for a, b in zip(before, after, strict=True)]
    found = paired_difference(differences)
    interval = found.interval
    return {
        "queries": len(before),
        "before": sum(before) / len(before),
        "after": sum(after) / len(after),
        "difference": {"mean": interval.mean, "low": interval.low, "high": interval.high},
        "p": found.p,
        "detectable": found.detectable,
        "promoted": None,
    }


def line(label: str, row: Mapping[str, Any]) -> str:
    difference = row["difference"]
    promoted = {True: "yes", False: "no", None: ""}[row["promoted"]]
    detectable = "" if row["detectable"] is None else f"{row['detectable']:.3f}"
    return (
        f"| {label} | {row['queries']:,} | {row['before']:.3f} | {row['after']:.3f} | {difference['mean']:+.3f}"
        f" [{difference['low']:+.3f}, {difference['high']:+.3f}] | {row['p']:.4f} | {detectable} | {promoted} |"
    )


if __name__ == "__main__":
    sys.exit(main())
