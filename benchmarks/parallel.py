"""What each of two processes holds while they train an encoder on CrowdFlower, and whether it is the same training.

    python benchmarks/parallel.py --work DIR [--data ../shared/data]

The first 32 queries of CrowdFlower with up to 8 titles each, one epoch of the default recipe in fp32, one thread in
each process: by one process, by one process in two parts, and by two processes (torchrun, gloo) in each of the three
ways. Then two steps of 2 queries with 2 titles each of an encoder of BERT-base's size with random weights, which weigh
more than what passes through them.

Counted are the numbers that a process holds of weights that move, of their gradients, of the optimiser and of the first
weights, 4 bytes each; measured are the most resident memory beyond that before the fit, the seconds, and how far the
final weights are from those of one process, as a share of how far these moved (biases of keys left out, on which no
softmax depends). MALLOC_MMAP_THRESHOLD_ has the C library return what was freed: else it keeps what every layer's
weights took while they were whole, and the peak of "fsdp" lies above that of "data". Linux. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.training.relevance.data import lesson
from aisle.training.relevance.recipe import load_recipe

WAYS = {
    "one process": [],
    "one process, two parts": ["fit.accumulate=2"],
    "data": ["fit.parallel=data"],
    "fsdp": ["fit.parallel=fsdp"],
    "tensor": ["fit.parallel=tensor"],
}
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "500000"}
SIZES = {"packaged": (32, 8, []), "base": (4, 2, ["fit.queries=2"])}
"""Queries, titles of each, and settings."""
MIB = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--child", nargs=2, metavar=("SIZE", "WAY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        train(given.work, given.data, *given.child)
        return 0
    given.work.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {size: {} for size in SIZES}
    for size, way in [(size, way) for size in SIZES for way in WAYS]:
        several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        asked = [sys.executable, *([] if way.startswith("one") else several), __file__]
        asked += ["--work", str(given.work), "--data", str(given.data), "--child", size, way]
        root = str(Path(__file__).parent.parent)
        subprocess.run(asked, check=True, env=os.environ | {"PYTHONPATH": root} | ENVIRONMENT)
        found = sorted(given.work.glob(f"{size}, {way}-*.json"))
        rows[size][way] = {"apart": apart(given.work, size, way)} | {
            name: [json.loads(path.read_text(encoding="utf-8"))[name] for path in found]
            for name in ("held", "beyond_bytes", "seconds", "steps", "trained")
        }
        print(line(f"{size}, {way}", rows[size][way]), flush=True)
    record("parallel", {"notes": " ".join(__doc__.split()), "sizes": rows})
    return 0


def line(way: str, row: dict[str, Any]) -> str:
    """Of a table, in MiB: what the first process holds; beyond that before, of each; seconds; how far apart."""
    held = row["held"][0]
    counted = " | ".join(f"{4 * held[name] / MIB:.1f}" for name in ("weights", "gradients", "optimiser", "first"))
    beyond = ", ".join(f"{each / MIB:.0f}" for each in row["beyond_bytes"])
    return f"| {way} | {counted} | {beyond} | {row['seconds'][0]:.1f} | {row['apart']:.1e} |"


def read(data: Path, queries: int, titles: int) -> PairSet:
    """The first queries, a few titles of each."""
    pairs = read_pairs(data / "crowdflower" / "pairs.csv", need_grades=True)
    return pairs.subset([row for rows in list(pairs.by_query().values())[:queries] for row in rows[:titles]])


def weights_of(size: str) -> Any:
    """Of the packaged encoder, or of one of BERT-base's size that has its words."""
    from aisle.encoders.export import BertShape
    from aisle.encoders.weights import EncoderWeights, read_weights

    packaged = read_weights(FOLDER)
    if size == "packaged":
        return packaged
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    rows = packaged.weights["embeddings.word_embeddings.weight"]
    model = BertModel(BertConfig(vocab_size=1), add_pooling_layer=False)
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    weights["embeddings.word_embeddings.weight"] = np.hstack([rows, rows])
    return EncoderWeights(weights, BertShape(768, 12, 12, 1e-12, 512), {}, None, packaged.manifest)


def train(work: Path, data: Path, size: str, way: str) -> None:
    """One training, in this process: what it holds and what it comes to."""
    import torch
    import torch.distributed as dist

    from aisle.training.parallel.step import local
    from aisle.training.relevance.compute import CPU, memory_now
    from aisle.training.relevance.fit import Fit
    from aisle.training.relevance.model import TunedEncoder

    if not way.startswith("one"):
        dist.init_process_group("gloo")
    rank = dist.get_rank() if dist.is_initialized() else 0
    changes = ["fit.threads=1", "fit.track=none", "fit.precision=fp32", "fit.epochs=1", "fit.device=cpu"]
    queries, titles, more = SIZES[size]
    recipe = load_recipe(None, [*changes, *more, *WAYS[way]])
    pairs = read(data, queries, titles)
    model = TunedEncoder(weights_of(size), 0.0)
    task = lesson([pairs], pairs.subset([]), False, OnnxEncoder(FOLDER).tokenizer(recipe.fit.max_tokens).ids)
    first = {part: value.detach().clone() for part, value in model.trained().items()}
    name = f"{size}, {way}"
    folder = work / f"{name}.training"
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    before = memory_now(CPU)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    fit = Fit(model, task, recipe.fit, folder)
    held: dict[str, int] = {}

    def report(step: int, steps: int, losses: Any) -> None:
        parts = list(fit.model.trained().values())
        state = [value for found in fit._optimiser.state.values() for value in found.values()]
        held["weights"] = numbers(parts)
        held["gradients"] = numbers([value.grad for value in parts if value.grad is not None])
        held["optimiser"] = numbers(state)
        held["first"] = numbers(fit._first.values())

    def numbers(values: Any) -> int:
        return sum(local(value).numel() for value in values)

    start = time.perf_counter()
    fit.run(report)
    facts = {
        "held": held,
        "beyond_bytes": peak() - before,
        "seconds": time.perf_counter() - start,
        "steps": fit._steps,
        "trained": numbers(model.trained().values()),
    }
    (work / f"{name}-{rank}.json").write_text(json.dumps(facts), encoding="utf-8")
    if rank == 0:
        last = {part: value.detach() for part, value in model.trained().items()}
        torch.save({"first": first, "last": last}, work / f"{name}.pt")
    (folder / "checkpoint.pt").unlink(missing_ok=True)
    if dist.is_initialized():
        dist.destroy_process_group()


def peak() -> int:
    """The most memory resident since the peak began anew, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def apart(work: Path, size: str, way: str) -> float:
    """How far the weights of a way are from those of one process, as a share of how far these moved."""
    import torch

    alone, other = (torch.load(work / f"{size}, {name}.pt", weights_only=True) for name in ("one process", way))
    names = [name for name in alone["last"] if "key.bias" not in name]

    def far(left: dict[str, Any], right: dict[str, Any]) -> float:
        return sum(float((left[name] - right[name]).square().sum()) for name in names) ** 0.5

    return far(alone["last"], other["last"]) / far(alone["last"], alone["first"])


if __name__ == "__main__":
    raise SystemExit(main())
