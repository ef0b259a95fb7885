"""Where lists end: what share of relevant and of irrelevant judged products the cut-off cuts, on queries held out.

    python benchmarks/cutoff.py [--index DIR] [--data ../shared/data] [--splits 20]

Icecat (shipped): the judged products among all candidates of a search of the whole catalogue, relevant from grade 1 on.
CrowdFlower (pairs alone): each query's judged titles are its candidates; relevant from 3 of 4 on, and from 2 on. 20
divisions by query, 80% to calibrate on. "relevant cut": mean over the held-out queries that have a relevant product;
"irrelevant cut": of all held-out irrelevant judged products, and the mean over queries. Every threshold is for alpha
.05. Without --index the catalogue is indexed first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings, SearchSettings
from aisle.encoders.load import load_encoder
from aisle.engine import SearchEngine
from aisle.evaluate.statistics import bootstrap_mean, paired_difference
from aisle.indexes import segment
from aisle.judgments import read_judgments
from aisle.judgments.pairs import read_pairs
from aisle.judgments.split import folds, split
from aisle.ranking.calib_reliability import calibration_error, reliability
from aisle.ranking.calibration import Calibration, Curve, HeldOut
from aisle.ranking.cut_features import FEATURES, candidate_features, look_up
from aisle.rerankers.head import wording
from aisle.training.calibrate import CalibrationSettings, QueryTable, fit_calibration, tables_of
from aisle.training.calibrate_pairs import pair_tables
from aisle.types import Judgment, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
ALPHA = 0.05
ELSEWHERE = (
    "wedding dress", "dog food", "garden hose", "red lipstick", "organic bananas", "car tyres", "qwzxv plorf",
    "romance novel", "running shoes", "size 9 nike",
)  # fmt: skip
COSINE = list(FEATURES).index("cosine")


@dataclass(frozen=True)
class Shop:
    """The tables of one shop; ``lists`` are the features of all candidates of its queries, judged or not."""

    tables: tuple[QueryTable, ...]
    relevant: float
    lists: Sequence[np.ndarray] = ()

    def relevance(self, number: int) -> np.ndarray:
        return self.tables[number].grades >= self.relevant


def plain(tables: Sequence[QueryTable], relevant: float) -> Calibration:
    """The cosine as it is, with the same kind of threshold: the baseline."""
    held = []
    for table in tables:
        found = table.features[table.grades >= relevant, COSINE]
        beyond = sum(grade >= relevant for grade in table.beyond)
        if len(found) or beyond:
            held.append(HeldOut(tuple(sorted(1 / (1 + np.exp(-found)))), beyond))
    weights = tuple(float(name == "cosine") for name in FEATURES)
    low, high = (-1e9,) * len(FEATURES), (1e9,) * len(FEATURES)
    return Calibration(
        tuple(FEATURES), weights, low, high, 0.0, (0.0, 1.0), (Curve(),), "platt", 1.0, tuple(held)
    )  # fmt: skip


def outcome(calibration: Calibration, shop: Shop, numbers: Sequence[int], guaranteed: bool) -> dict[str, float]:
    """What the cut does to queries held out."""
    threshold = calibration.threshold(ALPHA, guaranteed=guaranteed)
    lost, gone, each, empty, right = [], [], [], [], []
    for number in numbers:
        table, relevant = shop.tables[number], shop.relevance(number)
        low = calibration.relevant(table.features) < threshold
        beyond = sum(grade >= shop.relevant for grade in table.beyond)
        if relevant.any() or beyond:
            lost.append((low[relevant].sum() + beyond) / (relevant.sum() + beyond))
        others = np.concatenate([low[~relevant], np.ones(len(table.beyond) - beyond)])
        if len(others):
            gone.append(others)
            each.append(others.mean())
        (empty if relevant.any() else right).append(bool(low.all()))
    return {
        "relevant_cut": float(np.mean(lost)),
        "irrelevant_cut": float(np.concatenate(gone).mean()),
        "irrelevant_cut_by_query": float(np.mean(each)),
        "wrongly_empty": float(np.mean(empty)),
        "rightly_empty": float(np.mean(right)) if right else float("nan"),
    }


def splits(shop: Shop, count: int) -> dict[str, Any]:
    """Means over divisions by query, and the calibration error of what is held out."""
    ids = [Judgment(str(number), table.query, "", 0.0) for number, table in enumerate(shop.tables)]
    rows: dict[str, list[dict[str, float]]] = {}
    chances, true, single = [], [], []
    for seed in range(count):
        parts = split(ids, {"fit": 0.8, "test": 0.2}, seed)
        fit = [shop.tables[int(item.query_id)] for item in parts["fit"]]
        test = [int(item.query_id) for item in parts["test"]]
        settings = CalibrationSettings(relevant_grade=shop.relevant)
        made = {
            "cosine": plain(fit, shop.relevant),
            "calibrated": fit_calibration(fit, settings),
            "calibrated, half apart": fit_calibration(fit, replace(settings, apart=0.5)),
        }
        for name, calibration in made.items():
            for guaranteed in (True, False):
                label = f"{name}, {'guaranteed' if guaranteed else 'by leaving out'}"
                rows.setdefault(label, []).append(outcome(calibration, shop, test, guaranteed))
        p = np.concatenate([made["calibrated"].relevant(shop.tables[number].features) for number in test])
        y = np.concatenate([shop.relevance(number) for number in test])
        single.append(calibration_error(reliability(p, y)))
        chances.append(p)
        true.append(y)
    pooled = reliability(np.concatenate(chances), np.concatenate(true))
    return {
        "rows": {name: summary(found) for name, found in rows.items()},
        "calibration_error": {
            "all_splits_pooled": calibration_error(pooled),
            "mean_of_splits": float(np.mean(single)),
            "bins": [[round(one.probability, 3), round(one.share, 3), one.count] for one in pooled],
        },
    }


def summary(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Mean and standard error over the divisions."""
    result = {}
    for name in found[0]:
        values = np.array([row[name] for row in found])
        values = values[~np.isnan(values)]
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
        result[name] = [round(float(values.mean()), 4) if len(values) else None, round(error, 4)]
    return result


def once(shop: Shop) -> dict[str, Any]:
    """Every query held out once in ten folds: intervals over queries, calibrated against cosine."""
    ids = [Judgment(str(number), table.query, "", 0.0) for number, table in enumerate(shop.tables)]
    kinds = ("cosine, guaranteed", "calibrated, guaranteed", "cosine, by leaving out", "calibrated, by leaving out")
    found: dict[str, dict[int, dict[str, float]]] = {name: {} for name in kinds}
    chances, true, passed, best = [], [], [], []
    grades: dict[float, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    for fold in folds(ids, 10):
        fit = [shop.tables[int(item.query_id)] for item in fold.train]
        calibrated = fit_calibration(fit, CalibrationSettings(relevant_grade=shop.relevant))
        made = {"cosine": plain(fit, shop.relevant), "calibrated": calibrated}
        thresholds = {
            name: made[name.split(",")[0]].threshold(ALPHA, guaranteed=name.endswith("guaranteed")) for name in kinds
        }
        for number in sorted(int(item.query_id) for item in fold.test):
            table, relevant = shop.tables[number], shop.relevance(number)
            for name, threshold in thresholds.items():
                low = made[name.split(",")[0]].relevant(table.features) < threshold
                found[name][number] = {
                    "relevant_cut": float(low[relevant].mean()) if relevant.any() else float("nan"),
                    "irrelevant_cut": float(low[~relevant].mean()) if not relevant.all() else float("nan"),
                    "count": int((~relevant).sum()),
                }
            chances.append(calibrated.relevant(table.features))
            true.append(relevant)
            each = calibrated.probabilities(table.features)
            for place, grade in enumerate(calibrated.grades[1:], start=1):
                p, y = grades.setdefault(grade, ([], []))
                p.append(each[:, place:].sum(axis=1))
                y.append(table.grades >= grade)
            if shop.lists:  # what is best among all candidates, judged or not
                chance = calibrated.relevant(shop.lists[number])
                passed.append([len(chance), *(int((chance >= thresholds[name]).sum()) for name in kinds[1::2])])
                best.append(float(chance.max()))
    numbers: dict[str, Any] = {}
    for measure in ("relevant_cut", "irrelevant_cut"):
        kept = [number for number, row in found[kinds[0]].items() if not np.isnan(row[measure])]
        values = {name: [found[name][number][measure] for number in kept] for name in kinds}
        for name, series in values.items():
            one = bootstrap_mean(series)
            numbers[f"{name}: {measure}"] = [round(one.mean, 4), round(one.low, 4), round(one.high, 4)]
        for kind in ("guaranteed", "by leaving out"):
            pairs = zip(values[f"cosine, {kind}"], values[f"calibrated, {kind}"], strict=True)
            pair = paired_difference([b - a for a, b in pairs])
            numbers[f"difference, {kind}: {measure}"] = {
                "mean": round(pair.interval.mean, 4),
                "low": round(pair.interval.low, 4),
                "high": round(pair.interval.high, 4),
                "p": round(pair.p, 4),
                "detectable": pair.detectable,
                "queries": len(kept),
            }
    for name, rows in found.items():
        gone = sum(row["irrelevant_cut"] * row["count"] for row in rows.values() if row["count"])
        numbers[f"{name}: of all irrelevant"] = gone / sum(row["count"] for row in rows.values())
    numbers["calibration_error"] = calibration_error(reliability(np.concatenate(chances), np.concatenate(true)))
    numbers["calibration_error_by_grade"] = {
        f"{grade:g} or higher": calibration_error(reliability(np.concatenate(p), np.concatenate(y)))
        for grade, (p, y) in grades.items()
    }
    if passed:
        sizes = np.array(passed)
        good = np.array([bool(relevant.any()) for relevant in true])
        empties = {name: sizes[:, column] == 0 for column, name in enumerate(kinds[1::2], start=1)}
        empties |= {f"least_best {least}": np.array(best) < least for least in (0.4, 0.5, 0.6, 0.7)}
        for name, empty in empties.items():
            numbers[f"all candidates: no good result, {name}"] = {
                "of the queries with a relevant product": f"{int(empty[good].sum())} of {int(good.sum())}",
                "of those without": f"{int(empty[~good].sum())} of {int((~good).sum())}",
            }
        for column, name in enumerate(("candidates", *kinds[1::2])):
            numbers[f"all candidates, judged or not: {name}"] = {
                "median": float(np.median(sizes[:, column])),
                "share": float(sizes[:, column].sum() / sizes[:, 0].sum()),
            }
    return numbers


def icecat(index: Path, depth: int | None) -> tuple[Shop, dict[str, Any]]:
    judgments = list(read_judgments(SAMPLE / "ratings.csv"))
    texts = {item.query_id: item.query for item in judgments}
    found, spent = {}, []
    with SearchEngine.open(index) as engine:
        for query_id, text in texts.items():
            scored = engine.ranked(SearchRequest(text))
            query = engine._understand(SearchRequest(text)).text
            start = time.process_time()
            looked, products, vectors = look_up(engine.index, scored, depth)
            middle = time.process_time()
            vector = engine.encoder.encode([query], "query")[0]
            features = candidate_features(query, vector, looked, products, vectors, wording)
            spent.append((middle - start, time.process_time() - middle))
            found[query_id] = ([item[0] for item in scored], features)
    tables = tables_of(judgments, found)
    missing = [grade for table in tables for grade in table.missing]
    fetch, compute = np.median(np.array(spent), axis=0) * 1000
    about = {
        "queries": len(tables),
        "judged": sum(len(table.grades) + len(table.beyond) for table in tables),
        "relevant": sum(int((table.grades >= 1).sum()) + sum(g >= 1 for g in table.beyond) for table in tables),
        "relevant_not_found": sum(grade >= 1 for grade in missing),
        "irrelevant_not_found": sum(grade < 1 for grade in missing),
        "cpu_ms_to_fetch_p50": round(float(fetch), 1),
        "cpu_ms_to_compute_p50": round(float(compute), 1),
    }
    return Shop(tables, 1.0, [features for _, features in found.values()]), about


def elsewhere(index: Path, shop: Shop) -> dict[str, Any]:
    """Queries for what an electronics shop does not sell: the best probability, and how many candidates pass."""
    calibration = fit_calibration(shop.tables, CalibrationSettings(relevant_grade=shop.relevant))
    thresholds = {
        kind: calibration.threshold(ALPHA, guaranteed=kind == "guaranteed") for kind in ("guaranteed", "left out")
    }
    numbers: dict[str, Any] = {"thresholds": thresholds}
    with SearchEngine.open(index) as engine:
        for text in ELSEWHERE:
            looked, products, vectors = look_up(engine.index, engine.ranked(SearchRequest(text)))
            vector = engine.encoder.encode([text], "query")[0]
            chance = calibration.relevant(candidate_features(text, vector, looked, products, vectors, wording))
            passed = {kind: int((chance >= threshold).sum()) for kind, threshold in thresholds.items()}
            best = int(chance.argmax())
            numbers[text] = {"best": round(float(chance[best]), 3), "title": products[best].title, "passed": passed}
    return numbers


def transfer(shops: Mapping[str, Shop]) -> dict[str, Any]:
    """Calibrated on one shop, used in another: the calibration error, and what its threshold cuts there."""
    numbers = {}
    for here, one in shops.items():
        calibration = fit_calibration(one.tables, CalibrationSettings(relevant_grade=one.relevant))
        for there, other in shops.items():
            if here.split()[0] != there.split()[0]:
                p = np.concatenate([calibration.relevant(table.features) for table in other.tables])
                y = np.concatenate([other.relevance(number) for number in range(len(other.tables))])
                found = outcome(calibration, other, range(len(other.tables)), True)
                numbers[f"{here} -> {there}"] = {"calibration_error": calibration_error(reliability(p, y))} | found
        numbers[f"weights of {here}"] = {
            name: round(weight, 3) for name, weight in zip(calibration.features, calibration.weights, strict=True)
        } | {"curve": calibration.kind}
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, help="of samples/icecat; made in a temporary folder if not given")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--splits", type=int, default=20)
    given = parser.parse_args()
    shops: dict[str, Shop] = {}
    numbers: dict[str, Any] = {"alpha": ALPHA, "splits": given.splits, "shops": {}}
    with tempfile.TemporaryDirectory() as folder:
        index = given.index or Path(folder) / "icecat"
        if not given.index:
            with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
                SearchEngine.build(cleaned, index).close()
        for depth in (None, 1_000, 300):
            name = "icecat" if depth is None else f"icecat, first {depth}"
            shops[name], numbers["shops"][name] = icecat(index, depth)
        numbers["sold elsewhere"] = elsewhere(index, shops["icecat"])
        print(numbers["sold elsewhere"])
    path = given.data / "crowdflower" / "pairs.csv"
    if path.exists():
        pairs = read_pairs(path, need_grades=True)
        made = pair_tables(pairs, load_encoder("embedded"), segment, wording, SearchSettings().weights)
        for relevant in (3.0, 2.0):
            name = f"crowdflower from {relevant:g}"
            shops[name] = Shop(made, relevant)
            judged = np.concatenate([table.grades for table in made])
            numbers["shops"][name] = {
                "queries": len(made),
                "judged": len(judged),
                "relevant": int((judged >= relevant).sum()),
            }
    else:
        print(f"crowdflower left out: {path} is not there")
    for name, shop in shops.items():
        numbers["shops"][name] |= splits(shop, given.splits)
        if "first" not in name:
            numbers["shops"][name]["held_out_once"] = once(shop)
        show(name, numbers["shops"][name])
    numbers["transfer"] = transfer({name: shop for name, shop in shops.items() if "first" not in name})
    for name, row in numbers["transfer"].items():
        print(name, row)
    record("cutoff", numbers)


def show(name: str, found: Mapping[str, Any]) -> None:
    print(f"\n## {name}: " + ", ".join(f"{k} {v}" for k, v in found.items() if not isinstance(v, dict)))
    print(
        "| | relevant cut | irrelevant cut | mean over queries | wrongly empty | rightly empty |\n" + "|---" * 6 + "|"
    )
    for label, row in found["rows"].items():
        cells = [f"{mean:.3f} ± {error:.3f}" if mean is not None else "" for mean, error in row.values()]
        print(f"| {label} | " + " | ".join(cells) + " |")
    print("calibration error", found["calibration_error"])
    for label, value in found.get("held_out_once", {}).items():
        print("held out once,", label, value, flush=True)


if __name__ == "__main__":
    main()
