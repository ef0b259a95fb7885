"""Training an encoder on texts alone; resumable.

Knows token ids, a module that makes vectors of them and what it is asked. A step's texts and what is taken from them
depend on the seed and the step alone, so a resumed run is the unbroken one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aisle.training.adapt.lesson import AdaptLesson
from aisle.training.adapt.recipe import AdaptRecipe
from aisle.training.adapt.tasks import Denoising, Masking, states
from aisle.training.batches import by_length, grouped
from aisle.training.loop import Course, Loop
from aisle.training.relevance.candidate import Report
from aisle.training.relevance.model import Ids, TunedEncoder, direction, seed_everything

APART = "held_out"
"""What the loss on texts that nothing is learnt from is called in a log."""
_BUDGET = 1_024
"""Tokens that go through the layers at a time, padding and all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: the mean loss of a token, in nats, on texts kept apart, before and after each epoch.

    Before, it is that of parts that begin at random: at best the logarithm of how many tokens can be named.
    """

    before: float
    epochs: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


class AdaptFit:
    """One run.

    Args:
        model: The encoder, changed in place.
        task: The texts.
        recipe: What is asked of them, and how it is learnt.
        folder: Where the checkpoint and the log are.
    """

    def __init__(self, model: TunedEncoder, task: AdaptLesson, recipe: AdaptRecipe, folder: Path) -> None:
        settings = recipe.fit
        self.model, self.task, self.settings = model, task, settings
        seed_everything(settings.seed, settings.threads)
        self.asked = (Denoising if recipe.method == "tsdae" else Masking)(model, task, recipe)
        self._first = {name: value.detach().clone() for name, value in model.trained().items()}
        self._before = self.apart()
        self._kept = self._directions(task.texts) if settings.keep > 0 else None
        each = -(-len(task.texts) // settings.batch)
        course = Course(each, settings.epochs, settings.warm_up, settings.save_every, settings.seed)
        new = added(self.asked, model)
        own = model.groups(settings.rate, settings.decay, settings.layer_decay)
        groups = own + [
            {"params": [value for value in new.values() if (value.dim() > 1) is decays], "lr": settings.new_rate}
            | {"weight_decay": settings.decay if decays else 0.0}
            for decays in (True, False)
        ]
        waits = [int(course.steps * settings.alone)] * len(own) + [0, 0]
        self._loop = Loop(model.trained() | new, groups, course, folder, waits)
        self._drawn: tuple[int, list[list[int]]] = -1, []

    @property
    def steps(self) -> int:
        """In all."""
        return self._loop.course.steps

    def resume(self) -> int:
        """Go on from the checkpoint in the folder, if there is one; returns the steps done."""
        return self._loop.resume()

    def run(self, report: Report) -> Outcome:
        """Train until the epochs are over; the encoder then has the last weights, or their mixture with the first."""
        self._train(True)
        self._loop.run(self._step, report, lambda: {APART: self.apart()})
        self._train(False)
        if (share := self.settings.mixture) < 1:
            with torch.no_grad():
                for name, value in self.model.trained().items():
                    value.copy_(self._first[name] + share * (value - self._first[name]))
        return Outcome(round(self._before, 5), tuple(epoch[APART] for epoch in self._loop.epochs))

    def apart(self) -> float:
        """The mean loss of a token on the texts kept apart, whose noise is always the same."""
        training = self.model.training
        self._train(False)
        total, count = 0.0, 0
        with torch.no_grad():
            for loss, tokens in self._losses(range(len(self.task.apart)), self.task.apart, 0):
                total, count = total + float(loss), count + tokens
        self._train(training)
        return total / max(1, count)

    def _train(self, mode: bool) -> None:
        self.model.train(mode)
        self.asked.train(mode)

    def _step(self, step: int) -> dict[str, float]:
        number, at = divmod(step, self._loop.course.epoch_steps)
        if self._drawn[0] != number:
            self._drawn = number, batches(len(self.task.texts), self.settings.batch, self.settings.seed, number)
        rows = self._drawn[1][at]
        total, count = 0.0, 0
        for loss, tokens in self._losses(rows, self.task.texts, number + 1):
            loss.backward()
            total, count = total + float(loss.detach()), count + tokens
        for value in self._loop.trained.values():
            if value.grad is not None:
                value.grad.div_(max(1, count))
        return {"tokens": total / max(1, count)} | self._keep(rows)

    def _losses(self, rows: Sequence[int], texts: Sequence[Ids], turn: int) -> Iterator[tuple[Tensor, int]]:
        """The summed loss and the number of tokens of some texts, a few of like length at a time."""
        for some in grouped([len(texts[row]) for row in rows], _BUDGET):
            with self.model.compute.autocast():
                yield self.asked.losses(self.model, [(rows[i], texts[rows[i]]) for i in some], turn)

    def _keep(self, rows: Sequence[int]) -> dict[str, float]:
        """Adds the gradient of how far the vectors of whole texts are from those before training."""
        if self._kept is None:
            return {}
        with self.model.compute.autocast():
            now = by_length(self._direction, [self.task.texts[row] for row in rows], _BUDGET)
        loss = self.settings.keep * (1 - (now * self._kept[list(rows)]).sum(1)).mean()
        loss.backward()
        return {"keep": float(loss.detach())}

    def _direction(self, texts: Sequence[Ids]) -> Tensor:
        return direction(*states(self.model, texts))

    def _directions(self, texts: Sequence[Ids]) -> Tensor:
        self._train(False)
        with torch.no_grad(), self.model.compute.autocast():
            return by_length(self._direction, texts, 8_192)


def added(asked: nn.Module, model: TunedEncoder) -> dict[str, Tensor]:
    """What a task moves beside the encoder's own parameters, by name."""
    own = {id(value) for value in model.parameters()}
    return {
        f"asked.{name}": value
        for name, value in asked.named_parameters()
        if value.requires_grad and id(value) not in own
    }


def batches(count: int, size: int, seed: int, epoch: int) -> list[list[int]]:
    """Which texts each step of an epoch takes."""
    order = np.random.default_rng((seed, epoch)).permutation(count).tolist()
    return [order[start : start + size] for start in range(0, count, size)]
