"""How long a training will take and how much memory it will need, before it starts. PyTorch.

Time is counted in arithmetic operations, which the tokens of every step give exactly, and a few real steps say how
fast they are here. Memory is counted from what a forward pass keeps for the way back, measured on a handful of tokens.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aisle.rerankers.cross_encoder import Pair, joined
from aisle.training.batches import grouped
from aisle.training.relevance.accumulate import parts_of
from aisle.training.relevance.compute import Compute
from aisle.training.relevance.cross_model import CrossModel
from aisle.training.relevance.data import Lesson
from aisle.training.relevance.fit import Fit
from aisle.training.relevance.lists import Chunk
from aisle.training.relevance.model import TunedEncoder

_STEPS, _SECONDS = 4, 3.0
"""Steps that are measured after a first one; fewer where so many seconds have gone."""
_PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "A10": 125e12, "T4": 65e12}
"""Dense bf16 (T4: fp16) operations a second, from NVIDIA's data sheets."""
Batch = tuple[int, int]
"""Texts, or pairs of a query and a text, and padded tokens of each."""
Model = TunedEncoder | CrossModel


@dataclass(frozen=True, slots=True)
class Pace:
    """What a few steps of one fit showed.

    Attributes:
        seconds_per_operation: Of a step, everything in it counted.
        operations: Of all steps of the fit.
        steps: How many there are.
        step_memory: Bytes that the largest step holds beside the weights.
        weights_memory: Bytes of weights, gradients, the optimiser and copies of them.
        utilisation: Share of the arithmetic that the device can do at best, and what that is.
        saving: Seconds of all checkpoints.
    """

    seconds_per_operation: float
    operations: float
    steps: int
    step_memory: int
    weights_memory: int
    utilisation: Mapping[str, Any]
    saving: float

    @property
    def seconds(self) -> float:
        """Of the whole fit."""
        return self.operations * self.seconds_per_operation


def pace(model: Model, task: Any, settings: Any, folder: Path) -> Pace:
    """Measure a few steps of a training; the model is changed and to be thrown away.

    Args:
        model: As the training will begin.
        task: What it will learn from.
        settings: Of the fit.
        folder: An empty one.
    """
    fit = Fit(model, task, settings, folder)
    steps = fit.batches(0)
    work = [operations(model, fit, chunks) for chunks in steps]
    order = np.argsort(work, kind="stable")
    memory = _Memory(model, fit)  # before the steps, so that it does not depend on what they leave behind
    step_memory = max(map(memory.of_step, [steps[int(place)] for place in order[-3:]]))
    model.train()
    seconds = timed(work, lambda place: fit.step(steps[place], 0), fit.compute)
    start = time.perf_counter()
    fit.save()
    saving = time.perf_counter() - start
    saves = settings.epochs * (1 + (len(steps) - 1) // settings.save_every)
    return Pace(
        seconds,
        float(sum(work)) * settings.epochs,
        len(steps) * settings.epochs,
        int(step_memory),
        memory.weights(),
        utilisation(fit.compute, 1 / seconds),
        saving * saves,
    )


def timed(work: Sequence[float], step: Callable[[int], object], compute: Compute) -> float:
    """Seconds of an operation, from a few steps between the lightest and the heaviest.

    Args:
        work: Operations of each step.
        step: Takes one of them.
        compute: Where.
    """
    order = np.argsort(work, kind="stable")
    tried = [int(order[min(len(order) - 1, round(len(order) * (part + 0.5) / _STEPS))]) for part in range(_STEPS)]
    tried = [tried[number] for number in np.argsort([abs(number - _STEPS / 2) for number in range(_STEPS)])]
    step(tried[0])  # the first one is slower: nothing is allocated yet
    synchronise(compute)
    taken = done = 0.0
    for place in tried:
        start = time.perf_counter()
        step(place)
        synchronise(compute)
        taken += time.perf_counter() - start
        done += work[place]
        if taken > _SECONDS:
            break
    return taken / done


def operations(model: Model, fit: Fit, chunks: Sequence[Chunk]) -> float:
    """Of a step: two for each weight and token, and those of attention; twice as many on the way back."""
    lengths = _lengths(fit, chunks)
    settings = fit.settings
    forward = forward_operations(model, lengths)
    again = (settings.accumulate > 1 and not fit.objective.separable) + settings.checkpointing
    times = 1 + (settings.adversarial > 0) + (settings.fgm > 0)
    passes = (3 + again) * times + (settings.keep > 0)
    return float(passes * forward + 6 * _late_products(lengths, len(chunks), fit) * model.bert.config.hidden_size)


def forward_operations(model: Model, lengths: Sequence[int]) -> float:
    """Of texts, or of pairs, of so many tokens in batches of like length, padding counted."""
    config = model.bert.config
    weights = config.num_hidden_layers * config.hidden_size * (4 * config.hidden_size + 2 * config.intermediate_size)
    found = 0.0
    for texts, tokens in _batches(lengths):
        found += 2.0 * texts * tokens * (weights + 2 * config.num_hidden_layers * config.hidden_size * tokens)
    return found


def _lengths(fit: Fit, chunks: Sequence[Chunk]) -> list[int]:
    """Tokens of each text, or of each query with a text, that goes through the model in a step."""
    if isinstance(fit.model, CrossModel):
        return [*fit.study.step(chunks, "").lengths] * (2 if fit.settings.r_drop > 0 else 1)
    return [len(row) for row in fit.items(chunks)[0]]


def validated(model: Model, task: Lesson) -> list[int]:
    """Tokens of what a validation would encode of a lesson, if all its lists were there for it."""
    if isinstance(model, CrossModel):
        asked = zip(task.train_queries, task.train.texts, strict=True)
        base = model.base
        pairs = [(task.queries[query], task.texts[text]) for query, texts in asked for text in texts]
        return [len(joined(query, text, base.query_tokens, base.max_tokens)) for query, text in pairs]
    return [len(row) for row in (*task.queries, *task.texts)]


def _late_products(lengths: Sequence[int], asked: int, fit: Fit) -> float:
    """Products of a query's token and a text's, where late interaction counts."""
    return float(asked * (len(lengths) - asked) * max(lengths) ** 2) if fit.settings.late > 0 else 0.0


def _parts(lengths: Sequence[int], fit: Fit) -> list[list[Batch]]:
    """The batches of a step that go through the model, in the parts that are in memory together."""
    return [_batches([lengths[item] for item in part]) for part in parts_of(lengths, fit.settings.accumulate)]


def _batches(lengths: Sequence[int]) -> list[Batch]:
    return [(len(batch), max(lengths[item] for item in batch)) for batch in grouped(lengths)]


class _Memory:
    """Bytes that a forward pass keeps, as a function of the batch: constant + texts * tokens * (a + b * tokens)."""

    def __init__(self, model: Model, fit: Fit) -> None:
        self.model, self.fit = model, fit
        self._width = 1 if isinstance(model, CrossModel) else model.bert.config.hidden_size
        tried = [(2, 8), (2, 16), (4, 16)]
        kept = [self._kept(*batch) for batch in tried]
        table = [[1.0, texts * tokens, texts * tokens**2] for texts, tokens in tried]
        self.constant, self.per_token, self.per_pair = np.linalg.solve(np.array(table), np.array(kept))

    def _kept(self, texts: int, tokens: int) -> int:
        fixed = {value.untyped_storage().data_ptr() for value in (*self.model.parameters(), *self.model.buffers())}
        held: dict[int, Tensor] = {}

        def pack(value: Tensor) -> Tensor:
            storage = value.untyped_storage()
            if storage.data_ptr() not in fixed:
                held[storage.data_ptr()] = value
            return value

        self.model.train()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value), self.fit.compute.autocast():
            found = self._run(texts, tokens)
        size = int(sum(value.untyped_storage().nbytes() for value in held.values()))
        del found
        return size

    def _run(self, texts: int, tokens: int) -> Tensor:
        ids = [1] * tokens
        if isinstance(self.model, CrossModel):
            return self.model([Pair(ids, tokens // 2)] * texts)
        return self.model([ids] * texts)

    def of_step(self, chunks: Sequence[Chunk]) -> float:
        """The most that one step holds at once."""
        fit = self.fit
        lengths = _lengths(fit, chunks)
        most = 0.0
        for part in _parts(lengths, fit):
            kept = self.constant + sum(
                texts * tokens * (self.per_token + self.per_pair * tokens) for texts, tokens in part
            )
            passing = max(texts * tokens * self._passing(tokens) for texts, tokens in part)
            most = max(most, kept + passing)
        rows = len(lengths) * (1 if fit.settings.late == 0 else max(lengths)) * self._width
        return float(most + 4 * (3 * rows + 4 * _late_products(lengths, len(chunks), fit)))

    def _passing(self, tokens: int) -> float:
        """Bytes for each token of the layer at hand, on the way back: gradients, and what is computed again."""
        config = self.model.bert.config
        wide = 3 * config.intermediate_size + 6 * config.hidden_size + 3 * config.num_attention_heads * tokens
        again = self.fit.settings.checkpointing
        return float(4 * wide * (2 if again else 1))

    def weights(self) -> int:
        """Of what training adds to the weights: gradients, two moments, the first weights, and copies."""
        settings = self.fit.settings
        trained = int(sum(value.numel() * value.element_size() for value in self.model.trained().values()))
        copies = 4 + (settings.average > 0) + settings.choose + 1  # at the end of an epoch the weights are kept aside
        return trained * copies


def utilisation(compute: Compute, achieved: float) -> dict[str, Any]:
    """How much of the device's arithmetic the steps used (MFU: Chowdhery et al. 2022)."""
    peak, source = _peak(compute)
    return {
        "operations_per_second": achieved,
        "peak": peak,
        "peak_from": source,
        "share": round(achieved / peak, 4),
    }


def _peak(compute: Compute) -> tuple[float, str]:
    if compute.device.type == "cuda" and compute.precision != "fp32":
        name = torch.cuda.get_device_name(compute.device)
        for known, peak in _PEAKS.items():
            if known in name:
                return peak, f"data sheet of the {known}"
    size, turns = (8192, 20) if compute.device.type == "cuda" else (768, 5)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[compute.precision]
    left = torch.ones(size, size, dtype=kind, device=compute.device)
    best = _best(lambda: left @ left, compute, turns)
    return 2.0 * size**3 / best, f"a product of two {size} x {size} matrices"


def _best(run: Callable[[], object], compute: Compute, turns: int) -> float:
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        run()
        synchronise(compute)
        times.append(time.perf_counter() - start)
    return min(times)


def synchronise(compute: Compute) -> None:
    """Wait for the GPU."""
    if compute.device.type == "cuda":
        torch.cuda.synchronize(compute.device)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a whole training will take.

    Attributes:
        seconds: Until the verdict.
        memory: Peak bytes, of the process or, where a GPU trains, on it.
        steps: Of all fits.
        parts: The seconds by what they are spent on.
        device: Where it trains.
        utilisation: Of that device.
    """

    seconds: float
    memory: int
    steps: int
    parts: Mapping[str, float]
    device: str
    utilisation: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"parts": {name: round(value, 2) for name, value in self.parts.items()}}

    def told(self) -> str:
        """In a line."""
        minutes, seconds = divmod(round(self.seconds), 60)
        spent = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
        return f"about {spent} for {self.steps:,} steps and {self.memory / 2**30:.2f} GiB on {self.device}"
