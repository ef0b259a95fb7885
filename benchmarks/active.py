"""How many labels choosing saves: for a ranking learnt from them, and for the verdict between two systems.

    python benchmarks/active.py [--cache FOLDER] [--only PART ...] [--draws N] [--shops NAME ...]

model: each draw holds out two fifths of a shop's queries and may judge pairs of the others, in batches of a quarter of
what it has (16 at least). The learner is the Bayesian ranker of aisle/improve/active/ranker.py, refitted on all it has
before each batch and at each size; nDCG@10 is that of the held-out queries, whose labels nobody sees. "whole queries"
judges one query's pairs after another's, in random order. The labels that a strategy needs for what random choice
reaches at 128, 256, 512 and 1,024 come from the mean curves, made to rise (isotonic regression), straight lines between
the sizes (logarithms); intervals draw the draws with replacement, 2,000 times. "head": the same choices, made by the
ranker, teach the task head of aisle train.

room: what there is to learn. For each draw nDCG@10 of the held-out queries in a random order (mean of 20), zero-shot,
by the head that has 1,024 random pairs of the pool and by the ranker that has as many, or all of them.

metric: two rankings of CrowdFlower's judged texts; the pool of a query is what either has among its first ten. A sample
of n labels estimates the difference of nDCG@10; error against the difference by all labels of the pool, 100 samples
(--samples). All strategies use the same estimator; "random" draws from the whole pool alike, "differing" from the texts
whose places differ, "effect" in proportion to how much they differ.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from judged_signals import shop, signals_of
from numpy.typing import NDArray
from record import record
from scipy.optimize import isotonic_regression

from aisle.evaluate.pools import best_first, pool_ndcg
from aisle.improve.active.choose import Pool, Strategy, choose
from aisle.improve.active.ranker import fit, standard
from aisle.improve.active.verdict import (
    Question,
    draw,
    effects,
    expected,
    ideals,
    inclusion,
    question,
)
from aisle.improve.hygiene.check import places
from aisle.training.head import HeadSettings, fit_head

Doubles = NDArray[np.float64]
SIZES = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
TARGETS = (128, 256, 512, 1024)
STRATEGIES: tuple[Strategy, ...] = ("random", "queries", "informative", "entropy", "committee", "expected-change")
HELD_OUT = 0.4
BUDGETS = (50, 100, 200, 400, 800)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "aisle-judged-signals")
    parser.add_argument("--only", nargs="*", choices=["model", "metric", "room"], default=["model", "metric"])
    parser.add_argument(
        "--shops", nargs="*", choices=["crowdflower", "homedepot"], default=["crowdflower", "homedepot"]
    )
    parser.add_argument("--strategies", nargs="*", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--name", default="active")
    given = parser.parse_args()
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "draws": given.draws}
    for name in given.shops:
        if not (given.data / name / "pairs.csv").exists():
            print(f"{name} left out: it is not in {given.data}")
            continue
        judged = Judged(given.data, name, given.cache)
        print(f"\n== {name}: {len(judged.level)} pairs, {len(judged.rows)} queries", flush=True)
        numbers[name] = {}
        if "model" in given.only:
            numbers[name]["model"] = model(judged, given.draws, given.strategies)
        if "room" in given.only:
            numbers[name]["room"] = room(judged, given.draws)
        if "metric" in given.only and name == "crowdflower":
            numbers[name]["metric"] = metric(judged, given.samples)
    record(given.name, numbers)


class Judged:
    """A shop's pairs, their signals and levels."""

    def __init__(self, data: Path, name: str, cache: Path) -> None:
        pairs = shop(data, name)
        self.found = signals_of(pairs, cache)
        self.design = standard(self.found)
        self.place, scale = places(pairs)
        self.levels, self.level = len(scale), pairs.levels()
        self.rows = self.found.rows

    def ndcg(self, score: Doubles, queries: NDArray[np.intp]) -> float:
        rows = {str(query): self.rows[query].tolist() for query in queries}
        return float(np.mean(list(pool_ndcg(rows, self.level, score).values())))


# --- for a model ---------------------------------------------------------------------------------------------


def model(judged: Judged, draws: int, strategies: list[Strategy]) -> dict[str, Any]:
    curves: dict[str, Doubles] = {}
    for strategy in strategies:
        started = time.perf_counter()
        found = np.array([curve(judged, strategy, seed) for seed in range(draws)])
        curves[strategy], curves[f"{strategy}, head"] = found[:, 0], found[:, 1]
        print(f"{strategy}: {time.perf_counter() - started:.0f} s", flush=True)
        for name in (strategy, f"{strategy}, head"):
            print(f"  {name:20s} " + " ".join(f"{value:.4f}" for value in curves[name].mean(0)), flush=True)
    table: dict[str, Any] = {
        "sizes": [0, *SIZES],
        "ndcg": {name: np.round(found.mean(0), 4).tolist() for name, found in curves.items()},
    }
    for learner in ("", ", head"):
        base = curves[f"random{learner}"]
        for strategy in strategies[1:]:
            name = f"{strategy}{learner}"
            table[f"savings, {name}"] = rows = savings(base, curves[name])
            print(f"{name}: " + "; ".join(told(row) for row in rows), flush=True)
    return table


def curve(judged: Judged, strategy: Strategy, seed: int) -> tuple[list[float], list[float]]:
    """nDCG@10 on held-out queries without a label and after each size: of the ranker, and of the head."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(judged.rows))
    out, taught = np.split(order, [round(HELD_OUT * len(order))])
    rows = np.sort(np.concatenate([judged.rows[query] for query in taught]))
    pool = Pool(judged.found, judged.design, judged.place, np.ones(len(judged.level), bool), judged.levels)
    closed = np.ones(len(judged.level), bool)  # what may not be chosen: held out, or chosen already
    closed[rows] = False
    chosen: list[int] = []
    cosine = judged.ndcg(judged.found.table[:, 0], out)
    by_ranker, by_head = [cosine], [cosine]
    for size in SIZES:
        while len(chosen) < size:
            count = min(size - len(chosen), max(16, len(chosen) // 4))
            chosen += batch(judged, strategy, rows, chosen, count, seed * 10_000 + len(chosen))
        ranker = pool.taught_by(np.array(chosen))
        by_ranker.append(judged.ndcg(ranker.score(judged.design), out))
        by_head.append(judged.ndcg(head(judged, np.array(chosen)), out))
    return by_ranker, by_head


def room(judged: Judged, draws: int) -> dict[str, Any]:
    """Between a random order and what all labels teach; each with the standard error of its lead over zero-shot."""
    found: dict[str, list[float]] = {}
    for seed in range(draws):
        generator = np.random.default_rng(seed)
        out, taught = np.split(generator.permutation(len(judged.rows)), [round(HELD_OUT * len(judged.rows))])
        rows = generator.permutation(np.concatenate([judged.rows[query] for query in taught]))
        chance = [judged.ndcg(generator.random(len(judged.level)), out) for _ in range(20)]
        values = {"random order": float(np.mean(chance)), "zero-shot": judged.ndcg(judged.found.table[:, 0], out)}
        for name, some in (("1,024", rows[:1024]), ("all", rows)):
            group = judged.found.group[some]
            ranker = fit(judged.design[some], judged.place[some], group, len(judged.rows), judged.levels)
            values[f"ranker, {name}"] = judged.ndcg(ranker.score(judged.design), out)
            if name != "all":  # which takes the head minutes
                values[f"head, {name}"] = judged.ndcg(head(judged, some), out)
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    sizes = [len(rows) for rows in judged.rows]
    table: dict[str, Any] = {"titles of a query": np.percentile(sizes, [10, 50, 90]).tolist()}
    table["share of each level"] = np.round(np.bincount(judged.place) / len(judged.place), 3).tolist()
    for name, some_values in found.items():
        lead = np.array(some_values) - np.array(found["zero-shot"])
        error = float(lead.std(ddof=1) / np.sqrt(draws)) if draws > 1 else 0.0
        table[name] = [round(float(value), 4) for value in (np.mean(some_values), lead.mean(), error)]
        print(f"  {name:14s} {table[name]}", flush=True)
    return table


def batch(
    judged: Judged, strategy: Strategy, rows: NDArray[np.intp], chosen: list[int], count: int, seed: int
) -> list[int]:
    """The next rows, of the pool alone: the choice knows nothing of the held-out queries."""
    found = judged.found
    _, group = np.unique(found.group[rows], return_inverse=True)
    members = tuple(np.flatnonzero(group == query) for query in range(int(group.max()) + 1))
    part = replace(
        found, table=found.table[rows], queries=found.queries[rows], texts=found.texts[rows], group=group, rows=members
    )
    known = np.isin(rows, chosen)
    if strategy == "queries" and known.any():  # first what is left of the query that was begun
        seed = seed % 10_000 and seed // 10_000 * 10_000
        fresh = replace_judged(part, judged, rows, np.zeros(len(rows), bool))
        order = choose(fresh, strategy, len(rows), seed)
        return [int(rows[row]) for row in order if not known[row]][:count]
    if strategy == "queries":
        seed = seed // 10_000 * 10_000
    return [int(rows[row]) for row in choose(replace_judged(part, judged, rows, known), strategy, count, seed)]


def replace_judged(part: Any, judged: Judged, rows: NDArray[np.intp], known: NDArray[np.bool_]) -> Pool:
    return Pool(part, judged.design[rows], judged.place[rows], known, judged.levels)


def head(judged: Judged, rows: NDArray[np.intp]) -> Doubles:
    found = judged.found
    words = found.table[:, found.names.index("wording")]
    grades = judged.place[rows].astype(np.float64)
    settings = HeadSettings(scale=tuple(float(one) for one in range(judged.levels)))
    groups = [str(one) for one in found.group[rows]]
    made = fit_head(found.queries[rows], found.texts[rows], grades, groups, settings, 0, words[rows])
    return np.asarray(made.score(found.queries, found.texts, words), np.float64)


def savings(base: Doubles, other: Doubles) -> list[dict[str, Any]]:
    """For each target: labels until what random choice has there, and the share that is saved."""
    generator = np.random.default_rng(0)
    samples = generator.integers(0, len(base), (2_000, len(base)))
    found = []
    for target in TARGETS:
        place = SIZES.index(target) + 1
        drawn = [1 - reach(base[some].mean(0), other[some].mean(0), place) / target for some in samples]
        low, high = np.percentile(drawn, [2.5, 97.5])
        needed = reach(base.mean(0), other.mean(0), place)
        gap = other[:, place] - base[:, place]
        found.append(
            {
                "random": target,
                "ndcg": round(float(rising(base.mean(0))[place]), 4),
                "needed": round(needed),
                "saved": round(1 - needed / target, 3),
                "low": round(float(low), 3),
                "high": round(float(high), 3),
                "more_ndcg": round(float(gap.mean()), 4),
                "its_error": round(float(gap.std(ddof=1) / np.sqrt(len(gap))), 4),
            }
        )
    return found


def rising(curve: Doubles) -> Doubles:
    """The nearest curve that never falls, so that one lucky size decides nothing."""
    return np.asarray(isotonic_regression(curve).x)


def reach(base: Doubles, other: Doubles, place: int) -> float:
    """Labels until the second curve has what the first one has at a size; twice the last size where it never has."""
    value, curve = rising(base)[place], rising(other)
    sizes = np.array([1, *SIZES], np.float64)  # no label stands as one, for its logarithm
    above = np.flatnonzero(curve >= value - 1e-12)
    if not len(above):
        return float(2 * sizes[-1])
    first = int(above[0])
    if first == 0:
        return 1.0
    share = (value - curve[first - 1]) / (curve[first] - curve[first - 1])
    low, high = np.log(sizes[first - 1]), np.log(sizes[first])
    return float(np.exp(low + share * (high - low)))


def told(row: dict[str, Any]) -> str:
    return (
        f"random {row['random']} ({row['ndcg']:.4f}) needs {row['needed']}, saves {row['saved']:.0%} "
        f"[{row['low']:.0%}, {row['high']:.0%}], there {row['more_ndcg']:+.4f} ({row['its_error']:.4f})"
    )


# --- for a verdict -------------------------------------------------------------------------------------------


def metric(judged: Judged, samples: int) -> dict[str, Any]:
    column = dict(zip(judged.found.names, judged.found.table.T, strict=True))
    scores = {
        "BM25 -> cosine": (column["bm25"], column["cosine"]),
        "cosine -> cosine with words": (column["cosine"], column["cosine"] + 0.3 * column["wording"]),
        "wording -> cosine": (column["wording"], column["cosine"]),
    }
    found = {}
    for name, (first, second) in scores.items():
        found[name] = compared(judged, first, second, samples)
        print(f"{name}: {found[name]['difference']:+.4f}, pool {found[name]['pool']}", flush=True)
        for strategy, rows in found[name]["strategies"].items():
            print(f"  {strategy:10s} " + " ".join(f"{row['labels']}: {row['error']:.4f}" for row in rows), flush=True)
        print(f"  {found[name]['labels for an error of']}", flush=True)
    return found


def compared(judged: Judged, first: Doubles, second: Doubles, samples: int, cutoff: int = 10) -> dict[str, Any]:
    full: list[Question] = []
    for number, rows in enumerate(judged.rows):
        ranked = [[str(row) for row in best_first(rows.tolist(), score)] for score in (first, second)]
        asked = question(str(number), *ranked, {}, cutoff)
        gains = np.array([2.0 ** judged.level[int(row)] - 1 for row in asked.ids])
        if (gains > 0).any():
            full.append(replace(asked, gain=gains))
    bare = [replace(one, gain=np.full(len(one.ids), np.nan)) for one in full]
    ends = np.cumsum([len(one.ids) for one in full])[:-1]
    every = np.ones(sum(len(one.ids) for one in full))
    truth = point(full, [np.ones(len(one.ids)) for one in full], cutoff)
    ways = {
        "random": every,
        "differing": np.concatenate([one.open for one in bare]).astype(np.float64),
        "effect": np.concatenate(effects(bare, cutoff)),
    }
    table: dict[str, Any] = {}
    for name, way in ways.items():
        table[name] = []
        for budget in BUDGETS:
            chance = inclusion(way, min(budget, int((way > 0).sum())))
            found = np.array([sampled(full, chance, ends, cutoff, seed) for seed in range(samples)])
            row = {"labels": budget, "error": float(np.sqrt(((found - truth) ** 2).mean()))}
            row |= {"bias": float(found.mean() - truth), "right_sign": float((found * truth > 0).mean())}
            table[name].append({key: round(value, 5) for key, value in row.items()})
    bounds = [table["random"][place]["error"] for place in (1, 2, 3)]
    needs = {f"{bound:.4f}": {name: round(until(rows, bound)) for name, rows in table.items()} for bound in bounds}
    signs = {
        name: next((row["labels"] for row in rows if row["right_sign"] >= 0.95), None) for name, rows in table.items()
    }
    return {
        "difference": round(truth, 5),
        "queries": len(full),
        "pool": len(every),
        "strategies": table,
        "labels for an error of": needs,
        "labels for the right sign in 95%": signs,
    }


def sampled(full: list[Question], chance: Doubles, ends: NDArray[np.intp], cutoff: int, seed: int) -> float:
    known = np.isin(np.arange(len(chance)), draw(chance, seed))
    some = [
        replace(one, gain=np.where(kept, one.gain, np.nan))
        for one, kept in zip(full, np.split(known, ends), strict=True)
    ]
    return point(some, np.split(chance, ends), cutoff)


def point(asked: list[Question], chances: list[Doubles], cutoff: int) -> float:
    """As `verdict.estimate`, without its interval."""
    thought = expected(asked, chances)
    best, usual = ideals(asked, thought, cutoff), thought.mean
    found = []
    for one, chance, ideal in zip(asked, chances, best, strict=True):
        known = ~np.isnan(one.gain)
        above = (one.apart[known] * (one.gain[known] - usual) / chance[known]).sum()
        found.append((one.apart.sum() * usual + above) / ideal)
    return float(np.mean(found))


def until(rows: list[dict[str, float]], bound: float) -> float:
    """Labels until the error is at the bound, straight lines between logarithms; the last size where it never is."""
    errors = np.minimum.accumulate([row["error"] for row in rows])
    labels = np.log([row["labels"] for row in rows])
    if errors[0] <= bound:
        return float(np.exp(labels[0]))
    return float(np.exp(np.interp(-np.log(bound), -np.log(errors), labels)))


if __name__ == "__main__":
    main()
