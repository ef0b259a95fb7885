"""Full fine-tuning against training few parameters, on CrowdFlower: quality, parameters, size, memory, time.

    python benchmarks/peft_methods.py --work DIR [--kind cross [--base DIR]] [--data ../shared/data]
        [--only METHOD ...] [--folds N ...]

Each method trains the packaged encoder on four fifths of CrowdFlower's queries, five times, so that every query is held
out once (the folds of benchmarks/relevance.py); all with the default recipe but for `peft.method`. nDCG@10 inside each
held-out query's judged titles, from the 8-bit folders that would be served: gain 2^level - 1, discount log2(rank + 1),
queries of one level left out, encoders alone without the words' signals. Learning rates are those of
`aisle.training.peft.settings.RATES`, chosen for encoders on queries of Home Depot, of which there are none here.

`--kind cross` trains a cross-encoder in the same way, from the layers of the packaged encoder or from the cross-encoder
in the folder `--base`; untouched is then the packaged encoder's cosine, or that cross-encoder. It takes the encoders'
rates. Each kind and base wants a DIR of its own.

Every training is a process of its own with one thread; seconds are those of the fastest fold. Its peak memory
is what the operating system says, "beyond" that before the first step, when the model is loaded. DIR keeps what was
done, so that an interrupted run goes on; the table is of the folds that every method asked for has done. Needs
aisle[train].
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.evaluate.pools import pool_ndcg
from aisle.evaluate.statistics import paired_difference
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.rerankers.cross_encoder import OnnxCrossEncoder
from aisle.training.relevance.data import FOLDS, cosines, lesson, turns
from aisle.training.relevance.recipe import TrainingRecipe, load_recipe
from aisle.types import Array

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
    parser.add_argument("--kind", choices=["encoder", "cross"], default="encoder")
    parser.add_argument("--base", default="embedded", help="of a cross-encoder: what it begins as")
    parser.add_argument("--child", nargs=2, metavar=("METHOD", "FOLD"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        made = train_cross if given.kind == "cross" else train_encoder
        train(given, given.child[0], int(given.child[1]), made)
        return 0
    given.work.mkdir(parents=True, exist_ok=True)
    for fold in given.folds:
        for method in given.only:
            if not there(given.work, method, fold):
                asked = [sys.executable, *sys.argv, "--child", method, str(fold)]
                subprocess.run(asked, check=True)
                print(f"{method}, fold {fold + 1} of {FOLDS}", file=sys.stderr, flush=True)
    done = [fold for fold in range(FOLDS) if all(there(given.work, name, fold) for name in given.only)]
    rows = table(given, read(given.data), done)
    print(f"folds {done}")
    print(HEAD + "\n" + "|---" * HEAD.count("| ") + "|")
    for name, row in rows.items():
        print(line(name, row))
    if {"full", "lora", "adalora", "prefix", "adapter", "last"} <= set(given.only) and done:
        began = "" if given.base == "embedded" else "_base"
        name = f"peft_methods_cross{began}" if given.kind == "cross" else "peft_methods"
        record(name, {"notes": " ".join(__doc__.split()), "folds": done, "methods": rows})
    return 0


def there(work: Path, method: str, fold: int) -> bool:
    return (work / method / str(fold) / "facts.json").exists()


def read(data: Path) -> PairSet:
    return read_pairs(data / "crowdflower" / "pairs.csv", need_grades=True)


def train(given: argparse.Namespace, method: str, fold: int, made: Callable[..., Made]) -> None:
    """One training, in this process: its folder, the scores of the pairs it did not see, and what it took."""
    import torch

    out = given.work / method / str(fold)
    out.mkdir(parents=True, exist_ok=True)
    changes = ["model=cross-encoder", f"base={given.base}"] if given.kind == "cross" else []
    recipe = load_recipe(None, ["fit.threads=1", "fit.track=none", *changes, *METHODS[method]])
    pairs = read(given.data)
    held = turns(pairs, recipe.seed)[fold]
    rest, asked = (pairs.subset(np.flatnonzero(rows).tolist()) for rows in (~held, held))
    done = made(recipe, rest, out)
    (out / "checkpoint.pt").unlink()
    ranks = sorted(done.ranks)
    found = scores(given.kind, out / "folder", asked)
    facts = {
        "rate": done.rate,
        "parameters": done.parameters,
        "seconds": round(done.seconds, 2),
        "peak_bytes": done.after,
        "beyond_bytes": done.after - done.before,
        "adapter_bytes": size(out / "folder" / "adapter"),
        "model_bytes": size(out / "folder") - size(out / "folder" / "adapter"),
        "query_ms": timed(given.kind, out / "folder", asked),
        "ranks": {"least": ranks[0], "most": ranks[-1], "mean": round(float(np.mean(ranks)), 2)} if ranks else None,
        "torch": torch.__version__,
    }
    np.save(out / "scores.npy", found)
    (out / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Made:
    """What a training took; its model is in the folder ``folder``."""

    rate: float
    parameters: int
    ranks: Sequence[int]
    seconds: float
    before: int
    after: int


def train_encoder(recipe: TrainingRecipe, rest: PairSet, out: Path) -> Made:
    from aisle.encoders.weights import read_weights
    from aisle.training.relevance.adapters import write_tuned
    from aisle.training.relevance.model import TunedEncoder

    settings = replace(recipe.fit, rate=recipe.peft.learning_rate(recipe.fit.rate))
    weights = read_weights(FOLDER)
    model = TunedEncoder(weights, settings.dropout, recipe.peft, settings.seed)
    task = lesson([rest], rest.subset([]), recipe.description, OnnxEncoder(FOLDER).tokenizer(settings.max_tokens).ids)
    return fitted(model, task, settings, out, lambda: write_tuned(model, weights, out / "folder"))


def train_cross(recipe: TrainingRecipe, rest: PairSet, out: Path) -> Made:
    from aisle.artifacts import read_kind, read_manifest
    from aisle.training.relevance.adapters import keep_adapter
    from aisle.training.relevance.cross_route import CrossRoute

    route = CrossRoute(recipe, [], out, lambda *_: None, lambda _: None)
    settings = replace(route.recipe.fit, rate=recipe.peft.learning_rate(route.recipe.fit.rate))
    model, task = route.new_model(settings), route.lesson([rest], rest.subset([]))

    def write() -> None:
        began = read_manifest(route.base, read_kind(route.base), 1).fingerprint
        keep_adapter(model, recipe.peft, began, out / "folder")
        route.write(model, out / "folder")

    return fitted(model, task, settings, out, write)


def fitted(model: Any, task: Any, settings: Any, out: Path, write: Callable[[], None]) -> Made:
    """The training itself, and the model's folder behind it."""
    from aisle.training.peft.adapt import count
    from aisle.training.relevance.fit import Fit

    fit = Fit(model, task, settings, out)
    before, start = peak(), time.process_time()  # on a shared machine a clock tells how busy it is
    fit.run(lambda *_: None)
    seconds, after = time.process_time() - start, peak()
    write()
    ranks = list(model.adaptation.ranks().values())
    return Made(settings.rate, count(model).trained, ranks, seconds, before, after)


def scores(kind: str, folder: Path | str, pairs: PairSet) -> Array:
    """Of a model's folder, or of the packaged encoder."""
    if kind == "cross" and folder != "embedded":
        return OnnxCrossEncoder(Path(folder)).score_pairs(
            [pair.query for pair in pairs], [pair.title for pair in pairs]
        )
    return cosines(OnnxEncoder(FOLDER if folder == "embedded" else Path(folder)).encode, pairs, False)


def peak() -> int:
    """The most memory this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def timed(kind: str, folder: Path, pairs: PairSet) -> float:
    """Median milliseconds of encoding one query; of a cross-encoder, of reading one with its first ten titles."""
    model = OnnxCrossEncoder(folder, threads=1) if kind == "cross" else OnnxEncoder(folder, threads=1)
    found = []
    for query, rows in list(pairs.by_query().items())[:TIMED]:
        titles = [pairs[row].title for row in rows[:10]]
        start = time.perf_counter()
        if isinstance(model, OnnxCrossEncoder):
            model.score_pairs([query] * len(titles), titles)
        else:
            model.encode([query], "query")
        found.append(1000 * (time.perf_counter() - start))
    return round(float(np.median(found[1:])), 3)


def table(given: argparse.Namespace, pairs: PairSet, folds: list[int]) -> dict[str, Any]:
    """Each method, and the model before any training, on the queries held out in some folds."""
    work, masks = given.work, turns(pairs, 0)
    before = given.base if given.kind == "cross" else "embedded"
    rows: dict[str, Any] = {}
    values: dict[str, dict[str, float]] = {name: {} for name in ("untouched", *given.only)}
    for fold in folds:
        held = pairs.subset(np.flatnonzero(masks[fold]).tolist())
        for name, found in values.items():
            kept = work / name / str(fold) / "scores.npy"
            scored = np.load(kept) if kept.exists() else scores(given.kind, before, held)
            found |= pool_ndcg(held.by_query(), held.levels(), scored)
    for method, found in values.items():
        rows[method] = {"queries": len(found), "ndcg": float(np.mean(list(found.values())))}
        if method == "untouched":
            continue
        rows[method] |= facts_of(work, method, folds)
        rows[method]["share"] = rows[method]["parameters"] / facts_of(work, "full", folds)["parameters"]
        for other in ("full", "untouched"):
            if other != method and other in values:
                rows[method][f"minus_{other}"] = minus(found, values[other])
    return rows


def minus(found: Mapping[str, float], other: Mapping[str, float]) -> dict[str, Any]:
    compared = paired_difference([found[query] - other[query] for query in found])
    interval = compared.interval
    ends = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {**ends, "p": compared.p, "detectable": compared.detectable}


def facts_of(work: Path, method: str, folds: list[int]) -> dict[str, Any]:
    """Seconds and milliseconds of the fastest fold, memory and bytes of the largest."""
    found = [json.loads((work / method / str(fold) / "facts.json").read_text()) for fold in folds]
    least = {name: min(fold[name] for fold in found) for name in ("seconds", "query_ms")}
    most = ("peak_bytes", "beyond_bytes", "adapter_bytes", "model_bytes", "parameters", "rate")
    return least | {name: max(fold[name] for fold in found) for name in most} | {"ranks": found[0]["ranks"]}


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
