"""How long a tuning will take and how much memory it will need, before it starts. PyTorch.

A language model may fill the memory: there is no room for a copy to try. A few steps are taken with the adapter itself,
whose weights are then put back. The heaviest one is among them: what it needs is measured, not calculated.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from typing import Any

import torch

from aisle.training.llm.fit import Fit
from aisle.training.relevance.compute import Compute
from aisle.training.relevance.forecast import Estimate, timed, utilisation

_PRECISIONS = {torch.bfloat16: "bf16", torch.float16: "fp16"}


def compute_of(model: Any) -> Compute:
    """Where a language model is, and in which numbers."""
    return Compute(model.device, _PRECISIONS.get(model.dtype, "fp32"))


def forecast(fit: Fit, measuring: float) -> Estimate:
    """What training, and measuring afterwards, will take; the adapter ends as it began.

    Args:
        fit: About to begin.
        measuring: Seconds that the held-out pairs took before.
    """
    compute, first = compute_of(fit.model), {name: value.detach().clone() for name, value in fit.trained.items()}
    trial = Fit(fit.model, fit.words, fit.train, fit.settings, fit.folder / "estimate")
    trial.folder.mkdir(exist_ok=True)
    steps, weights = trial.batches(0), layer_weights(fit.model)
    work = [[operations(trial, part, weights) for part in trial.parts(rows)] for rows in steps]
    trial.step(steps[max(range(len(steps)), key=lambda place: max(work[place]))], 0)
    each = [sum(parts) for parts in work]
    seconds = timed(each, lambda place: trial.step(steps[place], 0), compute)
    start = time.perf_counter()
    trial.save("")
    saving = (time.perf_counter() - start) * (1 + (fit.steps - 1) // fit.settings.save_every)
    memory = compute.peak_bytes()
    shutil.rmtree(trial.folder)
    with torch.no_grad():
        for name, value in fit.trained.items():
            value.copy_(first[name])
            value.grad = None
    parts = {"steps": seconds * sum(each) * fit.settings.epochs, "checkpoints": saving, "held out": measuring}
    told = utilisation(compute, 1 / seconds)
    return Estimate(sum(parts.values()), memory, fit.steps, parts, str(compute.device), told)


def layer_weights(model: Any) -> int:
    """How many every token goes through: all but the rows of words, before the layers and after them."""
    rows = {id(part.weight): part.weight for part in (model.get_input_embeddings(), model.get_output_embeddings())}
    return sum(int(value.numel()) for value in model.parameters()) - sum(int(row.numel()) for row in rows.values())


def operations(fit: Fit, rows: Sequence[int], weights: int) -> float:
    """Of prompts that go through the model together, padding counted: there, back, and there again if need be.

    Two for each weight and token, and those of attention. The way back costs no more than the way there, since the
    weights themselves get no gradients; those of the adapter are few.
    """
    tokens, config = max(len(fit.train.ids[row]) for row in rows), fit.model.config.get_text_config()
    attention = 2 * config.num_hidden_layers * config.hidden_size * tokens
    return float((2 + fit.settings.checkpointing) * 2 * len(rows) * tokens * (weights + attention))
