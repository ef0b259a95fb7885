"""Tunes the encoder on clean, moved and cleaned grades of CrowdFlower, for `benchmarks/hygiene.py --encoders FOLDER`.

    python benchmarks/hygiene_encoder.py --out FOLDER [--data ../shared/data] [--cache FOLDER] [--arms ARM ...]

The default recipe of aisle train (docs/training.md), in float, two folds by query; each training reads the titles of
half of the queries, and the vectors of every pair are kept. The grades are those of draw 0 of benchmarks/hygiene.py.
About one minute a training on one core. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
from hygiene import ARMS, DISTANCE, LEVELS, adapted, arms, move
from judged_signals import shop, signals_of

from aisle.improve.hygiene.confident import at_an_end, suspicion
from aisle.improve.hygiene.grader import GraderSettings, out_of_fold
from aisle.judgments.pairs import PairSet, Scale
from aisle.judgments.split import query_key
from aisle.training.relevance.encoder_route import EncoderRoute
from aisle.training.relevance.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "aisle-judged-signals")
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=["clean", "moved", "removed", "reviewed"])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    pairs = shop(given.data, "crowdflower")
    true = np.array([int((pair.grade or 1) - 1) for pair in pairs])
    place, moved = move(true, 0)
    chance = out_of_fold(signals_of(pairs, given.cache), place, LEVELS, GraderSettings())
    flagged = at_an_end(place, LEVELS) & (suspicion(chance, place, DISTANCE) > adapted(chance, place))
    side = np.array([_side(pair.query) for pair in pairs])
    made = arms(true, place, moved, flagged)
    for arm in given.arms:
        labels, weight = made[arm]
        for fold in (0, 1):
            file = given.out / f"{arm}{fold}.npz"
            if not file.exists():
                rows = np.flatnonzero((side != fold) & (weight > 0))
                items = tuple(replace(pairs[int(row)], grade=float(labels[row] + 1)) for row in rows)
                started = time.perf_counter()
                queries, texts = _vectors(PairSet(items, Scale(1, LEVELS), pairs.source, pairs.numbered), pairs)
                np.savez(file, queries=queries, texts=texts, side=side)
                print(f"{file.name}: {time.perf_counter() - started:.0f} s", flush=True)


def _side(query: str) -> int:
    return blake2b(query_key(query).encode(), digest_size=8, key=b"hygiene").digest()[0] % 2


def _vectors(taught: PairSet, pairs: PairSet) -> tuple[np.ndarray, np.ndarray]:
    recipe = load_recipe("encoder", ["fit.threads=1", "fit.track=none"])
    with tempfile.TemporaryDirectory() as work:
        route = EncoderRoute(recipe, [], Path(work), lambda step, steps, losses: None, print)
        model = route.trained(taught, "tuned")
        ids = route.before.tokenizer(recipe.fit.max_tokens).ids
        asked = sorted({pair.query for pair in pairs})
        queries = dict(zip(asked, model.vectors(ids(asked)), strict=True))
        texts = model.vectors(ids([pair.title for pair in pairs]))
    return np.stack([queries[pair.query] for pair in pairs]), texts


if __name__ == "__main__":
    main()
