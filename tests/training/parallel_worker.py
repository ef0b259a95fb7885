"""Run by test_parallel.py in each of two processes: every case in every way, what is held and what comes of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from aisle.errors import RecipeError
from aisle.training.parallel.crew import Crew
from aisle.training.parallel.step import held, local, shared_backward, shared_parts
from aisle.training.relevance.fit import Fit
from tests.training.parallel_cases import CASES, PLAIN, REFUSED, model_of, trained
from tests.training.tiny import planted


def main(out: Path) -> None:
    dist.init_process_group("gloo")
    for name, case in CASES.items():
        for how in case.ways:
            weights, fit = trained(case, how, out / name / how)
            state = [value for found in fit._optimiser.state.values() for value in found.values()]
            write(
                out / f"{name}-{how}",
                weights=weights,
                held=held(fit.model),
                optimiser=sum(local(value).numel() for value in state),
                scores=fit._scores,
            )
    for how in CASES["plain"].ways:
        trained(CASES["plain"], how, out / "stopped" / how, stop_at=3)
        trained(CASES["plain"], how, out / "left" / how, stop_at=3)
        write(out / f"stopped-{how}", weights=trained(CASES["plain"], how, out / "stopped" / how)[0])
    write(out / "dropout", apart=dropout(out))
    write(out / "refused", said={name: refused(name, out) for name in REFUSED} | {"heads": heads()})
    dist.destroy_process_group()


def write(path: Path, **found: Any) -> None:
    """For this process."""
    torch.save(found, f"{path}-{dist.get_rank()}.pt")


def dropout(out: Path) -> float:
    """How far the shared gradient is, with dropout, from the one that needs no second pass through the model."""
    rank = dist.get_rank()
    settings = replace(PLAIN, dropout=0.2)
    model = model_of(CASES["dropout"], settings)
    fit = Fit(model, planted(), settings, out)
    model.train()
    step = fit.study.step(fit.batches(0)[0], "")
    parts = shared_parts(step.lengths, 2, 2)
    torch.manual_seed(7 + rank)
    shared_backward(step.encode, parts, step.losses)
    shared = [value.grad.clone() for value in model.trained().values()]
    model.zero_grad()
    torch.manual_seed(7 + rank)
    found: dict[int, torch.Tensor] = {}
    for turn in range(0, len(parts), 2):
        own = step.encode(parts[turn + rank] or [0])
        for other in (0, 1):
            part = parts[turn + other]
            rows = own.detach().clone() if other == rank else own.new_zeros(max(len(part), 1), own.shape[1])
            dist.broadcast(rows, other)
            found |= zip(part, own if other == rank else rows, strict=False)
    torch.stack(list(step.losses(torch.stack([found[item] for item in sorted(found)])).values())).sum().backward()
    size = sum(float(value.grad.square().sum()) for value in model.trained().values())
    far = [
        float((value.grad - one).square().sum()) for value, one in zip(model.trained().values(), shared, strict=True)
    ]
    return float((sum(far) / size) ** 0.5)


def refused(name: str, out: Path) -> str:
    """What is said of settings that several processes cannot share."""
    case = REFUSED[name]
    try:
        trained(case, case.ways[0], out / "refused")
    except RecipeError as error:
        return str(error)
    return "nothing"


def heads() -> str:
    """What is said of layers that cannot be divided between three processes."""
    try:
        Crew("tensor", 0, 3)._check(model_of(CASES["plain"], PLAIN))
    except RecipeError as error:
        return str(error)
    return "nothing"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
