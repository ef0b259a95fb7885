"""Trainings that two processes share and one does alone, to be compared. Needs PyTorch when called."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from aisle.training.peft.settings import PeftSettings
from aisle.training.relevance.recipe import FitSettings
from tests.training.tiny import DIM, planted, tiny_encoder

PLAIN = FitSettings(
    epochs=2,
    queries=6,
    per_query=4,
    rate=3e-3,
    threads=1,
    precision="fp32",
    device="cpu",
    track="none",
    mixtures=(0.5,),
)


@dataclass(frozen=True)
class Case:
    """Settings that differ from `PLAIN`, what of the model moves, and which model."""

    changes: dict[str, Any] = field(default_factory=dict)
    peft: PeftSettings = field(default_factory=PeftSettings)
    cross: bool = False
    ways: tuple[str, ...] = ("data", "fsdp", "tensor")


CASES = {
    "plain": Case({"choose": True}),
    "cross": Case(
        {"loss": "pointwise", "in_batch": 0.0, "accumulate": 2, "checkpointing": True, "fgm": 0.02}, cross=True
    ),
    "everything": Case(
        {
            "anchor": 0.3,
            "keep": 0.5,
            "late": 0.5,
            "adversarial": 0.02,
            "fgm": 0.02,
            "average": 0.9,
            "accumulate": 2,
            "epochs": 1,
        }
    ),
    "dropout": Case({"dropout": 0.2, "r_drop": 0.5, "epochs": 1}),
    "adalora": Case({}, PeftSettings("adalora", every=1, init_rank=4, rank=2), ways=("data",)),
    "dora": Case({"epochs": 1}, PeftSettings("dora"), ways=("fsdp",)),
    "prefix": Case({"epochs": 1}, PeftSettings("prefix", length=2), ways=("fsdp",)),
    "adapter": Case({"epochs": 1}, PeftSettings("adapter", width=4), ways=("fsdp",)),
    "last": Case({"epochs": 1}, PeftSettings("last", layers=1), ways=("fsdp",)),
}
REFUSED = {
    "fp16": Case({"precision": "fp16"}, ways=("fsdp",)),
    "adalora": Case({}, PeftSettings("adalora"), ways=("fsdp",)),
    "lora": Case({}, PeftSettings("lora"), ways=("tensor",)),
    "device": Case({"device": "cuda:1"}, ways=("data",)),
    "seeds": Case({"seeds": 2}, ways=("data",)),
}


def model_of(case: Case, settings: FitSettings) -> Any:
    """As the training of a case begins."""
    from aisle.rerankers.cross_export import CrossWeights
    from aisle.training.relevance.cross_model import CrossModel
    from aisle.training.relevance.model import TunedEncoder

    base = tiny_encoder()
    if not case.cross:
        return TunedEncoder(base, settings.dropout, case.peft)
    weights = dict(base.weights)
    types = weights["embeddings.token_type_embeddings.weight"].copy()
    types[1] = types[0] + np.random.default_rng(2).normal(0, 0.1, DIM)
    weights["embeddings.token_type_embeddings.weight"] = types
    readings = {"late": np.full(1, 5.0, np.float32), "mean": np.zeros(DIM, np.float32)}
    return CrossModel(CrossWeights(weights, base.shape, readings, 0.0, {}, 6, 15, {}), settings.dropout, case.peft)


class StoppedError(Exception):
    """Ctrl-C, as it were."""


def trained(case: Case, how: str, folder: Path, stop_at: int = 0) -> tuple[dict[str, Any], Any]:
    """The weights that a case ends with, and its run; or those of where it was stopped."""
    from aisle.training.relevance.fit import Fit

    settings = replace(PLAIN, parallel=how, save_every=2, **case.changes)
    folder.mkdir(exist_ok=True, parents=True)
    model = model_of(case, settings)
    fit = Fit(model, planted(), settings, folder)
    fit.resume()

    def report(step: int, steps: int, losses: Any) -> None:
        if step == stop_at:
            raise StoppedError

    with suppress(StoppedError):
        fit.run(report)
    return {name: value.detach().clone() for name, value in model.trained().items()}, fit
