"""What other spellings, words and dirty titles cost each ranking; every part can be run alone.

    python benchmarks/robustness.py --work DIR [--data ../shared/data] [--only PART ...] [--models DIR] [--index DIR]

crowdflower: nDCG@10 inside each query's judged texts for BM25, the embedded encoder, and the combination that training
makes of it, five folds by query, so that every query is held out once (models of benchmarks/distillation.py, trained
where DIR has none). icecat: the whole catalogue searched in every mode with the perturbations of queries, unjudged
products removed and counted as wrong. icecat_pool: its judged products alone, with the perturbations of titles too.
qbqtc: the Chinese queries of a web search that have differently graded texts. Three seeds for perturbations of queries.
A part whose values DIR has is taken as it is; crowdflower leads on to benchmarks/bias.py. Parts with training need
aisle[train].
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.cli.evaluate_index import DEPTH
from aisle.cli.search import answer, open_engine
from aisle.encoders.cosines import cosines
from aisle.encoders.embedded import FOLDER
from aisle.encoders.kept import KeptVectors
from aisle.encoders.onnx import OnnxEncoder
from aisle.errors import AisleError
from aisle.improve.robustness import Report, robustness, search_robustness, versus
from aisle.indexes import segment
from aisle.judgments import read_judgments, read_queries
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.metrics import Metric
from aisle.ranking.pool_bm25 import PoolBm25
from aisle.rerankers.combination import CombinationReranker
from aisle.training.relevance.catalogue import judged_products
from aisle.training.relevance.data import turns
from aisle.types import MODES, Array

SAMPLES = Path(__file__).parent.parent / "samples"
VECTORS = 200_000
Score = Callable[[PairSet], Array]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AISLE_DATA", "../shared/data")))
    parser.add_argument("--models", type=Path, help="folder with teacher0 ... teacher4; default: in --work")
    parser.add_argument("--index", type=Path, help="an index of samples/icecat; default: built anew")
    parser.add_argument("--only", nargs="*", choices=list(PARTS))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "parts": {}}
    for name, part in PARTS.items():
        kept = given.work / f"{name}.json"
        if not kept.exists():
            if given.only and name not in given.only:
                continue
            try:
                found = part(given)
            except AisleError as error:
                print(f"{name}: left out: {error}", file=sys.stderr)
                continue
            kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        numbers["parts"][name] = json.loads(kept.read_text(encoding="utf-8"))
        show(name, numbers["parts"][name])
    if all(name in numbers["parts"] for name in PARTS):
        record("robustness", numbers)
    return 0


def crowdflower(given: argparse.Namespace) -> dict[str, Any]:
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    folders = trained(pairs, given.models or given.work)
    masks = turns(pairs, 0)
    fold_of = {pairs[row].query_id: fold for fold, mask in enumerate(masks) for row in np.flatnonzero(mask)}
    embedded, models = by_encoder(OnnxEncoder(FOLDER)), [CombinationReranker(folder, VECTORS) for folder in folders]
    reports = {
        "bm25": timed(by_words(), pairs, alone=False),
        "embedded": timed(embedded, pairs),
        "trained": timed(by_folds(models, fold_of), pairs),
    }
    found = plain(reports)
    found["trained against embedded"] = versus(reports["embedded"][0], reports["trained"][0]).to_dict()
    (given.work / "crowdflower.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    show("crowdflower", found)
    if not (given.work / "bias.json").exists():  # while the models and their vectors are at hand
        from bias import exchanges

        exchanges(pairs, embedded, models, given.work)
    return found


def icecat_pool(given: argparse.Namespace) -> dict[str, Any]:
    pairs = judged_products(SAMPLES / "icecat" / "products.jsonl.gz", SAMPLES / "icecat" / "ratings.csv", False)
    return pools(pairs)


def qbqtc(given: argparse.Namespace) -> dict[str, Any]:
    pairs = read_pairs(given.data / "qbqtc" / "pairs.jsonl", need_grades=True)
    levels = pairs.levels()
    groups = pairs.by_query().values()
    return pools(pairs.subset([row for rows in groups if len({levels[row] for row in rows}) > 1 for row in rows]))


def pools(pairs: PairSet) -> dict[str, Any]:
    return plain(
        {"bm25": timed(by_words(), pairs, alone=False), "embedded": timed(by_encoder(OnnxEncoder(FOLDER)), pairs)}
    )


def icecat(given: argparse.Namespace) -> dict[str, Any]:
    judgments = read_judgments(SAMPLES / "icecat" / "ratings.csv")
    queries = read_queries(SAMPLES / "icecat" / "ratings.csv")
    folder = given.index or built(given.work / "icecat-index")
    found = {}
    with open_engine(folder) as engine:
        for mode in MODES:
            begun = time.perf_counter()

            def ask(asked: Sequence[tuple[str, str]], mode: Any = mode) -> Mapping[str, Any]:
                return answer(engine, asked, mode, DEPTH)

            reports = search_robustness(ask, queries, judgments, Metric.parse("nDCG@10"))
            for treatment, label in (("removed", "judged only"), ("wrong", "unjudged = wrong")):
                seconds = round(time.perf_counter() - begun, 1)
                found[f"{mode}, {label}"] = reports[treatment].to_dict() | {"seconds": seconds}
    return found


PARTS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "qbqtc": qbqtc,
    "icecat_pool": icecat_pool,
    "icecat": icecat,
    "crowdflower": crowdflower,
}


def built(folder: Path) -> Path:
    from aisle.config import Recipe
    from aisle.engine import SearchEngine

    if not (folder / "manifest.json").exists():
        with SearchEngine.build(SAMPLES / "icecat" / "products.jsonl.gz", folder, Recipe()):
            pass
    return folder


def trained(pairs: PairSet, folder: Path) -> list[Path]:
    """A combination for each fold, which learnt from the others."""
    from distillation import teacher_of

    from aisle.training.distil.material import Material, pair_products

    found = []
    for fold, mask in enumerate(turns(pairs, 0)):
        held = pairs.subset(list(np.flatnonzero(mask)))
        rest = pairs.subset(list(np.flatnonzero(~mask)))
        made = folder / f"teacher{fold}"
        if not (made / "manifest.json").exists():
            teacher_of(Material(pair_products([pairs]), (), "crowdflower", rest, rest, held), made)
        found.append(made)
    return found


# --- scores ------------------------------------------------------------------------------------------------


def by_words() -> Score:
    """BM25, whose statistics are made anew only where a title has changed."""
    known: dict[tuple[str, ...], PoolBm25] = {}

    def score(pairs: PairSet) -> Array:
        titles = tuple(pair.title for pair in pairs)
        if titles not in known:
            if len(known) > 1:
                known.popitem()
            known[titles] = PoolBm25(titles, segment=segment)
        return known[titles].score([pair.query for pair in pairs], range(len(pairs)))

    return score


def by_encoder(encoder: OnnxEncoder) -> Score:
    kept = KeptVectors(encoder, VECTORS)
    return lambda pairs: cosines(kept.encode, [pair.query for pair in pairs], [pair.title for pair in pairs])


def by_folds(models: Sequence[CombinationReranker], fold_of: Mapping[str, int]) -> Score:
    """Each query by the model that did not learn from it."""

    def score(pairs: PairSet) -> Array:
        scores = np.empty(len(pairs), np.float32)
        for query, rows in pairs.by_query().items():
            model = models[fold_of[query.split("\n")[0]]]
            scores[rows] = model.score_texts(pairs[rows[0]].query, [pairs[row].title for row in rows])
        return scores

    return score


def timed(score: Score, pairs: PairSet, alone: bool = True) -> tuple[Report, float]:
    begun = time.perf_counter()
    report = robustness(score, pairs, alone=alone)
    return report, round(time.perf_counter() - begun, 1)


def plain(reports: Mapping[str, tuple[Report, float]]) -> dict[str, Any]:
    return {name: report.to_dict() | {"seconds": seconds} for name, (report, seconds) in reports.items()}


def show(name: str, found: Mapping[str, Any]) -> None:
    for label, row in found.items():
        if "perturbations" not in row:
            print(f"\n{name}, {label}: {json.dumps(row)}", flush=True)
            continue
        lead = "" if row["lead_kept"] is None else f", lead over chance kept {row['lead_kept']:.3f}"
        print(
            f"\n{name}, {label}: {row['queries']} queries, clean {row['clean']['mean']:.4f}, "
            f"robust {row['robust']:.4f}, "
            f"score {row['score']['mean']:.3f} [{row['score']['low']:.3f}, {row['score']['high']:.3f}]{lead}, "
            f"worst {row['worst']}, {row['seconds']} s"
        )
        for one in row["perturbations"]:
            difference, own = one["difference"], one["difference_among_touched"]["mean"]
            interval = f"[{difference['low']:+.4f}, {difference['high']:+.4f}]"
            least = "" if one["detectable"] is None else f"{one['detectable']:.4f}"
            print(
                f"| {one['name']} | {one['touched']} | {one['mean']:.4f} | {difference['mean']:+.4f} "
                f"{interval} | {one['adjusted_p']:.4f} | {least} | {own:+.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
