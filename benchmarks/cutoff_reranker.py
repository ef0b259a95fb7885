"""What a cut-off gains by the shop's own re-ranker, on queries that neither the re-ranker nor the cut-off has seen.

    python benchmarks/cutoff_reranker.py --work DIR [--only icecat crowdflower] [--index DIR] [--data ../shared/data]

The re-ranker is a cross-encoder: of 14,000 pairs of Home Depot, then of CrowdFlower's judgments, or for Icecat of all
of CrowdFlower's and then of Icecat's. Each shop's queries are divided into folds (Icecat 5, CrowdFlower 3), and of each
fold in turn the cut-off is measured as `cutoff.py` does, for alpha .05. The model in use learns from the other folds;
the calibration is fitted to these, each scored by a model that learnt from neither it nor the fold held out. Beside it:
without a re-ranker; with the one that every training begins with, which saw nothing of the shop; and a calibration
fitted to scores of queries that the re-ranker has learnt from, which is the mistake to avoid. On Icecat a re-ranker
reads the first 50 products of a search of the whole catalogue, on CrowdFlower every title, which it leaves in their
order. 8-bit files; DIR keeps them. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from cutoff import ALPHA, SAMPLE
from record import record
from relevance import HOME_DEPOT, some

from aisle.config import SearchSettings
from aisle.encoders.load import load_encoder
from aisle.engine import SearchEngine
from aisle.evaluate.statistics import bootstrap_mean, paired_difference
from aisle.indexes import segment
from aisle.judgments import read_judgments
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.judgments.split import folds
from aisle.rerankers.cross_encoder import OnnxCrossEncoder
from aisle.rerankers.head import wording
from aisle.training.calibrate import CalibrationSettings, QueryTable, fit_calibration, tables_of
from aisle.training.calibrate_pairs import pair_tables
from aisle.training.relevance.catalogue import judged_products
from aisle.training.relevance.cross_route import CrossRoute
from aisle.training.relevance.recipe import load_recipe
from aisle.types import Judgment, SearchRequest

Tables = Mapping[str, QueryTable]
"""Query to its judged candidates."""
ALONE, BEFORE = "no re-ranker", "a re-ranker that saw nothing of the shop"
OWN, MISTAKE = "its own re-ranker", "its own, calibrated on what it has learnt from"


def trained(pairs: PairSet, base: str, work: Path, name: str) -> Path:
    """The folder of a cross-encoder of all the pairs, begun at ``base``; made where it is not there yet."""
    folder = work / name / "folder"
    if not (folder / "manifest.json").exists():
        work.mkdir(parents=True, exist_ok=True)
        recipe = load_recipe("cross-encoder", [f"base={base}", "fit.threads=1"])
        route = CrossRoute(recipe, [], work, lambda *_: None, print)
        route.train([pairs], pairs.subset([]), name, route.recipe.fit)
    return folder


def measure(fit: Sequence[QueryTable], test: Tables, relevant: float) -> dict[bool, dict[str, list[float]]]:
    """Guaranteed or not, of each query held out the share of its relevant and of its irrelevant products that is cut.

    Beside them the number of the irrelevant ones; a share of none is NaN.
    """
    calibration = fit_calibration(fit, CalibrationSettings(relevant_grade=relevant))
    shares: dict[bool, dict[str, list[float]]] = {True: {}, False: {}}
    for sure, found in shares.items():
        threshold = calibration.threshold(ALPHA, guaranteed=sure)
        for query, table in test.items():
            low = np.append(calibration.relevant(table.features) < threshold, [True] * len(table.beyond))
            good = np.append(table.grades, table.beyond) >= relevant
            found[query] = [float(low[part].mean()) if part.any() else float("nan") for part in (good, ~good)]
            found[query].append(float((~good).sum()))
    return shares


def shop(
    name: str,
    pairs: PairSet,
    tables: Callable[[Path | None], Tables],
    relevant: float,
    base: Path,
    parts: int,
    work: Path,
) -> dict[str, Any]:
    """Every query held out once: what is cut in each way, and the difference to no re-ranker."""
    asked = [Judgment(query, table.query, "", 0.0) for query, table in tables(None).items()]
    fold = {one.query_id: number for number, part in enumerate(folds(asked, parts)) for one in part.test}
    made: dict[tuple[int, ...], Path] = {}
    for out in [*combinations(range(parts), 2), *((number,) for number in range(parts))]:
        rest = [row for row, pair in enumerate(pairs) if fold.get(pair.query_id) not in out]
        made[out] = trained(pairs.subset(rest), str(base), work / name, "-".join(map(str, out)))
    shares: dict[tuple[str, bool], dict[str, list[float]]] = {}
    for test in range(parts):
        inside = [query for query in fold if fold[query] != test]
        held = [query for query in fold if fold[query] == test]
        own = tables(made[test,])
        turns = [tables(made[min(fold[q], test), max(fold[q], test)])[q] for q in inside]
        ways = {
            ALONE: (tables(None), [tables(None)[q] for q in inside]),
            BEFORE: (tables(base), [tables(base)[q] for q in inside]),
            OWN: (own, turns),
            MISTAKE: (own, [own[q] for q in inside]),
        }
        for way, (found, fit) in ways.items():
            for sure, new in measure(fit, {query: found[query] for query in held}, relevant).items():
                shares.setdefault((way, sure), {}).update(new)
    numbers = {}
    for (way, sure), found in shares.items():
        label = f"{way}, {'guaranteed' if sure else 'estimated'}"
        lost, gone, count = np.array(list(found.values())).T
        before = np.array([shares[ALONE, sure][query][1] for query in found])
        there = ~np.isnan(gone)
        pair = paired_difference((gone - before)[there].tolist())
        numbers[label] = {
            "relevant_cut": dataclasses.astuple(bootstrap_mean(lost[~np.isnan(lost)].tolist()))[:3],
            "irrelevant_cut": float((gone * count)[there].sum() / count[there].sum()),
            "irrelevant_cut_by_query": float(gone[there].mean()),
            "difference_by_query": dataclasses.astuple(pair.interval)[:3],
            "p": pair.p,
            "detectable": pair.detectable,
            "queries": int(there.sum()),
        }
        print(name, label, numbers[label], flush=True)
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=["icecat", "crowdflower"], default=["icecat", "crowdflower"])
    parser.add_argument("--index", type=Path, required=True, help="of samples/icecat")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    work: Path = given.work
    home_depot = some(read_pairs(given.data / "homedepot" / "pairs.csv", need_grades=True), HOME_DEPOT)
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    first = trained(home_depot, "embedded", work, "homedepot")
    notes = {"notes": " ".join(__doc__.split())}
    if "icecat" in given.only:
        second = trained(pairs, str(first), work, "crowdflower-all")
        judgments = list(read_judgments(SAMPLE / "ratings.csv"))
        judged = judged_products(SAMPLE / "products.jsonl.gz", SAMPLE / "ratings.csv", False)
        with SearchEngine.open(given.index) as engine:

            @cache
            def searched(model: Path | None) -> Tables:
                reranker = OnnxCrossEncoder(model, threads=1) if model else None
                asked = SearchEngine(engine.index, engine.encoder, engine.recipe, reranker)
                found = {}
                for query, text in {one.query_id: one.query for one in judgments}.items():
                    understood, vector = asked.asked(SearchRequest(text))
                    assert vector is not None
                    head, features = asked.stages.cut_features(
                        understood, vector, asked.ranked(SearchRequest(text))
                    )  # of all candidates
                    found[query] = ([item[0] for item in head], features)
                return dict(zip(found, tables_of(judgments, found), strict=True))

            record("cutoff_reranker_icecat", notes | shop("icecat", judged, searched, 1.0, second, 5, work))
    if "crowdflower" in given.only:
        encoder, weights = load_encoder("embedded"), SearchSettings().weights
        queries, titles = [pair.query for pair in pairs], [pair.title for pair in pairs]

        @cache
        def scored(model: Path | None) -> Tables:
            scores = OnnxCrossEncoder(model, threads=1).score_pairs(queries, titles) if model else None
            return dict(
                zip(pairs.by_query(), pair_tables(pairs, encoder, segment, wording, weights, scores), strict=True)
            )

        record("cutoff_reranker_crowdflower", notes | shop("crowdflower", pairs, scored, 3.0, first, 3, work))


if __name__ == "__main__":
    main()
