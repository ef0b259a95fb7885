"""Full fine-tuning against training few parameters, on CrowdFlower: quality, parameters, size, memory, time.

    python benchmarks/peft_methods.py --work DIR [--data ../shared/data] [--only METHOD ...] [--folds N ...]

Each method trains the packaged encoder on four fifths of CrowdFlower's queries, five times, so that every query is held
out once (the folds of benchmarks/relevance.py); all with the default recipe but for `peft.method`. nDCG@10 inside each
held-out query's judged titles, from the 8-bit folders that would be served: gain 2^level - 1, discount log2(rank + 1),
queries of one level left out, encoders alone without the words' signals. Learning rates are those of `RATES`, chosen
on queries of Home Depot, of which there are none here.

Every training is a process of its own with one thread. Its peak memory is what the operating system says, "beyond" that
before the first step, when the model is loaded. DIR keeps what was done, so that an interrupted run goes on; the table
is of the folds that every method asked for has done, and is recorded when that is all of both. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.evaluate.pools import pool_ndcg
from aisle.evaluate.statistics import paired_difference
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.training.relevance.data import FOLDS, cosines, lesson, turns
from aisle.training.relevance.recipe import load_recipe

METHODS = {
    "full": [],
    "lora": ["peft.method=lora"],
    "dora": ["peft.method=dora"],
    "adalora": ["peft.method=adalora"],
    "prefix": ["peft.method=prefix"],
    "adapter": ["peft.method=adapter"],
    "last": ["peft.method=last"],
}
TIMED = 100
HEAD = (
    "| method | rate | nDCG@10 | minus untouched, 95% | detectable | minus full, 95% | detectable | parameters | of "
    "full's | adapter, kB | seconds a fold | peak, MB | beyond the model, MB | query, ms |"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--folds", nargs="*", type=int, default=list(range(FOLDS)))
    parser.add_argument("--child", nargs=2, metavar=("METHOD", "FOLD"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        train(given.work, given.data, given.child[0], int(given.child[1]))
        return 0
    given.work.mkdir(parents=True, exist_ok=True)
    for fold in given.folds:
        for method in given.only:
            if not there(given.work, method, fold):
                asked = [sys.executable, __file__, "--work", str(given.work), "--data", str(given.data)]
                subprocess.run([*asked, "--child", method, str(fold)], check=True)
                print(f"{method}, fold {fold + 1} of {FOLDS}", file=sys.stderr, flush=True)
    done = [fold for fold in range(FOLDS) if all(there(given.work, name, fold) for name in given.only)]
    rows = table(given.work, read(given.data), given.only, done)
    print(f"folds {done}")
    print(HEAD + "\n" + "|---" * HEAD.count("| ") + "|")
    for name, row in rows.items():
        print(line(name, row))
    if set(given.only) == set(METHODS):
        record("peft_methods", {"notes": " ".join(__doc__.split()), "folds": done, "methods": rows})
    return 0


def there(work: Path, method: str, fold: int) -> bool:
    return (work / method / str(fold) / "facts.json").exists()


def read(data: Path) -> PairSet:
    return read_pairs(data / "crowdflower" / "pairs.csv", need_grades=True)


def train(work: Path, data: Path, method: str, fold: int) -> None:
    """One training, in this process: its folder, the cosines of the pairs it did not see, and what it took."""
    import torch  # before anything is measured

    from aisle.encoders.weights import read_weights
    from aisle.training.peft.adapt import count
    from aisle.training.relevance.adapters import ADAPTER, write_tuned
    from aisle.training.relevance.fit import Fit
    from aisle.training.relevance.model import TunedEncoder

    out = work / method / str(fold)
    out.mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(None, ["fit.threads=1", "fit.track=none", *METHODS[method]])
    settings = replace(recipe.fit, rate=recipe.peft.learning_rate(recipe.fit.rate))
    pairs = read(data)
    held = turns(pairs, recipe.seed)[fold]
    rest, asked = (pairs.subset(np.flatnonzero(rows).tolist()) for rows in (~held, held))
    weights = read_weights(FOLDER)
    model = TunedEncoder(weights, settings.dropout, recipe.peft, settings.seed)
    task = lesson([rest], rest.subset([]), recipe.description, OnnxEncoder(FOLDER).tokenizer(settings.max_tokens).ids)
    fit = Fit(model, task, settings, out)
    before, start = peak(), time.perf_counter()
    fit.run(lambda *_: None)
    seconds, after = time.perf_counter() - start, peak()
    (out / "checkpoint.pt").unlink()
    write_tuned(model, weights, out / "folder")
    found = cosines(OnnxEncoder(out / "folder", threads=1).encode, asked, recipe.description)
    ranks = sorted(model.adaptation.ranks().values())
    facts = {
        "rate": settings.rate,
        "parameters": count(model).trained,
        "seconds": round(seconds, 2),
        "peak_bytes": after,
        "beyond_bytes": after - before,
        "adapter_bytes": size(out / "folder" / ADAPTER),
        "encoder_bytes": size(out / "folder") - size(out / "folder" / ADAPTER),
        "query_ms": timed(OnnxEncoder(out / "folder", threads=1), asked),
        "ranks": {"least": ranks[0], "most": ranks[-1], "mean": round(float(np.mean(ranks)), 2)} if ranks else None,
        "torch": torch.__version__,
    }
    np.save(out / "cosines.npy", found)
    (out / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def peak() -> int:
    """The most memory this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def timed(encoder: OnnxEncoder, pairs: PairSet) -> float:
    """Median milliseconds of encoding one query."""
    found = []
    for query in list(dict.fromkeys(pair.query for pair in pairs))[:TIMED]:
        start = time.perf_counter()
        encoder.encode([query], "query")
        found.append(1000 * (time.perf_counter() - start))
    return round(float(np.median(found[1:])), 3)


def table(work: Path, pairs: PairSet, methods: list[str], folds: list[int]) -> dict[str, Any]:
    """Each method, and the encoder before any training, on the queries held out in some folds."""
    masks = turns(pairs, 0)
    rows: dict[str, Any] = {}
    values: dict[str, dict[str, float]] = {name: {} for name in ("untouched", *methods)}
    for fold in folds:
        held = pairs.subset(np.flatnonzero(masks[fold]).tolist())
        for name, found in values.items():
            kept = work / name / str(fold) / "cosines.npy"
            scores = np.load(kept) if kept.exists() else cosines(OnnxEncoder(FOLDER).encode, held, False)
            found |= pool_ndcg(held.by_query(), held.levels(), scores)
    for method, found in values.items():
        rows[method] = {"queries": len(found), "ndcg": float(np.mean(list(found.values())))}
        if method != "untouched":
            rows[method] |= facts_of(work, method, folds)
            rows[method]["share"] = rows[method]["parameters"] / facts_of(work, "full", folds)["parameters"]
        for other in ("full", "untouched"):
            if other not in (method, "") and other in values and method != "untouched":
                compared = paired_difference([found[query] - values[other][query] for query in found])
                interval = compared.interval
                rows[method][f"minus_{other}"] = {
                    "mean": interval.mean,
                    "low": interval.low,
                    "high": interval.high,
                    "p": compared.p,
                    "detectable": compared.detectable,
                }
    return rows


def facts_of(work: Path, method: str, folds: list[int]) -> dict[str, Any]:
    """Seconds and milliseconds in the mean, memory and bytes at most."""
    found = [json.loads((work / method / str(fold) / "facts.json").read_text()) for fold in folds]
    means = {name: float(np.mean([fold[name] for fold in found])) for name in ("seconds", "query_ms")}
    most = ("peak_bytes", "beyond_bytes", "adapter_bytes", "encoder_bytes", "parameters", "rate")
    return means | {name: max(fold[name] for fold in found) for name in most} | {"ranks": found[0]["ranks"]}


def line(name: str, row: dict[str, Any]) -> str:
    if name == "untouched":
        return f"| untouched | | {row['ndcg']:.4f} |" + " |" * (HEAD.count("| ") - 3)
    shown = [difference(row.get(f"minus_{other}")) for other in ("untouched", "full")]
    adapter = f"{row['adapter_bytes'] / 1e3:,.0f}" if row["adapter_bytes"] else ""
    return (
        f"| {name} | {row['rate']:g} | {row['ndcg']:.4f} | {' | '.join(shown)} | {row['parameters']:,} |"
        f" {row['share']:.1%} | {adapter} | {row['seconds']:.0f} | {row['peak_bytes'] / 1e6:,.0f} |"
        f" {row['beyond_bytes'] / 1e6:,.0f} | {row['query_ms']:.2f} |"
    )


def difference(found: dict[str, Any] | None) -> str:
    if found is None:
        return " | "
    detectable = "" if found["detectable"] is None else f"{found['detectable']:.4f}"
    return f"{found['mean']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}] (p {found['p']:.2g}) | {detectable}"


if __name__ == "__main__":
    sys.exit(main())
