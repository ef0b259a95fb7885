"""What an encoder gains by a catalogue's texts alone (TSDAE, masked words), without any label.

    python benchmarks/unlabelled.py --work DIR [--only PART ...] [--methods METHOD ...] [--set KEY=VALUE ...]

icecat: the packaged encoder is adapted to all titles of Icecat's sample, by either method, and its whole catalogue is
searched with it, dense and hybrid. crowdflower: the same with CrowdFlower's titles; nDCG@10 inside each query's judged
texts. Both differences are to the packaged encoder, untouched. labels: an encoder is trained for one epoch on four
fifths of CrowdFlower's queries, beginning with the packaged encoder and with each of those adapted to CrowdFlower's
titles, and judged by the fifth that is left, as many fifths as --folds says; the differences are to the training that
begins with the packaged encoder. 8-bit files throughout. No label takes part in an adaptation, but the titles are those
of the judged products, too: that is what an adaptation is for. DIR keeps models; what is there is only read again.
Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from record import record
from relevance import NDCG, SAMPLE, line, searched, shop, versus
from training_options import BASE, inside, ranked, trained

from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.evaluate import evaluate
from aisle.judgments import align, read_judgments, read_queries
from aisle.training.adapt.build import adapt
from aisle.training.adapt.recipe import METHODS, load_adapt_recipe
from aisle.training.distil.material import catalogue_products, distinct
from aisle.training.relevance.data import turns
from aisle.training.relevance.recipe import load_recipe

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Trials:
    """The data, where models are kept, and what every run has in common."""

    data: Path
    work: Path
    changes: Sequence[str]
    threads: int
    folds: int
    methods: Sequence[str] = METHODS

    def adapted(self, name: str, method: str, texts: Sequence[str]) -> Path:
        """The folder of an encoder that learnt these texts."""
        folder = self.work / "_".join([name, method, *self.changes])
        if not (folder / "manifest.json").exists():
            changes = [f"method={method}", f"fit.threads={self.threads}", "fit.track=none", *self.changes]
            adapt(texts, load_adapt_recipe(None, changes), folder, resume=True, report=told, note=print)
        return folder

    def how(self, folder: Path) -> dict[str, Any]:
        """What its training says of itself."""
        found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return {**found["training"], "seconds": found["seconds"]}


def told(step: int, steps: int, losses: Mapping[str, float]) -> None:
    if step % 100 == 0 or "held_out" in losses:
        shown = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
        print(f"step {step:,} of {steps:,}: {shown}", file=sys.stderr, flush=True)


def against(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, Any]:
    return versus({"english": list(before.values()), "encoder": [after[query] for query in before]})


def icecat(trials: Trials) -> Rows:
    _, texts = distinct(catalogue_products(SAMPLE / "products.jsonl.gz"), False)
    folders = {method: trials.adapted("icecat", method, texts) for method in trials.methods}
    queries, judgments = read_queries(SAMPLE / "ratings.csv"), read_judgments(SAMPLE / "ratings.csv")
    before = searched(OnnxEncoder(FOLDER, trials.threads), queries)
    found = {}
    for method, folder in folders.items():
        after = searched(OnnxEncoder(folder, trials.threads), queries)
        for mode in before:
            both = [evaluate(align(run[mode], judgments), judgments, [NDCG]) for run in (before, after)]
            for treatment, label in (("removed", "judged only"), ("wrong", "unjudged = wrong")):
                one, other = (evaluation.values(NDCG, treatment) for evaluation in both)
                found[f"{method}: Icecat, {mode}, {label}"] = against(one, other) | {"training": trials.how(folder)}
    return found


def crowdflower_folders(trials: Trials) -> dict[str, Path]:
    texts = list(dict.fromkeys(pair.title for pair in shop(trials.data, "crowdflower")))
    return {method: trials.adapted("crowdflower", method, texts) for method in trials.methods}


def crowdflower(trials: Trials) -> Rows:
    pairs = shop(trials.data, "crowdflower")
    before = inside(OnnxEncoder(FOLDER, trials.threads), pairs, pairs)
    found = {}
    for method, folder in crowdflower_folders(trials).items():
        row = against(before, inside(OnnxEncoder(folder, trials.threads), pairs, pairs))
        found[f"{method}: CrowdFlower"] = row | {"training": trials.how(folder)}
    return found


def labels(trials: Trials) -> Rows:
    pairs = shop(trials.data, "crowdflower")
    held = [np.flatnonzero(rows).tolist() for rows in turns(pairs, 0)[: trials.folds]]
    values = {}
    for name, base in {"embedded": Path("embedded"), **crowdflower_folders(trials)}.items():
        recipe = load_recipe("encoder", [*BASE, f"fit.threads={trials.threads}", f"base={base}"])
        places = [trials.work / f"labels_{name}{fold}" for fold in range(len(held))]
        folders = [trained(place, pairs, rows, recipe, None) for place, rows in zip(places, held, strict=True)]
        values[name] = ranked(folders, held, pairs, inside)
    plain = values.pop("embedded")
    return {f"{method}, then labels: CrowdFlower": against(plain, after) for method, after in values.items()}


PARTS: Mapping[str, Callable[[Trials], Rows]] = {"icecat": icecat, "crowdflower": crowdflower, "labels": labels}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--suffix", default="", help="of the files in benchmarks/results")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    trials = Trials(given.data, given.work, given.changes, given.threads, given.folds, given.methods)
    print("| what | queries | before | after | difference, 95% | p | detectable | |\n" + "|---" * 8 + "|", flush=True)
    for name in given.only:
        rows = PARTS[name](trials)
        for label, row in rows.items():
            print(line(label, row), flush=True)
        notes = {"notes": " ".join(__doc__.split()), "changes": given.changes}
        record(f"unlabelled_{name}{given.suffix}", {**notes, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
