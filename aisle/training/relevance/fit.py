"""Training an encoder or a cross-encoder on judged lists; resumable.

Knows token ids, levels, a module with weights, how that is studied and which processes share it; no files but its own
checkpoint, no catalogue, no search. A step's batch depends on the seed and the step alone, so a resumed run is the
unbroken one.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aisle.training.loop import CHECKPOINT as CHECKPOINT
from aisle.training.loop import LOG, Course
from aisle.training.parallel.crew import Crew
from aisle.training.parallel.step import local
from aisle.training.relevance.accumulate import cached_backward, parts_of
from aisle.training.relevance.candidate import Report
from aisle.training.relevance.compute import Compute
from aisle.training.relevance.cross_model import CrossModel
from aisle.training.relevance.data import Lesson
from aisle.training.relevance.lists import Chunk, epoch
from aisle.training.relevance.model import Ids, TunedEncoder, seed_everything
from aisle.training.relevance.objective import Objective
from aisle.training.relevance.rdrop import twice
from aisle.training.relevance.recipe import FitSettings
from aisle.training.relevance.study import CrossStudy, EncoderStudy, Study, items
from aisle.training.relevance.word_push import WordPush


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: validation nDCG@10 before, after each epoch, and of the mixture that was kept."""

    before: float
    epochs: tuple[float, ...]
    best: int
    mixture: float
    after: float

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


class Fit:
    """One run of training, in one process or, where several were launched, in each of them.

    Args:
        model: Changed in place, at the end where its weights are divided between processes.
        task: What to learn from.
        settings: How.
        folder: Where the checkpoint and the log are.
    """

    def __init__(self, model: TunedEncoder | CrossModel, task: Lesson, settings: FitSettings, folder: Path) -> None:
        self.task, self.settings, self.folder = task, settings, folder
        gc.collect()  # an earlier run's optimiser and schedule hold one another, and with them all of its weights
        self.crew, self.compute = Crew.of(settings), Compute.of(settings)
        seed_everything(settings.seed, settings.threads)
        if settings.checkpointing:
            model.bert.activation_checkpointing_enable({"use_reentrant": False})
        self._given = model
        self.model = model = self.crew.place(model, self.compute)
        self.objective = Objective(settings, task.train)
        self.study: Study = (
            CrossStudy(model, task, self.objective, self.compute)
            if isinstance(model, CrossModel)
            else EncoderStudy(model, task, self.objective, self.compute)
        )
        layers = model.layers if isinstance(model, CrossModel) else model
        self._push = WordPush(layers) if settings.fgm > 0 else None
        self._first = {name: value.detach().clone() for name, value in model.trained().items()}
        groups = model.groups(settings.rate, settings.decay, settings.layer_decay)
        each = False if self.crew.divided else None  # a list of divided and whole weights cannot be moved at once
        self._optimiser = torch.optim.AdamW(groups, foreach=each)
        self._scaler = self.compute.scaler()
        self._epoch_steps = len(self.batches(0))
        course = Course(self._epoch_steps, settings.epochs, settings.warm_up, settings.save_every, settings.seed)
        self._steps = course.steps
        model.adaptation.plan(self._steps, settings.choose)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, course.rate)
        self._telling = any(len(set(levels)) > 1 for levels in task.validation.levels)
        self._choosing = settings.choose and self._telling
        self._done = 0
        self._scores: list[float] = []
        self._best: dict[str, Tensor] = {}
        self._mean: dict[str, Tensor] = {}

    def batches(self, number: int) -> list[list[Chunk]]:
        """The lists of each step of an epoch: those of the shop once, and beside them those of an earlier one."""
        settings, lists = self.settings, self.task.train
        own = len(lists.texts) - self.task.replayed
        chunks = epoch(lists, settings.per_query, f"{settings.seed}:{number}", range(own))
        again = settings.replayed if self.task.replayed else 0
        size = settings.queries - again
        steps = [chunks[start : start + size] for start in range(0, len(chunks), size)]
        earlier = self._earlier(number * len(steps) * again, len(steps) * again)
        return [step + earlier[at * again : (at + 1) * again] for at, step in enumerate(steps)]

    def _earlier(self, start: int, count: int) -> list[Chunk]:
        """So many lists of the earlier shop, from a place in the endless row of passes over them."""
        settings, lists = self.settings, self.task.train
        chosen = range(len(lists.texts) - self.task.replayed, len(lists.texts))
        found: list[Chunk] = []
        turn, skipped = 0, start
        while len(found) < count:
            one = epoch(lists, settings.per_query, f"{settings.seed}:earlier:{turn}", chosen)
            found += one[skipped:]
            turn, skipped = turn + 1, max(0, skipped - len(one))
        return found[:count]

    def resume(self) -> int:
        """Go on from the checkpoint in the folder, if there is one; returns the steps done."""
        path = self.folder / CHECKPOINT
        if path.exists():
            crew, trained = self.crew, self.model.trained()
            found = torch.load(path, weights_only=True, map_location="cpu" if crew.divided else self.compute.device)
            self.model.load_state_dict(crew.part(found["model"], trained), strict=False)
            self._optimiser.load_state_dict(crew.optimiser_part(found["optimiser"], self._optimiser))
            self._schedule.load_state_dict(found["schedule"])
            self._done, self._scores = found["done"], found["scores"]
            self._best, self._mean = crew.part(found["best"], trained), crew.part(found["mean"], trained)
            self.model.adaptation.restore(found["peft"])
            if self._scaler is not None:
                self._scaler.load_state_dict(found["scaler"])
        return self._done

    def save(self) -> None:
        """Write the checkpoint in place of the one before; the same one, however many processes there are."""
        state = {
            "model": self.model.trained(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "done": self._done,
            "scores": self._scores,
            "best": self._best,
            "mean": self._mean,
            "peft": self.model.adaptation.state(),
            "scaler": self._scaler.state_dict() if self._scaler is not None else {},
        }
        state = self.crew.whole(state)
        if self.crew.leads:
            part = self.folder / f".{CHECKPOINT}.part"
            torch.save(state, part)
            part.replace(self.folder / CHECKPOINT)

    def run(self, report: Report) -> Outcome:
        """Train until the epochs are over; or, where validation is to choose, until it stops getting better.

        In the latter case the best epoch is kept, mixed with the first weights if that is better still.
        """
        settings = self.settings
        if not self._scores:
            self._scores.append(self.validate())
            self._best = {name: value.clone() for name, value in self._first.items()} if self._choosing else {}
        drawn, batches = -1, list[list[Chunk]]()
        while self._done < self._steps and not self._stopped():
            number, at = divmod(self._done, self._epoch_steps)
            if number != drawn:
                drawn, batches = number, self.batches(number)
            self.model.train()
            losses = self.step(batches[at], self._done)
            self._done += 1
            ended = self._done % self._epoch_steps == 0
            if ended:
                score = self._end_epoch()
                if self._telling:
                    losses["validation"] = score
                self.save()
                self._log(losses)
            elif self._done % settings.save_every == 0:
                self.save()
            report(self._done, self._steps, losses)
        outcome = self._keep_best_mixture() if self._choosing else self._keep_last()
        if self._push is not None:
            self._push.end()
        self.crew.give(self.model, self._given)
        return outcome

    def _log(self, losses: Mapping[str, float]) -> None:
        if self.crew.leads:
            with (self.folder / LOG).open("a", encoding="utf-8") as log:
                rounded = {name: round(value, 5) for name, value in losses.items()}
                log.write(json.dumps({"step": self._done, **rounded}) + "\n")

    def _stopped(self) -> bool:
        epochs = self._scores[1:]
        if not self._choosing or self._done % self._epoch_steps or len(epochs) < self.settings.patience:
            return False
        return max(epochs[-self.settings.patience :]) <= max(self._scores[: -self.settings.patience])

    def _end_epoch(self) -> float:
        held = {name: value.detach().clone() for name, value in self.model.trained().items()}
        self._use(self._mean or held)
        score = self.validate()
        if self._choosing and score > max(self._scores):
            self._best = {name: value.detach().clone() for name, value in self.model.trained().items()}
        self._scores.append(score)
        self._use(held)
        return score

    def _use(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.model.trained().items():
                value.copy_(weights[name])
        self.model.adaptation.hold()

    def _keep_last(self) -> Outcome:
        if self._mean:
            self._use(self._mean)
        return Outcome(self._scores[0], tuple(self._scores[1:]), len(self._scores) - 1, 1.0, self._scores[-1])

    def _keep_best_mixture(self) -> Outcome:
        """Between the first weights and the best ones (Wortsman et al. 2022, "Robust fine-tuning")."""
        best, after = 1.0, max(self._scores)
        tuned = self._best
        for share in self.settings.mixtures:
            if share >= 1:
                continue
            self._use({name: (1 - share) * self._first[name] + share * tuned[name] for name in tuned})
            score = self.validate()
            if score > after:
                best, after = share, score
        self._use({name: (1 - best) * self._first[name] + best * tuned[name] for name in tuned})
        place = int(np.argmax(self._scores))
        return Outcome(self._scores[0], tuple(self._scores[1:]), place, best, after)

    def validate(self) -> float:
        """Mean nDCG@10 within the judged lists of validation; 0 where none has texts of different levels."""
        return self.crew.agreed(self.study.validate()) if self._telling else 0.0

    def step(self, chunks: Sequence[Chunk], step: int) -> dict[str, float]:
        """Move the weights once; returns the losses."""
        settings = self.settings
        self.crew.seed(settings.seed * 1_000_003 + step)
        self._optimiser.zero_grad(set_to_none=True)
        losses = self._backward(chunks)
        if (penalty := self.model.adaptation.penalty()) is not None:
            self._back(penalty)
            losses["orthogonal"] = float(penalty.detach())
        if settings.anchor > 0:
            losses["anchor"] = self._pull(settings.anchor)
        trained = list(self.model.trained().values())
        if settings.adversarial > 0:
            self._perturbed(chunks, settings.adversarial)
        if self._push is not None:
            self._pushed(chunks, self._push)
        if self._scaler is not None:
            self._scaler.unscale_(self._optimiser)
        self.crew.clip(trained, 1.0)
        self._move()
        self.model.adaptation.after_step(step + 1)
        if settings.average > 0:
            self._average()
        return losses

    def _move(self) -> None:
        """The optimiser's step and the rate's; neither, where a gradient of fp16 has overflown."""
        if self._scaler is None:
            self._optimiser.step()
        else:
            scale = self._scaler.get_scale()
            self._scaler.step(self._optimiser)
            self._scaler.update()
            if self._scaler.get_scale() < scale:
                return
        self._schedule.step()

    def _backward(self, chunks: Sequence[Chunk]) -> dict[str, float]:
        """Adds the gradient of the step's losses, in as many parts as the settings say; returns the losses."""
        parts = min(self.settings.accumulate, len(chunks))
        if parts == 1 or not self.study.separable or self.crew.shares:
            return self._backward_of(chunks, self.settings.accumulate, 1.0)
        found: dict[str, float] = {}
        for part in range(parts):
            some = chunks[part::parts]
            share = self.objective.share(some, chunks)
            for name, value in self._backward_of(some, 1, share).items():
                found[name] = found.get(name, 0.0) + share * value
        return found

    def _backward_of(self, chunks: Sequence[Chunk], parts: int, share: float) -> dict[str, float]:
        """Adds ``share`` of the gradient of the losses over some lists, all in memory at once or in parts."""
        step = self.study.step(chunks, f"{self.settings.seed}:{self._done}")
        if self.settings.r_drop > 0:
            step = twice(step, self.settings.r_drop)
        found: Mapping[str, Tensor]
        if self.crew.shares:
            found = self.crew.backward(step, parts, self._back, list(self.model.trained().values()))
        elif parts > 1:
            found = cached_backward(step.encode, parts_of(step.lengths, parts), step.losses, self._back)
        else:
            found = step.losses(step.encode(range(len(step.lengths))))
            whole = torch.stack(list(found.values())).sum()
            self._back(whole if share == 1 else share * whole)
        return {name: float(value.detach()) for name, value in found.items()}

    def _pull(self, weight: float) -> float:
        """Adds the gradient of half the squared distance to the weights that the run began with; returns the loss.

        L2-SP: Li et al. 2018.
        """
        moved = [value - self._first[name] for name, value in self.model.trained().items()]
        self._back(weight * (torch.stack([local(part).square().sum() for part in moved]).sum() / 2))
        return weight / 2 * float(self.crew.squares([part.detach() for part in moved]))

    def _back(self, loss: Tensor) -> None:
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()

    def items(self, chunks: Sequence[Chunk]) -> tuple[list[Ids], dict[int, int]]:
        """What an encoder's step encodes, queries first, and the place of each text among the texts."""
        ids, number = items(self.task, chunks)
        return ids * (2 if self.settings.r_drop > 0 else 1), number

    def _perturbed(self, chunks: Sequence[Chunk], size: float) -> None:
        """Adds the gradient at weights moved up the loss (AWP: Wu et al. 2020), in proportion to their own length."""
        moved: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad():
            for value in self.model.trained().values():
                if value.grad is not None and value.dim() > 1:
                    push = size * value.norm() * value.grad / value.grad.norm().clamp(min=1e-12)
                    value.add_(push)
                    moved.append((value, push))
        self._backward(chunks)
        with torch.no_grad():
            for value, push in moved:
                value.sub_(push)

    def _pushed(self, chunks: Sequence[Chunk], push: WordPush) -> None:
        """Adds the gradient at word vectors moved up the loss."""
        push.climb(self.settings.fgm, self.crew.together)
        self._backward(chunks)
        push.clear()

    def _average(self) -> None:
        """Exponential moving average of the weights (Polyak and Juditsky 1992)."""
        share = min(self.settings.average, (self._done + 1) / (self._done + 10))
        with torch.no_grad():
            for name, value in self.model.trained().items():
                held = self._mean.setdefault(name, value.detach().clone())
                held.mul_(share).add_(value, alpha=1 - share)
