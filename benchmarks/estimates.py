"""What training was thought to take against what it took: eight configurations, each in a process of its own.

    python benchmarks/estimates.py --data ../shared/data [--only NAME ...]

CrowdFlower's first 30 queries with 16 texts of each, trained from end to end with one thread. The estimate is the one
that every training prints before it starts; measured is the wall time from there to the model that goes to the gate,
and the peak resident memory of the whole process. Other work on the machine changes the time (each case has the load at
its end): run it alone. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from record import RESULTS, record

QUERIES, TEXTS = 30, 16
SHORT = ["fit.epochs=1", "judged_by=share"]
CASES: dict[str, list[str]] = {
    "default": SHORT,
    "32 lists a step, 20 tokens": [*SHORT, "fit.queries=32", "fit.max_tokens=20"],
    "the same in four parts, recomputed": [
        *SHORT,
        "fit.queries=32",
        "fit.max_tokens=20",
        "fit.accumulate=4",
        "fit.checkpointing=true",
    ],
    "late interaction": [*SHORT, "fit.late=1.0"],
    "fp32, two epochs, encoder alone": ["judged_by=share", "fit.precision=fp32", "model=encoder"],
    "last two layers, four epochs": ["judged_by=share", "fit.epochs=4", "peft.method=last", "peft.layers=2"],
    "cross-encoder": [*SHORT, "model=cross-encoder"],
    "cross-encoder beside an encoder": [*SHORT, "model=full"],
}
TARGET = RESULTS / "estimates.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=list(CASES))
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(train_one(given.data, CASES[given.case])))
        return 0
    print("| configuration | steps | seconds thought, taken, off by | MiB thought, taken, off by |\n|---|---|---|---|")
    for name in given.only or CASES:
        command = [sys.executable, __file__, "--data", str(given.data), "--case", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        took = json.loads(done.stdout.splitlines()[-1])
        thought, measured = took["estimate"], took["measured"]
        off = {key: thought[key] / measured[key] - 1 for key in ("seconds", "memory")}
        times = f"{thought['seconds']:.1f}, {measured['seconds']:.1f}, {off['seconds']:+.0%}"
        sizes = f"{thought['memory'] / 2**20:.0f}, {measured['memory'] / 2**20:.0f}, {off['memory']:+.0%}"
        print(f"| {name} | {thought['steps']} | {times} | {sizes} |", flush=True)
        # One case is kept at a time, so that they can be measured one by one when the machine is free.
        cases = json.loads(TARGET.read_text(encoding="utf-8"))["cases"] if TARGET.exists() else {}
        cases[name] = {"changes": CASES[name], "load": os.getloadavg()[0], **took, "off": off}
        worst = {key: max(abs(case["off"][key]) for case in cases.values()) for key in ("seconds", "memory")}
        record("estimates", {"notes": " ".join(__doc__.split()), "worst": worst, "cases": cases})
    return 0


def train_one(data: Path, changes: list[str]) -> dict[str, Any]:
    """Estimate and measurement of one training in this process."""
    from aisle.judgments.pairs import read_pairs
    from aisle.training.relevance.build import train
    from aisle.training.relevance.recipe import load_recipe

    pairs = read_pairs(data / "crowdflower" / "pairs.csv", need_grades=True)
    pairs = pairs.subset([row for rows in list(pairs.by_query().values())[:QUERIES] for row in rows[:TEXTS]])
    recipe = load_recipe(None, ["model=combination", "fit.threads=1", "fit.track=none", *changes])
    with tempfile.TemporaryDirectory() as folder:
        trained = train(pairs, [], recipe, Path(folder) / "model")
    return dict(trained.took)


if __name__ == "__main__":
    sys.exit(main())
