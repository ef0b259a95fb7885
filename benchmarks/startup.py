"""Seconds from process start to the first answer of `aisle search`, and where they go.

    python benchmarks/startup.py INDEX_FOLDER [--runs 7]

Each run is a fresh process: interpreter, imports, opening the index, loading the encoder, one hybrid search.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from record import record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    aisle = Path(sys.executable).with_name("aisle")
    seconds: dict[str, list[float]] = {"search": [], "help": []}
    for _ in range(arguments.runs):
        start = time.perf_counter()
        command = [aisle, "search", arguments.folder, "noise cancelling headphones", "--json"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds["search"].append(time.perf_counter() - start)
        assert json.loads(answer.stdout)["hits"]
        start = time.perf_counter()
        subprocess.run([aisle, "--help"], capture_output=True, check=True)
        seconds["help"].append(time.perf_counter() - start)
    numbers = {
        name: {"first": round(taken[0], 3), "median": round(statistics.median(taken), 3), "worst": round(max(taken), 3)}
        for name, taken in seconds.items()
    }
    print(numbers)
    record("startup", {"runs": arguments.runs, "seconds": numbers})


if __name__ == "__main__":
    main()
