"""What making smaller models is thought to take, said before it starts, and what it then took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aisle.compress.plan import Plan
from aisle.compress.shrink import TRAINED, Shrinking
from aisle.training.relevance.refusals import refuse_without_torch

if TYPE_CHECKING:
    from aisle.training.relevance.forecast import Estimate


@dataclass(frozen=True, slots=True)
class Took:
    """A run that began, and what it was thought to take.

    Attributes:
        thought: None where no layers are trained, which takes seconds a model, or where an earlier run began to.
        start: On a clock that only goes on.
    """

    thought: Estimate | None
    start: float

    @classmethod
    def begin(cls, shrinking: Shrinking, plans: Sequence[Plan], measured: bool, rounds: int) -> Took:
        """Estimate, if layers are to be trained, and say it.

        Args:
            shrinking: The model, and the shop's material; nothing of it is touched.
            plans: Of the models.
            measured: Whether they will be measured on the pairs.
            rounds: Of timing.

        Raises:
            OptionalDependencyError: Layers are to be trained and PyTorch is missing.
        """
        thought = None
        if not shrinking.begun and any(map(shrinking.trainings, plans)):
            refuse_without_torch(TRAINED)
            from aisle.compress.forecast import forecast

            thought = forecast(shrinking, plans, measured, rounds)
            models = "a model" if len(plans) == 1 else f"{len(plans)} models"
            shrinking.note(f"estimate for {models}: {thought.told()}")
        return cls(thought, time.monotonic())

    def to_dict(self) -> dict[str, Any]:
        """The estimate and what was measured until now; nothing where nothing was estimated."""
        if self.thought is None:
            return {}
        from aisle.training.relevance.compute import peak_rss

        measured = {"seconds": time.monotonic() - self.start, "memory": peak_rss()}
        return {"estimate": self.thought.to_dict(), "measured": measured}
