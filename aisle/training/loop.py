"""A training in steps that goes on where it was interrupted: optimiser, rates, checkpoint, log. Needs PyTorch.

Knows parameters and numbers; no model, no loss, no files but its own two. What a step learns from has to depend on its
number alone: a resumed run is then the unbroken one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
_LONGEST = 1.0
"""Of a step's gradient."""


@dataclass(frozen=True, slots=True)
class Course:
    """How long a training is.

    Attributes:
        epoch_steps: Steps of a pass over what is learnt from.
        epochs: Passes.
        warm_up: Share of the steps in which the rates rise.
        save_every: Steps between checkpoints within an epoch.
        seed: Of every step, with its number.
    """

    epoch_steps: int
    epochs: int
    warm_up: float
    save_every: int
    seed: int

    @property
    def steps(self) -> int:
        """In all."""
        return self.epoch_steps * self.epochs

    def rate(self, step: int, wait: int = 0) -> float:
        """What a rate is to its highest: 0 while it waits, then a rise, then half a cosine down to 0."""
        step, steps = step - wait, self.steps - wait
        if step < 0:
            return 0.0
        warm = max(1, int(steps * self.warm_up))
        if step < warm:
            return (step + 1) / warm
        return max(0.0, 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm))))


class Loop:
    """One run.

    Args:
        trained: What moves, by name; changed in place.
        groups: The same for AdamW, with ``lr`` and ``weight_decay``.
        course: How long.
        folder: Where the checkpoint and the log are.
        waits: Steps that each group stands still at first; none where nothing is said.
    """

    def __init__(
        self,
        trained: Mapping[str, Tensor],
        groups: Sequence[dict[str, Any]],
        course: Course,
        folder: Path,
        waits: Sequence[int] = (),
    ) -> None:
        self.trained, self.course, self.folder = trained, course, folder
        self._optimiser = torch.optim.AdamW(groups)

        def rate_after(wait: int) -> Callable[[int], float]:
            return lambda step: course.rate(step, wait)

        rates = [rate_after(wait) for wait in waits or [0] * len(groups)]
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, rates)
        self.done = 0
        self.epochs: list[dict[str, float]] = []

    def resume(self) -> int:
        """Go on from the checkpoint in the folder, if there is one; returns the steps done."""
        path = self.folder / CHECKPOINT
        if path.exists():
            found = torch.load(path, weights_only=True)
            with torch.no_grad():
                for name, value in self.trained.items():
                    value.copy_(found["model"][name])
            self._optimiser.load_state_dict(found["optimiser"])
            self._schedule.load_state_dict(found["schedule"])
            self.done, self.epochs = found["done"], found.get("epochs", [])
        return self.done

    def _save(self) -> None:
        part = self.folder / f".{CHECKPOINT}.part"
        state = {
            "model": dict(self.trained),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "done": self.done,
            "epochs": self.epochs,
        }
        torch.save(state, part)
        part.replace(self.folder / CHECKPOINT)

    def run(
        self,
        learn: Callable[[int], Mapping[str, float]],
        report: Callable[[int, int, Mapping[str, float]], None],
        at_end: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        """Train until the epochs are over; the parameters are then the last ones.

        Args:
            learn: Adds the gradients of the step of that number, and returns its losses.
            report: Told of each step: its number, of how many, the losses.
            at_end: At the end of an epoch: what else is told of it.
        """
        each, steps = self.course.epoch_steps, self.course.steps
        while self.done < steps:
            torch.manual_seed(self.course.seed * 1_000_003 + self.done)
            self._optimiser.zero_grad(set_to_none=True)
            losses = dict(learn(self.done))
            torch.nn.utils.clip_grad_norm_(list(self.trained.values()), _LONGEST)
            self._optimiser.step()
            self._schedule.step()
            self.done += 1
            ended = self.done % each == 0
            if ended:
                losses |= at_end()
                self.epochs.append({name: round(value, 5) for name, value in losses.items()})
            if ended or self.done % self.course.save_every == 0:
                self._save()
            if ended:
                with (self.folder / LOG).open("a", encoding="utf-8") as log:
                    log.write(json.dumps({"step": self.done, **self.epochs[-1]}) + "\n")
            report(self.done, steps, losses)
