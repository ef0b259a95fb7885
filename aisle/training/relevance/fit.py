"""Training an encoder on judged lists: a listwise loss within each query and negatives from the batch; resumable.

Knows token ids, levels and a module that makes vectors of ids; no files but its own checkpoint, no catalogue, no
search. A step's batch depends on the seed and the step alone, so a resumed run is the unbroken one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aisle.evaluate.pools import mean_ndcg
from aisle.training.relevance.candidate import Report
from aisle.training.relevance.data import Lesson
from aisle.training.relevance.lists import Chunk, epoch
from aisle.training.relevance.losses import cosent, in_batch, late_interaction, listwise, pairwise, pointwise
from aisle.training.relevance.model import Ids, TunedEncoder, seed_everything
from aisle.training.relevance.recipe import FitSettings

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
_LOSSES = {"listwise": listwise, "pairwise": pairwise, "cosent": cosent}


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
    """One run of training.

    Args:
        model: Changed in place.
        task: What to learn from.
        settings: How.
        folder: Where the checkpoint and the log are.
    """

    def __init__(self, model: TunedEncoder, task: Lesson, settings: FitSettings, folder: Path) -> None:
        self.model, self.task, self.settings, self.folder = model, task, settings, folder
        seed_everything(settings.seed, settings.threads)
        self._first = {name: value.detach().clone() for name, value in model.trained().items()}
        self._optimiser = torch.optim.AdamW(model.groups(settings.rate, settings.decay, settings.layer_decay))
        self._epoch_steps = len(self._batches(0))
        self._steps = self._epoch_steps * settings.epochs
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._rate)
        self._telling = any(len(set(levels)) > 1 for levels in task.validation.levels)
        self._choosing = settings.choose and self._telling
        self._done = 0
        self._scores: list[float] = []
        self._best: dict[str, Tensor] = {}
        self._mean: dict[str, Tensor] = {}

    def _rate(self, step: int) -> float:
        warm = max(1, int(self._steps * self.settings.warm_up))
        if step < warm:
            return (step + 1) / warm
        return max(0.0, 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self._steps - warm))))

    def _batches(self, number: int) -> list[list[Chunk]]:
        settings = self.settings
        chunks = epoch(self.task.train, settings.per_query, f"{settings.seed}:{number}")
        return [chunks[start : start + settings.queries] for start in range(0, len(chunks), settings.queries)]

    def resume(self) -> int:
        """Go on from the checkpoint in the folder, if there is one; returns the steps done."""
        path = self.folder / CHECKPOINT
        if path.exists():
            found = torch.load(path, weights_only=True)
            self.model.load_state_dict(found["model"], strict=False)
            self._optimiser.load_state_dict(found["optimiser"])
            self._schedule.load_state_dict(found["schedule"])
            self._done, self._scores = found["done"], found["scores"]
            self._best, self._mean = found["best"], found["mean"]
        return self._done

    def _save(self) -> None:
        part = self.folder / f".{CHECKPOINT}.part"
        state = {
            "model": self.model.trained(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "done": self._done,
            "scores": self._scores,
            "best": self._best,
            "mean": self._mean,
        }
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
                drawn, batches = number, self._batches(number)
            self.model.train()
            losses = self._step(batches[at], self._done)
            self._done += 1
            ended = self._done % self._epoch_steps == 0
            if ended:
                score = self._end_epoch()
                if self._telling:
                    losses["validation"] = score
                self._save()
                with (self.folder / LOG).open("a", encoding="utf-8") as log:
                    rounded = {name: round(value, 5) for name, value in losses.items()}
                    log.write(json.dumps({"step": self._done, **rounded}) + "\n")
            elif self._done % settings.save_every == 0:
                self._save()
            report(self._done, self._steps, losses)
        return self._keep_best_mixture() if self._choosing else self._keep_last()

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
        task = self.task
        if not self._telling:
            return 0.0
        wanted = sorted({text for row in task.validation.texts for text in row})
        place = {text: at for at, text in enumerate(wanted)}
        texts = self.model.vectors([task.texts[i] for i in wanted])
        queries = self.model.vectors([task.queries[i] for i in task.validation_queries])
        scores: list[float] = []
        levels: list[float] = []
        groups: dict[str, Sequence[int]] = {}
        for number, (row, graded) in enumerate(zip(task.validation.texts, task.validation.levels, strict=True)):
            groups[str(number)] = range(len(scores), len(scores) + len(row))
            scores += [float(queries[number] @ texts[place[text]]) for text in row]
            levels += graded
        return float(mean_ndcg(groups, np.array(levels), np.array(scores)))

    def _step(self, chunks: Sequence[Chunk], step: int) -> dict[str, float]:
        settings, task = self.settings, self.task
        torch.manual_seed(settings.seed * 1_000_003 + step)
        flat = [text for chunk in chunks for text in chunk.texts]
        number = {text: at for at, text in enumerate(dict.fromkeys(flat))}
        ids = [task.queries[task.train_queries[chunk.query]] for chunk in chunks]
        ids += [task.texts[text] for text in number]
        losses = self._losses(ids, chunks, number)
        loss = torch.stack(list(losses.values())).sum()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        trained = list(self.model.trained().values())
        if settings.adversarial > 0:
            self._perturbed(ids, chunks, number, settings.adversarial)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        self._optimiser.step()
        self._schedule.step()
        if settings.average > 0:
            self._average()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(self, ids: Sequence[Ids], chunks: Sequence[Chunk], number: Mapping[int, int]) -> dict[str, Tensor]:
        settings = self.settings
        first = self._first_vectors(ids) if settings.keep > 0 else None  # before the weights are needed for gradients
        asked = len(chunks)
        tokens: Tensor | None = None
        with torch.autocast("cpu", torch.bfloat16):
            if settings.late > 0:
                vectors, tokens = self.model.with_tokens(ids)
            else:
                vectors = self.model.by_length(ids)
        losses = self._ranking_losses(vectors[:asked] @ vectors[asked:].T, chunks, number)
        if tokens is not None:
            late = self._ranking_losses(late_interaction(tokens[:asked], tokens[asked:]), chunks, number)
            losses["late"] = settings.late * torch.stack(list(late.values())).sum()
        if first is not None:
            losses["keep"] = settings.keep * (1 - (vectors * first).sum(1)).mean()
        return losses

    def _ranking_losses(
        self, similarity: Tensor, chunks: Sequence[Chunk], number: Mapping[int, int]
    ) -> dict[str, Tensor]:
        """Of ``similarity``, ``(chunks, distinct texts)``: within each list, and against the texts of the others."""
        settings = self.settings
        every = similarity * settings.scale
        width = max(len(chunk.texts) for chunk in chunks)
        place = torch.zeros(len(chunks), width, dtype=torch.long)
        level = torch.zeros(len(chunks), width)
        mask = torch.zeros(len(chunks), width, dtype=torch.bool)
        for row, chunk in enumerate(chunks):
            place[row, : len(chunk.texts)] = torch.tensor([number[found] for found in chunk.texts])
            level[row, : len(chunk.texts)] = torch.tensor(chunk.levels)
            mask[row, : len(chunk.texts)] = True
        scores = every.gather(1, place)
        if settings.loss == "pointwise":
            losses = {"pointwise": pointwise(scores - settings.scale / 2, level, mask, self.task.train.top)}
        else:
            losses = {settings.loss: _LOSSES[settings.loss](scores, level, mask)}
        if settings.in_batch > 0:
            losses["in_batch"] = settings.in_batch * self._in_batch(every, chunks, number)
        return losses

    def _in_batch(self, every: Tensor, chunks: Sequence[Chunk], number: Mapping[int, int]) -> Tensor:
        ignored = torch.zeros_like(every, dtype=torch.bool)
        wanted = []
        for row, chunk in enumerate(chunks):
            known = self.task.train.judged(chunk.query)
            ignored[row, [at for text, at in number.items() if text in known]] = True
            best = max(range(len(chunk.texts)), key=lambda i: chunk.levels[i])
            good = chunk.levels[best] >= self.settings.positive * self.task.train.top
            wanted.append(number[chunk.texts[best]] if good else -1)
        return in_batch(every, torch.tensor(wanted), ignored)

    def _first_vectors(self, ids: Sequence[Ids]) -> Tensor:
        held = {name: value.detach().clone() for name, value in self.model.trained().items()}
        self._use(self._first)
        found = torch.from_numpy(self.model.vectors(ids))
        self._use(held)
        return found

    def _perturbed(self, ids: Sequence[Ids], chunks: Sequence[Chunk], number: Mapping[int, int], size: float) -> None:
        """Adds the gradient at weights moved up the loss (AWP: Wu et al. 2020), in proportion to their own length."""
        moved: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad():
            for value in self.model.trained().values():
                if value.grad is not None and value.dim() > 1:
                    push = size * value.norm() * value.grad / value.grad.norm().clamp(min=1e-12)
                    value.add_(push)
                    moved.append((value, push))
        torch.stack(list(self._losses(ids, chunks, number).values())).sum().backward()
        with torch.no_grad():
            for value, push in moved:
                value.sub_(push)

    def _average(self) -> None:
        """Exponential moving average of the weights (Polyak and Juditsky 1992)."""
        share = min(self.settings.average, (self._done + 1) / (self._done + 10))
        with torch.no_grad():
            for name, value in self.model.trained().items():
                held = self._mean.setdefault(name, value.detach().clone())
                held.mul_(share).add_(value, alpha=1 - share)
