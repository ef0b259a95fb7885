"""A model of one shop is taught a second one: what it forgets of the first, and what keeps it.

    python benchmarks/continual.py --work DIR [--data ../shared/data] [--only VARIANT ...] [--set KEY=VALUE ...]

First CrowdFlower: an encoder learns from half of its queries. Then that encoder learns from 5,000 pairs of Home Depot:
without anything; with a quarter of every step from CrowdFlower's learnt half (replay); pulled back to its weights
(L2-SP); with both; and without anything at six times the rate. nDCG@10 inside the judged texts (as
benchmarks/relevance.py) of the 8-bit files: on the half of CrowdFlower that no training saw, before and after Home
Depot, and on a fifth of Home Depot's queries. DIR keeps the models; what is there is only read again. --set changes the
second training. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from record import record
from relevance import line, shop, some, told

from aisle.judgments.pairs import PairSet
from aisle.training.relevance.build import train
from aisle.training.relevance.recipe import load_recipe

PAIRS = 5_000
VARIANTS: Mapping[str, list[str]] = {
    "without anything": ["fit.replay=0"],
    "replay": ["fit.replay=0.25"],
    "L2-SP": ["fit.replay=0", "fit.anchor=1"],
    "replay and L2-SP": ["fit.replay=0.25", "fit.anchor=1"],
    "without anything at six times the rate": ["fit.replay=0", "fit.rate=3e-4"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS))
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    usual = ["model=encoder", "fit.track=none", "fit.threads=1"]
    first, second = shop(given.data, "crowdflower"), some(shop(given.data, "homedepot"), PAIRS)
    start = given.work / "first"
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "changes": given.changes, "rows": {}}
    print("| what | queries | before | after | difference, 95% | p | detectable | promoted |\n" + "|---" * 8 + "|")
    found = metrics(start, first, ["judged_by=share", "held_out=0.5", *usual])["verdict"]
    numbers["rows"]["CrowdFlower, learnt first"] = row = of_verdict(found)
    print(line("CrowdFlower, learnt first", row), flush=True)
    for name, settings in VARIANTS.items():
        if given.only and name not in given.only:
            continue
        out = given.work / "-".join([*name.split(), *given.changes])
        found = metrics(out, second, [f"base={start}", *usual, *given.changes, *settings], first)
        for label, row in {
            f"{name}: Home Depot": of_verdict(found["verdict"]),
            f"{name}: CrowdFlower after it": found["training"]["forgetting"] | {"promoted": None},
        }.items():
            numbers["rows"][label] = row
            print(line(label, row), flush=True)
    if not given.only and not given.changes:
        record("continual", numbers)
    return 0


def metrics(out: Path, pairs: PairSet, changes: list[str], replay: PairSet | None = None) -> dict[str, Any]:
    """Of a training, from its folder if it is there already."""
    if not (out / "manifest.json").exists():
        recipe = load_recipe(None, changes)
        train(
            pairs,
            [],
            recipe,
            out,
            replay=replay,
            resume=True,
            report=told,
            note=lambda text: print(text, file=sys.stderr),
        )
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    return found


def of_verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """As a row."""
    return {
        "queries": verdict["queries"],
        "before": verdict["mean_current"],
        "after": verdict["mean_candidate"],
        **{name: verdict[name] for name in ("difference", "p", "detectable", "promoted")},
    }


if __name__ == "__main__":
    sys.exit(main())
