"""How far scores move when brands, genders and origins are exchanged, before and after training.

    python benchmarks/bias.py --work DIR [--data ../shared/data] [--models DIR]

crowdflower: the embedded encoder, the encoder that training makes of it, and the combination around that, five folds by
query (models of benchmarks/distillation.py), each query by the model that did not learn from it. Moves before and
after training are compared query by query.
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
from robustness import VECTORS, by_encoder, by_folds, trained

from aisle.encoders.cosines import cosines
from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.evaluate.statistics import paired_difference
from aisle.improve.bias import Bias, bias
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.rerankers.combination import CombinationReranker
from aisle.training.relevance.data import turns
from aisle.types import Array, Encoder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AISLE_DATA", "../shared/data")))
    parser.add_argument("--models", type=Path, help="folder with teacher0 ... teacher4; default: in --work")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    models = [CombinationReranker(folder, VECTORS) for folder in trained(pairs, given.models or given.work)]
    exchanges(pairs, by_encoder(OnnxEncoder(FOLDER)), models, given.work)
    return 0


def exchanges(
    pairs: PairSet, embedded: Callable[[PairSet], Array], models: Sequence[CombinationReranker], work: Path
) -> None:
    """Measure, print and record; ``models`` are those of the folds."""
    fold_of = {pairs[row].query_id: fold for fold, mask in enumerate(turns(pairs, 0)) for row in np.flatnonzero(mask)}
    scores = {
        "embedded": embedded,
        "trained encoder": encoders([model.encoder for model in models], fold_of),
        "trained combination": by_folds(models, fold_of),
    }
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "models": {}, "after less before": {}}
    found: dict[str, tuple[Bias, ...]] = {}
    for name, score in scores.items():
        begun = time.perf_counter()
        found[name] = bias(score, pairs)
        seconds = round(time.perf_counter() - begun, 1)
        numbers["models"][name] = {"seconds": seconds, "bias": [one.to_dict() for one in found[name]]}
        show(name, found[name])
        if name != "embedded":
            numbers["after less before"][name] = compared(found["embedded"], found[name])
        (work / "bias.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(numbers["after less before"], indent=1))
    record("bias", numbers)


def encoders(models: Sequence[Encoder], fold_of: Mapping[str, int]) -> Any:
    """The cosines of each fold's encoder."""

    def score(pairs: PairSet) -> Array:
        scores = np.empty(len(pairs), np.float32)
        folds = np.array([fold_of[pair.query_id.split("\n")[0]] for pair in pairs])
        for fold, model in enumerate(models):
            rows = np.flatnonzero(folds == fold)
            own = [pairs[row] for row in rows]
            scores[rows] = cosines(model.encode, [pair.query for pair in own], [pair.title for pair in own])
        return scores

    return score


def compared(before: Sequence[Bias], after: Sequence[Bias]) -> dict[str, Any]:
    """The moves of the same queries."""
    rows = {}
    for one, other in zip(before, after, strict=True):
        found = paired_difference([other.moves[query] - move for query, move in one.moves.items()])
        interval = found.interval
        rows[f"{one.axis}, {one.side}"] = {
            "mean": interval.mean,
            "low": interval.low,
            "high": interval.high,
            "p": found.p,
            "detectable": found.detectable,
        }
    return rows


def show(name: str, found: Sequence[Bias]) -> None:
    for one in found:
        move, ndcg = one.move, one.ndcg.interval
        print(
            f"| {name} | {one.axis}, {one.side} | {one.rows:,} | {one.queries} | {move.mean:.3f} [{move.low:.3f}, "
            f"{move.high:.3f}] | {one.places.mean:.2f} | {ndcg.mean:+.4f} [{ndcg.low:+.4f}, {ndcg.high:+.4f}] |",
            flush=True,
        )
        for group in one.groups:
            shift = group.shift
            print(
                f"    {group.field}, {group.name}: {shift.n} queries, {shift.mean:+.3f} [{shift.low:+.3f}, "
                f"{shift.high:+.3f}], p {group.adjusted_p:.4f}, detectable {group.detectable}",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
