"""Settings of tuning a language model. Knows names and numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked, with_changes
from aisle.training.tracking import SPEC

_STRICT = ConfigDict(extra="forbid")
_Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


@dataclass(frozen=True, config=_STRICT)
class TuneSettings:
    """How a LoRA adapter is trained (Hu et al. 2021).

    Attributes:
        rank: Of the adapter's matrices.
        alpha: Its weight is this over the rank.
        dropout: Of the adapter's inputs.
        modules: Which linear layers get one; "all-linear" is all but the output.
        soft: Whether a grade is a share of "yes" between 0 and 1; else "yes" from ``relevant`` of the spec on.
        epochs: Passes over the pairs.
        batch: Pairs in a step.
        micro_batch: Pairs in memory at once; gradients are added up to a batch.
        rate: Learning rate at its highest; it rises over the first steps and falls along a cosine.
        warm_up: Share of the steps in which it rises.
        decay: Weight decay.
        held_out: Share of the queries that are only measured.
        checkpointing: Compute activations anew in the backward pass: less memory, more time.
        save_every: Steps between checkpoints.
        seed: The same seed gives the same adapter on one machine.
        threads: Of PyTorch.
        track: Where losses are written as they come: as in `aisle train`.
    """

    rank: int = Field(default=16, ge=1, le=1024)
    alpha: float = Field(default=32.0, gt=0, allow_inf_nan=False)
    dropout: _Share = 0.0
    modules: str = "all-linear"
    soft: bool = True
    epochs: int = Field(default=1, ge=1, le=1000)
    batch: int = Field(default=16, ge=1)
    micro_batch: int = Field(default=4, ge=1)
    rate: float = Field(default=1e-4, gt=0, le=1)
    warm_up: _Share = 0.1
    decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    held_out: _Share = 0.1
    checkpointing: bool = False
    save_every: int = Field(default=50, ge=1)
    seed: int = 0
    threads: int = Field(default=2, ge=1)
    track: str = Field(default="auto", pattern=SPEC)


_ADAPTER = TypeAdapter(TuneSettings)


def load_recipe(changes: Sequence[str] = ()) -> TuneSettings:
    """The defaults with some changed as ``key=value``.

    Raises:
        RecipeError: There is no such setting, or its value is out of range.
    """
    names = ", ".join(field.name for field in fields(TuneSettings))
    return checked(_ADAPTER, with_changes({}, changes), "--set", lambda _: names)
