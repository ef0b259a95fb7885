"""What making models smaller costs and saves; every part can be run alone, and goes on where it was interrupted.

    python benchmarks/compression.py --work DIR [--data ../shared/data] [--only PART ...]

nDCG@10 inside each query's judged texts: gain 2^level - 1, level = grade - lowest grade, discount log2(rank + 1),
queries whose texts are all graded alike left out. crowdflower: no model, whole or smaller, has learnt from the queries
that it is measured on, neither their grades nor their texts' pairs (five folds by query); titles with descriptions,
about 57 tokens. Times: 100 texts re-ranked for one query, models in turns, nothing known from before. Needs
aisle[train,openvino].
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from compression_matryoshka import matryoshka
from compression_measures import light, precision, runtimes, smaller_parts
from record import RESULTS, conditions, record

from aisle.compress.agreement import quality
from aisle.compress.front import FRONT_FILE, make_front, read_front
from aisle.compress.material import Material, from_pairs
from aisle.compress.measure import times
from aisle.compress.model import read_served, write_served
from aisle.compress.plan import AS_IT_IS, Plan
from aisle.compress.shrink import Shrinking
from aisle.encoders.graph import Whole
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.training.relevance.build import train
from aisle.training.relevance.data import turns
from aisle.training.relevance.recipe import load_recipe


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--only", nargs="*", choices=list(PARTS), default=[name for name in PARTS if not name.startswith("cross")]
    )
    parser.add_argument("--cross", type=Path, help="folders 0 to 4: cross-encoders that did not learn from that fold")
    parser.add_argument("--rounds", type=int, default=9, help="of timing; 0: the one round that each front was given")
    parser.add_argument("--folds", nargs="*", type=int, default=[0, 1, 2, 3, 4], help="of the re-ranker fronts")
    parser.add_argument("--threads", type=int, help="cores that this process may use; all, where nothing is said")
    given = parser.parse_args()
    if given.threads:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: given.threads])
    path = RESULTS / "compression.json"
    for name in given.only:
        found = PARTS[name](given)
        print(json.dumps(found, indent=1), flush=True)
        known = json.loads(path.read_text(encoding="utf-8"))["parts"] if path.exists() else {}
        known[name] = {"conditions": conditions(), **found}
        record("compression", {"conditions": "of each part", "notes": " ".join(__doc__.split()), "parts": known})
    return 0


# --- the front of re-rankers ---------------------------------------------------------------------------------


def plans() -> list[Plan]:
    """About a quarter of the whole model's work each, and the limits of tokens alone."""
    recovery = {"epochs": 3, "threads": 1}
    smaller = [(4, 24, "spread"), (3, 32, "spread"), (3, 32, "first"), (2, 48, "spread"), (3, 24, "spread")]
    found = limits()
    for layers, limit, which in smaller:
        found.append(Plan.from_dict({"layers": layers, "max_tokens": limit, "which": which, "recovery": recovery}))
    return found


def limits() -> list[Plan]:
    """All layers, fewer tokens."""
    return [Plan(max_tokens=limit) for limit in (64, 48, 32, 24, 16)]


def make_fold(given: argparse.Namespace, fold: int, chosen: Sequence[Plan]) -> tuple[Path, PairSet]:
    """The front of the encoder that did not learn from this fold's queries, measured on them."""
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    held = turns(pairs, 0)[fold]
    rest, measured = (pairs.subset(np.flatnonzero(part).tolist()) for part in (~held, held))
    whole = tuned(given.work, fold, rest)
    material = dataclasses.replace(from_pairs([rest], True), pairs=measured)
    out = given.work / f"front{fold}"
    steps = Shrinking(read_served(whole), material, given.work / f"shrinking{fold}", told, loss_told)
    unless_made(steps, chosen, out)
    return out, measured


def unless_made(steps: Shrinking, chosen: Sequence[Plan], out: Path) -> None:
    """A finished front keeps the times that it was given."""
    if not (out / FRONT_FILE).exists() or len(read_front(out).points) <= len(chosen):
        make_front(steps, chosen, out, rounds=1)


def tuned(work: Path, fold: int, rest: PairSet) -> Path:
    """The whole model: an encoder tuned on the other folds, made to read descriptions."""
    combination, out = work / f"tuned{fold}", work / f"whole{fold}"
    if not (combination / "manifest.json").exists():
        train(rest, [], load_recipe(None, ["model=combination", "fit.threads=1"]), combination, resume=True, note=told)
    if not (out / "manifest.json").exists():
        model = read_served(combination / "encoder")
        write_served(model, out, Whole(), {"recipe": {"description": True}, "name": "tuned on the other folds"})
    return out


def cross_plans() -> list[Plan]:
    """8 bits of both kinds, and fewer and fewer layers."""
    recovery = {"epochs": 2, "threads": 1}
    fewer = [Plan.from_dict({"layers": layers, "recovery": recovery}) for layers in (3, 2)]
    return [Plan(), Plan(precision="static"), *fewer]


def make_cross_fold(given: argparse.Namespace, fold: int, chosen: Sequence[Plan]) -> tuple[Path, PairSet]:
    """The front of the cross-encoder that did not learn from this fold's queries; titles."""
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    held = turns(pairs, 0)[fold]
    rest, measured = (pairs.subset(np.flatnonzero(part).tolist()) for part in (~held, held))
    material = dataclasses.replace(from_pairs([rest], False), pairs=measured)
    out = given.work / f"cross-front{fold}"
    model = read_served(given.cross / str(fold))
    steps = Shrinking(model, material, given.work / f"cross-shrinking{fold}", told, loss_told)
    unless_made(steps, chosen, out)
    return out, measured


def cross(given: argparse.Namespace) -> dict[str, Any]:
    """All folds together, of cross-encoders; times with titles, and with descriptions beside them."""
    fronts = [make_cross_fold(given, fold, cross_plans()) for fold in given.folds]
    first, measured = fronts[0]
    folders = {AS_IT_IS: given.cross / str(given.folds[0])}
    found = {"rows": pooled(fronts, cross_plans()), "folds": given.folds}
    return found | {"times": timed(first, folders, from_pairs([measured], False), given.rounds)}


def cross_bits(given: argparse.Namespace) -> dict[str, Any]:
    """8 bits of both kinds beside the float32 weights that were trained, over all folds; nothing is trained."""
    fronts = [make_cross_fold(given, fold, cross_plans()[:2]) for fold in given.folds]
    return {"rows": pooled(fronts, cross_plans()[:2]), "folds": given.folds}


def encoder(given: argparse.Namespace) -> dict[str, Any]:
    """All folds together: each query measured by a model that never saw it."""
    return encoder_front(given, plans())


def tokens(given: argparse.Namespace) -> dict[str, Any]:
    """The same with limits of tokens alone: no layer is dropped, nothing is trained beyond the whole models."""
    return encoder_front(given, limits())


def encoder_front(given: argparse.Namespace, chosen: Sequence[Plan]) -> dict[str, Any]:
    """Quality over all folds; times of the first fold's models."""
    fronts = [make_fold(given, fold, chosen) for fold in given.folds]
    first, measured = fronts[0]
    folders = {AS_IT_IS: given.work / f"whole{given.folds[0]}"}
    found = {"rows": pooled(fronts, chosen), "folds": given.folds, "cores": len(os.sched_getaffinity(0))}
    return found | {"times": timed(first, folders, from_pairs([measured], True), given.rounds)}


def pooled(fronts: Sequence[tuple[Path, PairSet]], chosen: Sequence[Plan]) -> dict[str, Any]:
    """Each plan over the queries of all folds."""
    sets = [measured for _, measured in fronts]
    return {plan.label: together([out for out, _ in fronts], sets, plan.label) for plan in chosen}


def together(fronts: Sequence[Path], sets: Sequence[PairSet], label: str) -> dict[str, Any]:
    groups: dict[str, list[int]] = {}
    before: list[Any] = []
    after: list[Any] = []
    levels: list[Any] = []
    sizes: list[int] = []
    for fold, (out, pairs) in enumerate(zip(fronts, sets, strict=True)):
        point = next(point for point in read_front(out).points if point.label == label)
        start = sum(map(len, before))
        for query, rows in pairs.by_query().items():
            groups[f"{fold}:{query}"] = [start + row for row in rows]
        before.append(np.load(out / "original.npy"))
        after.append(np.load(out / f"{Path(point.folder).name}.npy"))
        levels.append(pairs.levels())
        sizes.append(point.size)
    found = quality(groups, np.concatenate(levels), np.concatenate(before), np.concatenate(after))
    assert found is not None
    return found | {"size": int(np.mean(sizes))}


def timed(out: Path, folders: Mapping[str, Path], material: Material, rounds: int) -> dict[str, dict[str, float]]:
    """Of the first fold's models, in turns; run it where nothing else runs."""
    points = read_front(out).points
    if not rounds:
        return {point.label: {"p50": point.p50, "least": point.least} for point in points}
    every = dict(folders) | {point.label: out / point.folder for point in points[1:]}
    return {name: found.to_dict() for name, found in times(every, material, rounds).items()}


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def loss_told(step: int, steps: int, loss: float) -> None:
    if step % 50 == 0 or step == steps:
        print(f"step {step:,} of {steps:,}: {loss:.4f}", file=sys.stderr, flush=True)


PARTS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "encoder": encoder,
    "tokens": tokens,
    "cross": cross,
    "cross_bits": cross_bits,
    "precision": precision,
    "runtimes": runtimes,
    "parts": smaller_parts,
    "matryoshka": matryoshka,
    "light": light,
}

if __name__ == "__main__":
    sys.exit(main())
