"""Settings of the training that follows dropped layers. Knows numbers only; no PyTorch."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RecoverySettings:
    """How the layers that stay are trained.

    Attributes:
        epochs: Passes over the texts; 0 leaves the layers as they are.
        batch: Texts of a step; of a cross-encoder, pairs.
        rate: Learning rate.
        warm_up: Share of the steps in which it rises.
        save_every: Steps between checkpoints.
        seed: The same seed gives the same weights on one machine.
        threads: Of PyTorch.
    """

    epochs: int = Field(default=4, ge=0, le=1000)
    batch: int = Field(default=64, ge=2, le=4096)
    rate: float = Field(default=2e-4, gt=0, le=1)
    warm_up: Annotated[float, Field(ge=0, le=1)] = 0.1
    save_every: int = Field(default=100, ge=1)
    seed: int = 0
    threads: int = Field(default=2, ge=1)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)
