"""How ranking quality grows with judgments, and where it does not: what more of the same would bring.

    python benchmarks/learning_curve.py --work DIR [--only CURVE ...] [--threads N]

nDCG@10 inside each query's judged texts as in benchmarks/relevance.py, of the 8-bit files. The difference is to the
packaged encoder, untouched.

queries: an encoder learns, two epochs, from four fifths of CrowdFlower's queries and is judged by the fifth that is
left, every query once (five folds). Of those four fifths it gets so large a share of the queries, the smaller ones part
of the larger; all of them is the row "full" of benchmarks/peft_methods.py.
homedepot: an encoder learns from so many pairs of Home Depot, whole queries, one epoch, and is judged by a fifth of its
queries and, on all its queries, by CrowdFlower, of which it saw nothing.
All of its pairs: the row homedepot of benchmarks/relevance.py.
icecat: an encoder learns, two epochs, from Icecat's judgments, which may be shipped, and is judged by the same shops.
texts: the packaged encoder reads other parts of a product of CrowdFlower than its title.

DIR keeps models; what is there is only read again. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from record import record
from relevance import SAMPLE, line, shop, some, told, versus
from training_options import inside, ranked

from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.judgments.pairs import PairSet, TextPair, pair_text
from aisle.training.relevance.catalogue import judged_products
from aisle.training.relevance.data import turns
from aisle.training.relevance.encoder_route import EncoderRoute
from aisle.training.relevance.extras import Extras
from aisle.training.relevance.recipe import load_recipe

SHARES = (0.125, 0.25, 0.5)
ITSELF = (2_500, 10_000)
HELD_OUT = 0.2
Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Trials:
    """The data, where models are kept, and what every training has in common."""

    data: Path
    work: Path
    settings: Sequence[str]

    def on_folds(self, name: str, share: float) -> dict[str, float]:
        """nDCG@10 of every query of CrowdFlower, by the encoder of the fold that it is held out in."""
        pairs = shop(self.data, "crowdflower")
        held = [np.flatnonzero(rows).tolist() for rows in turns(pairs, 0)]
        folders = []
        for fold, rows in enumerate(held):
            out = set(rows)
            rest = part(pairs.subset([row for row in range(len(pairs)) if row not in out]), share)
            folders.append(self.encoder(f"{name}{fold}", rest, []))
        return ranked(folders, held, pairs, inside)

    def encoder(self, name: str, pairs: PairSet, changes: Sequence[str]) -> Path:
        """The folder of an encoder that learnt from these pairs."""
        place = self.work / name
        folder = place / "model" / "folder"
        if not (folder / "manifest.json").exists():
            place.mkdir(parents=True, exist_ok=True)
            recipe = load_recipe("encoder", [*self.settings, *changes])
            EncoderRoute(recipe, [], place, told, print, extras=Extras()).train(
                [pairs], pairs.subset([]), "model", recipe.fit
            )
        return folder

    def home_depot(self) -> tuple[PairSet, PairSet]:
        """Home Depot's pairs: to learn from, and those of a fifth of the queries."""
        pairs = shop(self.data, "homedepot")
        groups = pairs.by_query()
        asked = sorted(groups)
        Random(1).shuffle(asked)
        out = set(asked[: round(HELD_OUT * len(asked))])
        parts = ([row for query in groups if (query in out) is held for row in groups[query]] for held in (False, True))
        rest, held = (pairs.subset(rows) for rows in parts)
        return rest, held

    def elsewhere(self, label: str, folder: Path, held: PairSet) -> Rows:
        """An encoder on Home Depot's held-out queries and on all of CrowdFlower's."""
        encoder, untouched = OnnxEncoder(folder), OnnxEncoder(FOLDER)
        return {
            f"{label} -> {name}": against(inside(untouched, pairs, pairs), inside(encoder, pairs, pairs))
            for name, pairs in (("Home Depot", held), ("CrowdFlower", shop(self.data, "crowdflower")))
        }

    def untouched(self) -> dict[str, float]:
        """The same of the packaged encoder."""
        pairs = shop(self.data, "crowdflower")
        return inside(OnnxEncoder(FOLDER), pairs, pairs)


def part(pairs: PairSet, share: float) -> PairSet:
    """So large a share of the queries, in one order for all shares."""
    groups = pairs.by_query()
    asked = sorted(groups)
    Random(0).shuffle(asked)
    kept = asked[: round(share * len(asked))]
    return pairs.subset(sorted(row for query in kept for row in groups[query]))


def against(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
    return versus({"english": list(before.values()), "encoder": [after[query] for query in before]})


def queries(trials: Trials) -> Rows:
    before = trials.untouched()
    return {f"{share:g} of the queries": against(before, trials.on_folds(f"queries{share}", share)) for share in SHARES}


def texts(trials: Trials) -> Rows:
    """Title, description, or both; the first sentence of a description is about a fifth of it."""
    pairs, untouched = shop(trials.data, "crowdflower"), OnnxEncoder(FOLDER)
    title = trials.untouched()
    read: dict[str, Callable[[TextPair], str]] = {
        "description alone": lambda pair: pair.description or pair.title,
        "title and first sentence": lambda pair: f"{pair.title} {pair.description.split('. ')[0]}",
        "title and description": lambda pair: pair_text(pair, True),
    }
    found = {}
    for name, text in read.items():
        other = retold(pairs, text)
        found[name] = against(title, inside(untouched, other, other))
    return found


def retold(pairs: PairSet, text: Callable[[TextPair], str]) -> PairSet:
    """With another text in the place of the title."""
    return replace(pairs, items=tuple(replace(pair, title=text(pair)) for pair in pairs))


def homedepot(trials: Trials) -> Rows:
    rest, held = trials.home_depot()
    found = {}
    for count in ITSELF:
        learnt = some(rest, count)
        folder = trials.encoder(f"homedepot{count}", learnt, ["fit.epochs=1"])
        found |= trials.elsewhere(f"{len(learnt):,} pairs of Home Depot", folder, held)
    return found


def icecat(trials: Trials) -> Rows:
    pairs = judged_products(SAMPLE / "products.jsonl.gz", SAMPLE / "ratings.csv", False)
    return trials.elsewhere(
        f"{len(pairs):,} pairs of Icecat", trials.encoder("icecat2", pairs, []), trials.home_depot()[1]
    )


CURVES: Mapping[str, Callable[[Trials], Rows]] = {
    "queries": queries,
    "homedepot": homedepot,
    "icecat": icecat,
    "texts": texts,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", choices=list(CURVES), default=list(CURVES))
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    trials = Trials(given.data, given.work, [f"fit.threads={given.threads}", "fit.track=none"])
    print("| what | queries | before | after | difference, 95% | p | detectable | |\n" + "|---" * 8 + "|", flush=True)
    for name in given.only:
        rows = CURVES[name](trials)
        for label, row in rows.items():
            print(line(label, row), flush=True)
        record(f"learning_curve_{name}", {"notes": " ".join(__doc__.split()), "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
