"""Run every benchmark that this machine has the data and packages for, one after the other.

python benchmarks/run_all.py
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
DATA = HERE.parent.parent / "shared" / "data"


def run(*arguments: str) -> None:
    print(f"\n$ python benchmarks/{' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, str(HERE / arguments[0]), *arguments[1:]], check=True)


def main() -> None:
    out = HERE.parent / "demo-out" / "icecat"
    aisle = Path(sys.executable).with_name("aisle")
    sample = HERE.parent / "samples" / "icecat" / "products.jsonl.gz"
    subprocess.run([aisle, "index", str(sample), "--out", str(out)], check=True)
    run("icecat_quality.py", "--index", str(out))
    run("startup.py", str(out))
    run("search_latency.py")
    run("index.py")
    run("fusion.py")
    for name, folder in (("duplicates_abt_buy.py", "abt_buy"), ("categories_livostyle.py", "livostyle")):
        if (DATA / folder).exists():
            run(name)
        else:
            print(f"{name} left out: {DATA / folder} is not there")
    if find_spec("sentence_transformers"):
        run("encoder.py", "speed")
    else:
        print("encoder.py left out: make train-env adds sentence-transformers to compare with")


if __name__ == "__main__":
    main()
