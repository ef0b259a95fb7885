"""Run by test_parallel.py in each of two processes: the gradient of a shared step against that of one process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from aisle.training.parallel.step import add_up, shard, shared_backward, shared_parts, split
from aisle.training.relevance.fit import Fit
from aisle.training.relevance.model import TunedEncoder
from aisle.training.relevance.recipe import FitSettings
from tests.training.tiny import planted, tiny_encoder


def gradients(model: TunedEncoder) -> dict[str, torch.Tensor]:
    found = {}
    for name, value in model.trained().items():
        if value.grad is not None:
            grad: Any = value.grad
            found[name] = (grad.full_tensor() if hasattr(grad, "full_tensor") else grad).detach().clone()
    return found


def main(out: Path) -> None:
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    settings = FitSettings(queries=8, per_query=4, threads=1, precision="fp32", track="none")
    fit = Fit(TunedEncoder(tiny_encoder()), planted(), settings, out)
    torch.use_deterministic_algorithms(False)
    chunks = fit.batches(0)[0]
    ids, number = fit.items(chunks)

    def losses(rows: torch.Tensor) -> Any:
        return fit.objective.losses(rows, None, None, chunks, number)

    whole = losses(fit.model.outputs(ids))
    torch.stack(list(whole.values())).sum().backward()
    wanted = gradients(fit.model)
    size = sum(float(value.square().sum()) for value in wanted.values())
    parts = shared_parts([len(row) for row in ids], dist.get_world_size())
    far: dict[str, Any] = {"parts": [len(part) for part in parts]}
    for name in ("replicated", "sharded", "split"):
        model = TunedEncoder(tiny_encoder())
        encode = lambda part, model=model: model([ids[item] for item in part])  # noqa: E731
        if name == "replicated":
            found = shared_backward(encode, parts, losses, mean=False)
            add_up(model)
        elif name == "sharded":
            shard(model, mesh)
            found = shared_backward(encode, parts, losses, mean=True)
        else:
            split(model, mesh)
            found = losses(encode(range(len(ids))))
            torch.stack(list(found.values())).sum().backward()
        made = gradients(model)
        apart = sum(float((made[key] - wanted[key]).square().sum()) for key in wanted)
        held = sum((value.to_local() if hasattr(value, "to_local") else value).numel() for value in model.parameters())
        far[name] = {
            "apart": (apart / size) ** 0.5,
            "losses": [float(value) for value in found.values()],
            "weights here": held,
        }
    far["losses"] = [float(value) for value in whole.values()]
    far["weights"] = sum(value.numel() for value in fit.model.parameters())
    (out / f"{dist.get_rank()}.json").write_text(json.dumps(far), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
