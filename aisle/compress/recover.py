"""What a model lost with its layers, learnt again from the whole one, on texts without labels; resumable. PyTorch.

An encoder learns the whole one's vectors and, among the texts of a step, whom they are near to; a cross-encoder learns
the whole one's scores and their order within each query. Knows token ids and what a teacher said of them.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aisle.compress.recovery_settings import RecoverySettings
from aisle.training.relevance.model import TunedEncoder

Ids = list[int]
CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
_SCALE = 20.0
"""Of cosines before a softmax."""
_DECAY = 0.01


class Lesson(Protocol):
    """What is learnt: batches of rows, and how far a student is from its teacher on them."""

    def batches(self, size: int, seed: str) -> list[list[int]]:
        """The rows of each step of a pass."""
        ...

    def loss(self, rows: Sequence[int]) -> Tensor:
        """With gradients for the student."""
        ...


class EncoderLesson:
    """Vectors of texts: each near the teacher's, and as near to one another as the teacher's are.

    Args:
        student: Changed by training.
        texts: Token ids, cut as the student will read them.
        vectors: The teacher's, ``(n, dim)``, rows of length 1.
    """

    def __init__(self, student: TunedEncoder, texts: Sequence[Ids], vectors: NDArray[np.float32]) -> None:
        self.student, self.texts, self.vectors = student, texts, torch.from_numpy(vectors)

    def batches(self, size: int, seed: str) -> list[list[int]]:
        """All texts in random order."""
        order = list(range(len(self.texts)))
        random.Random(seed).shuffle(order)
        found = [order[start : start + size] for start in range(0, len(order), size)]
        return [batch for batch in found if len(batch) > 1]

    def loss(self, rows: Sequence[int]) -> Tensor:
        """One minus the cosine, and the divergence of whom each text is near to."""
        with torch.autocast("cpu", torch.bfloat16):
            made = self.student.by_length([self.texts[row] for row in rows])
        wanted = self.vectors[list(rows)]
        self_ = torch.eye(len(rows), dtype=torch.bool)
        near = (made.float() @ made.float().T * _SCALE).masked_fill(self_, -1e4)
        aim = (wanted @ wanted.T * _SCALE).masked_fill(self_, -1e4)
        divergence = nn.functional.kl_div(
            near.log_softmax(1), aim.log_softmax(1), reduction="batchmean", log_target=True
        )
        return (1 - (made.float() * wanted).sum(1)).mean() * _SCALE + divergence


class PairLesson:
    """Scores of pairs: each near the teacher's, and the pairs of a query in its order.

    Args:
        scores: The student's scores of rows, ``(n,)``, with gradients.
        wanted: The teacher's, ``(pairs,)``.
        queries: The rows of each query.
    """

    def __init__(
        self,
        scores: Callable[[Sequence[int]], Tensor],
        wanted: NDArray[np.float32],
        queries: Sequence[Sequence[int]],
    ) -> None:
        self.scores, self.queries = scores, queries
        self.wanted = torch.from_numpy(wanted)
        self.query = {row: number for number, rows in enumerate(queries) for row in rows}
        self.spread = float(self.wanted.std()) or 1.0

    def batches(self, size: int, seed: str) -> list[list[int]]:
        """Up to eight pairs of a query stay together."""
        chance = random.Random(seed)
        parts = []
        for rows in self.queries:
            order = chance.sample(list(rows), len(rows))
            parts += [order[start : start + 8] for start in range(0, len(order), 8)]
        chance.shuffle(parts)
        found: list[list[int]] = [[]]
        for part in parts:
            if len(found[-1]) + len(part) > size and found[-1]:
                found.append([])
            found[-1] += part
        return [batch for batch in found if len(batch) > 1]

    def loss(self, rows: Sequence[int]) -> Tensor:
        """Squared distance in units of the teacher's spread, and the divergence of the choice within each query."""
        made, wanted = self.scores(rows).float() / self.spread, self.wanted[list(rows)] / self.spread
        number = torch.tensor([self.query[row] for row in rows])
        other = number[:, None] != number[None, :]
        near = made.expand(len(rows), -1).masked_fill(other, -1e4).log_softmax(1)
        aim = wanted.expand(len(rows), -1).masked_fill(other, -1e4).log_softmax(1)
        divergence = nn.functional.kl_div(near, aim, reduction="batchmean", log_target=True)
        return nn.functional.mse_loss(made, wanted) + divergence


@dataclass(frozen=True, slots=True)
class Recovered:
    """How it went: the loss at the start and at the end, means of a tenth of the steps."""

    steps: int
    before: float
    after: float

    def to_dict(self) -> dict[str, float]:
        """As plain data."""
        return asdict(self)


class Recovery:
    """One training; goes on from the checkpoint in its folder if there is one.

    Args:
        student: Changed in place.
        lesson: What it learns.
        settings: How.
        folder: Of the checkpoint and the log, made if need be.
    """

    def __init__(self, student: nn.Module, lesson: Lesson, settings: RecoverySettings, folder: Path) -> None:
        self.student, self.lesson, self.settings, self.folder = student, lesson, settings, folder
        folder.mkdir(parents=True, exist_ok=True)
        passes = (lesson.batches(settings.batch, f"{settings.seed}:{number}") for number in range(settings.epochs))
        self.batches = [batch for found in passes for batch in found]  # a pass of pairs has now more, now fewer
        self._trained = {name: value for name, value in student.named_parameters() if value.requires_grad}
        groups = [
            {"params": [value for value in self._trained.values() if value.dim() > 1], "weight_decay": _DECAY},
            {"params": [value for value in self._trained.values() if value.dim() < 2], "weight_decay": 0.0},
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=settings.rate)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._rate)
        self._losses: list[float] = []

    def _rate(self, step: int) -> float:
        steps = len(self.batches)
        warm = max(1, int(steps * self.settings.warm_up))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm or 1)))

    def run(self, report: Callable[[int, int, float], None]) -> Recovered:
        """Train to the last step.

        Args:
            report: Told step, steps and loss.
        """
        self._resume()
        self.student.train()
        steps, losses = len(self.batches), self._losses
        while len(losses) < steps:
            losses.append(self.step(self.batches[len(losses)]))
            report(len(losses), steps, losses[-1])
            if len(losses) % self.settings.save_every == 0 or len(losses) == steps:
                self.save()
        self.student.eval()
        (self.folder / LOG).write_text("".join(json.dumps(loss) + "\n" for loss in losses), encoding="utf-8")
        tenth = max(1, len(losses) // 10)
        return Recovered(steps, float(np.mean(losses[:tenth] or [0])), float(np.mean(losses[-tenth:] or [0])))

    def step(self, rows: Sequence[int]) -> float:
        """Learn from some rows; returns the loss."""
        loss = self.lesson.loss(rows)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(self._trained.values()), 1.0)
        self._optimiser.step()
        self._schedule.step()
        return float(loss.detach())

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        part = self.folder / f".{CHECKPOINT}.part"
        state = {"student": self._trained, "losses": self._losses}
        torch.save(state | {"optimiser": self._optimiser.state_dict(), "schedule": self._schedule.state_dict()}, part)
        part.replace(self.folder / CHECKPOINT)

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if path.exists():
            found = torch.load(path, weights_only=True)
            self.student.load_state_dict(found["student"], strict=False)
            self._optimiser.load_state_dict(found["optimiser"])
            self._schedule.load_state_dict(found["schedule"])
            self._losses = found["losses"]
