"""Finding moved grades in CrowdFlower, and what cleaning them gives back.

    python benchmarks/hygiene.py [--data ../shared/data] [--cache FOLDER] [--draws N] [--encoders FOLDER]
    python benchmarks/hygiene.py --only head [--draws N]
    python benchmarks/hygiene.py --only shares [--draws N] [--shares .05 .1 .2] [--learners NAME ...]

5% of the grades, drawn at random, move to the far end of the scale: 1 and 2 become 4, 3 and 4 become 1 (2 levels or
more). Draw 0 chose the settings, draws 1 and on are reported. A pair is flagged where its suspicion is above 1.8 and
its given grade is an end of the scale ("ends"), or whatever it is ("any"). "equal" is precision and
recall where as many pairs are flagged as were moved. "with variance" lets the raters' variance, left as the file has
it, be a signal.

--only head: the task head of aisle train taught on the same labels, two folds by query, the weights as aisle train
honours them (results in hygiene_head.json); "by suspicion" weighs every grade at an end by its chance against that of
being far off.

The threshold is that of `aisle check-labels`: 1.8, less where confident learning finds more than a tenth wrong; "at"
and "by draw" have the fixed one.

--only shares: what other shares of moved grades cost a ranking, and what leaving the suspects out gives back, by three
learners: the LightGBM regression below, the task head, and the weights of cosine, wording and BM25 that a combination
of aisle train learns, two folds by query (results in hygiene_shares.json).

recovery: a LightGBM regression of the gain over the label-free signals of aisle/improve/hygiene/signals.py, five
folds by query, trained on clean, moved, removed (the flagged pairs left out), lighter (weight
.25), reviewed (flagged pairs get their true grade back) and perfect (all moved pairs left out) labels;
nDCG@10 of held-out queries by true grades. A
query's value is the mean over the draws; intervals over queries. --encoders FOLDER has the tuned encoder's vectors of
every pair by arm and fold (ARM0.npz, ARM1.npz with queries, texts, side), of draw 0, two folds by query.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from judged_signals import shop, signals_of
from numpy.typing import NDArray
from record import record

from aisle.evaluate.pools import pool_ndcg
from aisle.evaluate.statistics import paired_difference
from aisle.improve.hygiene.confident import THRESHOLD, at_an_end, noise, suspicion, threshold
from aisle.improve.hygiene.duplicates import contradictions, spellings
from aisle.improve.hygiene.grader import GraderSettings, out_of_fold
from aisle.improve.hygiene.raters import disagreements, variances
from aisle.improve.hygiene.signals import Signals
from aisle.improve.judging.ratings import Ratings, read_given
from aisle.training.combine import fit_weights
from aisle.training.head import HeadPairs, HeadSettings, fit_pairs

Doubles = NDArray[np.float64]
SHARE, LEVELS, DISTANCE, FOLDS, DIVISIONS = 0.05, 4, 2, 5, 1
THRESHOLDS = (0.6, 1.0, 1.4, THRESHOLD, 2.2, 2.6)
CURVE = "recall by share of the moved"
ARMS = ("clean", "moved", "removed", "lighter", "reviewed", "perfect")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "aisle-judged-signals")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--encoders", type=Path)
    parser.add_argument("--only", choices=["head", "shares"])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--learners", nargs="+", choices=list(LEARNERS), default=list(LEARNERS))
    given = parser.parse_args()
    pairs = shop(given.data, "crowdflower")
    true = np.array([int((pair.grade or 1) - 1) for pair in pairs])
    found = signals_of(pairs, given.cache)
    variance = np.array([pair.variance or 0.0 for pair in pairs])
    if given.only == "head":
        record("hygiene_head", {"notes": " ".join(__doc__.split()), **heads(found, true, given.draws)})
        return
    if given.only == "shares":
        rows = {f"{share:g}": at_share(found, true, share, given.draws, given.learners) for share in given.shares}
        record("hygiene_shares", {"notes": " ".join(__doc__.split()), "draws": given.draws, "shares": rows})
        return
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "draws": given.draws}
    detected: dict[str, list[dict[str, Any]]] = {"ends": [], "any": [], "ends, with variance": []}
    values: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for seed in range(1, given.draws + 1):
        place, moved = move(true, seed)
        chance = out_of_fold(found, place, LEVELS, GraderSettings())
        seen = out_of_fold(found.with_columns({"variance": variance}), place, LEVELS, GraderSettings())
        ends = at_an_end(place, LEVELS)
        score = suspicion(chance, place, DISTANCE)
        detected["ends"].append(measured(np.where(ends, score, -np.inf), moved))
        detected["any"].append(measured(score, moved))
        other = suspicion(seen, place, DISTANCE)
        detected["ends, with variance"].append(measured(np.where(ends, other, -np.inf), moved))
        print(seed, {name: rows[-1]["at"] for name, rows in detected.items()}, flush=True)
        flagged = ends & (score > adapted(chance, place))
        for arm, (labels, weight) in arms(true, place, moved, flagged).items():
            values[arm].append(learnt(found, labels, weight, true))
    numbers["detection"] = {name: summed(rows) for name, rows in detected.items()}
    for name, row in numbers["detection"].items():
        print(name, row, flush=True)
    numbers["recovery"] = recovered({arm: averaged(rows) for arm, rows in values.items()})
    print(numbers["recovery"], flush=True)
    numbers["as the file is"] = as_it_is(found, true, [pair.query for pair in pairs], variance)
    numbers["as the file is"]["spellings"] = len(spellings(pairs))
    numbers["icecat"] = icecat(given.data)
    if given.encoders is not None:
        numbers["encoder"] = encoders(given.encoders, found, true)
        print(numbers["encoder"], flush=True)
    record("hygiene", numbers)


def move(true: NDArray[np.intp], seed: int, share: float = SHARE) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    rows = np.random.default_rng(seed).choice(len(true), round(share * len(true)), replace=False)
    place, moved = true.copy(), np.zeros(len(true), bool)
    place[rows] = np.where(true[rows] >= 2, 0, LEVELS - 1)
    moved[rows] = True
    return place, moved


def measured(score: Doubles, moved: NDArray[np.bool_]) -> dict[str, Any]:
    hits = moved[np.argsort(-score, kind="stable")]
    count = int(moved.sum())
    rows = {}
    for least in THRESHOLDS:
        flagged = score > least
        rows[f"{least:g}"] = [
            int(flagged.sum()),
            float(moved[flagged].mean()) if flagged.any() else 0.0,
            float(moved[flagged].sum() / count),
        ]
    curve = [float(hits[: round(share * count)].sum() / count) for share in (0.25, 0.5, 0.75, 1, 1.5, 2, 3)]
    return {"equal": float(hits[:count].mean()), CURVE: curve, "thresholds": rows,
            "at": [round(number, 3) for number in rows[f"{THRESHOLD:g}"]]}  # fmt: skip


def summed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    equal = [row["equal"] for row in rows]
    mean = {
        key: np.mean([row["thresholds"][key] for row in rows], axis=0).round(3).tolist()
        for key in rows[0]["thresholds"]
    }
    return {
        "equal": round(float(np.mean(equal)), 3),
        "equal_worst": round(min(equal), 3),
        CURVE: np.mean([row[CURVE] for row in rows], axis=0).round(3).tolist(),
        "threshold: flagged, precision, recall": mean,
        "by draw": [row["at"] for row in rows],
    }  # fmt: skip


# --- what training gets back ---------------------------------------------------------------------------------


def arms(
    true: NDArray[np.intp], place: NDArray[np.intp], moved: NDArray[np.bool_], flagged: NDArray[np.bool_]
) -> dict[str, tuple[NDArray[np.intp], Doubles]]:
    ones = np.ones(len(true))
    return {
        "clean": (true, ones),
        "moved": (place, ones),
        "removed": (place, np.where(flagged, 0.0, 1.0)),
        "lighter": (place, np.where(flagged, 0.25, 1.0)),
        "reviewed": (np.where(flagged, true, place), ones),
        "perfect": (place, np.where(moved, 0.0, 1.0)),
    }


def at_share(
    found: Signals, true: NDArray[np.intp], share: float, draws: int, learners: Sequence[str]
) -> dict[str, Any]:
    """Detection, and recovery by each learner, where so many grades are moved."""
    values: dict[str, dict[str, list[dict[str, float]]]] = {name: {} for name in learners}
    detected, used = [], []
    for seed in range(1, draws + 1):
        place, moved = move(true, seed, share)
        ends = at_an_end(place, LEVELS)
        chance = out_of_fold(found, place, LEVELS, GraderSettings())
        score = suspicion(chance, place, DISTANCE)
        detected.append(measured(np.where(ends, score, -np.inf), moved))
        flagged = ends & (score > adapted(chance, place))
        used.append([int(flagged.sum()), float(moved[flagged].mean()), float(moved[flagged].sum() / moved.sum())])
        for arm, (labels, weight) in arms(true, place, moved, flagged).items():
            if arm == "lighter" or (arm == "clean" and seed > 1):
                continue
            for name in learners:
                values[name].setdefault(arm, []).append(LEARNERS[name](found, labels, weight, true))
        print(share, seed, adapted(chance, place), used[-1], flush=True)
    told = {name: recovered({arm: averaged(rows) for arm, rows in by_arm.items()}) for name, by_arm in values.items()}
    for name, table in told.items():
        print(share, name, table, flush=True)
    return {"detection": summed(detected), "flagged, precision, recall by draw": used, **told}


def adapted(chance: Doubles, place: NDArray[np.intp]) -> float:
    """The threshold that `aisle check-labels` takes."""
    return threshold(noise(chance, place).wrong(DISTANCE) / len(place))


def learnt(found: Signals, labels: NDArray[np.intp], weight: Doubles, true: NDArray[np.intp]) -> dict[str, float]:
    """nDCG@10 by true grades of each query, out of fold by query; fold and seed are the same for every arm."""
    import lightgbm

    chosen = {"objective": "regression", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 20,
              "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1, "seed": 0, "num_threads": 1,
              "deterministic": True, "force_row_wise": True, "verbose": -1}  # fmt: skip
    values = []
    for division in range(DIVISIONS):
        fold = np.random.default_rng(division).permutation(len(found.rows))[found.group] % FOLDS
        score = np.zeros(len(labels))
        for number in range(FOLDS):
            taught = (fold != number) & (weight > 0)
            gains = 2.0 ** labels[taught] - 1
            data = lightgbm.Dataset(found.table[taught], gains, weight=weight[taught], params={"verbose": -1})
            booster = lightgbm.train(chosen | {"seed": division}, data, 100)
            score[fold == number] = booster.predict(found.table[fold == number])
        values.append(by_query(found, score, true))
    return averaged(values)


def heads(found: Signals, true: NDArray[np.intp], draws: int) -> dict[str, Any]:
    """What a task head gets back."""
    values: dict[str, list[dict[str, float]]] = {}
    for seed in range(1, draws + 1):
        place, moved = move(true, seed)
        ends = at_an_end(place, LEVELS)
        chance = out_of_fold(found, place, LEVELS, GraderSettings())
        score = suspicion(chance, place, DISTANCE)
        taught = arms(true, place, moved, ends & (score > adapted(chance, place)))
        taught["by suspicion"] = (place, np.where(ends, 1 / (1 + np.exp(score)), 1.0))
        for arm, (labels, weight) in taught.items():
            if arm not in ("reviewed", "perfect"):
                values.setdefault(arm, []).append(head(found, labels, weight, true))
        so_far = recovered({arm: averaged(rows) for arm, rows in values.items()})
        print(seed, {arm: so_far[arm]["ndcg"] for arm in values}, flush=True)
    return {"draws": draws, "recovery": so_far}


def head(found: Signals, labels: NDArray[np.intp], weight: Doubles, true: NDArray[np.intp]) -> dict[str, float]:
    """The same of the task head, two folds by query."""
    words = found.table[:, found.names.index("wording")]
    fold = np.random.default_rng(0).permutation(len(found.rows))[found.group] % 2
    score = np.zeros(len(labels))
    settings = HeadSettings(scale=tuple(float(level) for level in range(LEVELS)))
    for number in (0, 1):
        rows, held = np.flatnonzero((fold != number) & (weight > 0)), fold == number
        groups = [str(query) for query in found.group[rows]]
        grades = labels[rows].astype(np.float64)
        taught = HeadPairs(found.queries[rows], found.texts[rows], grades, groups, words[rows], weight[rows])
        made = fit_pairs(taught, settings, 0)
        score[held] = made.score(found.queries[held], found.texts[held], words[held])
    return by_query(found, score, true)


def combined(found: Signals, labels: NDArray[np.intp], weight: Doubles, true: NDArray[np.intp]) -> dict[str, float]:
    """The same of a combination's weights, two folds by query."""
    signals = found.table[:, [found.names.index(name) for name in ("cosine", "wording", "bm25")]]
    fold = np.random.default_rng(0).permutation(len(found.rows))[found.group] % 2
    score = np.zeros(len(labels))
    for number in (0, 1):
        taught = (fold != number) & (weight > 0)
        groups = [rows[taught[rows]].tolist() for rows in found.rows]
        weights = fit_weights(signals, labels.astype(np.float64), [rows for rows in groups if rows], weight)
        score[fold == number] = signals[fold == number] @ weights
    return by_query(found, score, true)


LEARNERS = {"boosting": learnt, "weights": combined, "head": head}


def by_query(found: Signals, score: Doubles, true: NDArray[np.intp]) -> dict[str, float]:
    rows = {str(number): members.tolist() for number, members in enumerate(found.rows)}
    return pool_ndcg(rows, true.astype(np.float64), score)


def averaged(rows: list[dict[str, float]]) -> dict[str, float]:
    return {query: float(np.mean([row[query] for row in rows])) for query in rows[0]}


def recovered(values: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Each arm's mean; its difference to the moved labels; the share of the loss that came back, with its interval."""
    table: dict[str, Any] = {}
    clean, moved = (np.array(list(values[arm].values())) for arm in ("clean", "moved"))
    generator = np.random.default_rng(0)
    samples = generator.integers(0, len(clean), (10_000, len(clean)))
    lost = paired_difference((clean - moved).tolist())
    for arm, found in values.items():
        value = np.array(list(found.values()))
        difference = paired_difference((value - moved).tolist())
        shares = (value - moved)[samples].mean(1) / (clean - moved)[samples].mean(1)
        low, high = np.percentile(shares, [2.5, 97.5])
        more, share = difference.interval, (value - moved).mean() / (clean - moved).mean()
        table[arm] = {
            "ndcg": round(float(value.mean()), 4),
            "less moved": [round(number, 4) for number in (more.mean, more.low, more.high)],
            "p": round(difference.p, 4),
            "share of the loss": [round(float(number), 2) for number in (share, low, high)],
        }
    return table | {"detectable loss": round(lost.detectable or 0, 4), "queries": len(clean)}


def encoders(folder: Path, found: Signals, true: NDArray[np.intp]) -> dict[str, Any]:
    values = {}
    for arm in ("clean", "moved", "removed", "reviewed"):
        if (folder / f"{arm}1.npz").exists():
            score = np.zeros(len(true))
            for fold in (0, 1):
                with np.load(folder / f"{arm}{fold}.npz") as kept:
                    held = kept["side"] == fold
                    score[held] = np.einsum("ij,ij->i", kept["queries"][held], kept["texts"][held])
            values[arm] = by_query(found, score, true)
    untrained = by_query(found, found.table[:, 0], true)
    return recovered(values) | {"untrained": round(float(np.mean(list(untrained.values()))), 4)}


# --- the files as they are -----------------------------------------------------------------------------------


def as_it_is(found: Signals, true: NDArray[np.intp], queries: list[str], variance: Doubles) -> dict[str, Any]:
    chance = out_of_fold(found, true, LEVELS, GraderSettings())
    score = suspicion(chance, true, DISTANCE)
    worst = disagreements(queries, variance)
    doubles = contradictions(found, true.astype(np.float64), DISTANCE)
    return {
        "suspects at the ends": int((at_an_end(true, LEVELS) & (score > THRESHOLD)).sum()),
        "suspects of any grade": int((score > THRESHOLD).sum()),
        "confident learning's estimate": round(noise(chance, true).wrong(DISTANCE)),
        "like titles with grades two apart": len(doubles),
        "like titles with any other grade": len(contradictions(found, true.astype(np.float64), 1)),
        "most disputed queries": [[one.query, one.pairs, round(one.variance, 2)] for one in worst[:8]],
        "least disputed queries": [[one.query, one.pairs, round(one.variance, 2)] for one in worst[-4:]],
    }


def icecat(data: Path) -> dict[str, Any]:
    path = data / "icecat" / "individual_ratings.csv"
    if not path.exists():
        return {}
    read = Ratings.of(read_given([path], [f"agent_{number}_rating" for number in (1, 2, 3)]))
    worst = disagreements([read.texts[key] for key, _ in read.pairs], variances(read.grades), read.grades)
    apart = float(np.mean(read.spread() >= DISTANCE))
    rows = [[one.query, one.pairs, round(one.variance, 2), round(one.split or 0, 2)] for one in worst]
    return {"pairs": len(read.pairs), "pairs with raters two apart": round(apart, 3), "most disputed queries": rows[:8]}


if __name__ == "__main__":
    main()
