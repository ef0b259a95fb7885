"""Training a student on what teachers say of unlabelled lists, with judged lists beside them or not; resumable.

Knows token ids, scores and a module that makes vectors of ids. A step's batch depends on the seed and the step alone,
so a resumed run is the unbroken one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from aisle.training.distil.losses import listwise_kl, margin_mse
from aisle.training.distil.recipe import StepSettings
from aisle.training.loop import Course, Loop
from aisle.training.relevance.candidate import Report
from aisle.training.relevance.data import Lesson
from aisle.training.relevance.lists import Chunk, Lists, epoch
from aisle.training.relevance.losses import in_batch, listwise
from aisle.training.relevance.model import Ids, TunedEncoder, seed_everything
from aisle.types import Array

LABEL_SCALE = 20.0
"""Of cosines before a softmax over judged texts, as `aisle train` has it."""
_POSITIVE = 0.5


@dataclass(frozen=True, slots=True)
class Guide:
    """The vectors that a student should keep near: of each query, ``(queries, dim)``, and text, ``(texts, dim)``."""

    queries: Array
    texts: Array


@dataclass(frozen=True, slots=True)
class DistilLesson:
    """What a student learns from.

    Attributes:
        queries: Token ids of each list's query.
        texts: Token ids of the catalogue's distinct texts.
        lists: Each query's texts with the teachers' scores, in standard deviations, in the place of levels.
        spread: What one standard deviation of a query's scores is in cosines.
        guide: Where the loss over vectors counts.
        labelled: Judged lists, where the loss over labels counts.
    """

    queries: Sequence[Ids]
    texts: Sequence[Ids]
    lists: Lists
    spread: float
    guide: Guide | None = None
    labelled: Lesson | None = None


class DistilFit:
    """One run of distillation.

    Args:
        model: The student, changed in place.
        task: What to learn from.
        settings: How.
        folder: Where the checkpoint and the log are.
    """

    def __init__(self, model: TunedEncoder, task: DistilLesson, settings: StepSettings, folder: Path) -> None:
        self.model, self.task, self.settings = model, task, settings
        seed_everything(settings.seed, settings.threads)
        self._epoch_steps = len(self._batches(task.lists, 0))
        self._labelled_lists = task.labelled.train if task.labelled is not None and settings.labels > 0 else None
        self._label_steps = len(self._batches(self._labelled_lists, 0)) if self._labelled_lists else 0
        groups = model.groups(settings.rate, settings.decay, settings.layer_decay)
        course = Course(self._epoch_steps, settings.epochs, settings.warm_up, settings.save_every, settings.seed)
        self._loop = Loop(model.trained(), groups, course, folder)
        self._drawn: dict[str, tuple[int, list[list[Chunk]]]] = {}

    def _batches(self, lists: Lists, number: int) -> list[list[Chunk]]:
        settings = self.settings
        chunks = epoch(lists, settings.per_query, f"{settings.seed}:{number}")
        return [chunks[start : start + settings.queries] for start in range(0, len(chunks), settings.queries)]

    def resume(self) -> int:
        """Go on from the checkpoint in the folder, if there is one; returns the steps done."""
        return self._loop.resume()

    def run(self, report: Report) -> None:
        """Train until the epochs are over; the model then has the last weights."""
        self.model.train()
        self._loop.run(self._step, report)

    def _batch(self, name: str, lists: Lists, step: int, each: int) -> list[Chunk]:
        """The lists of a step, out of those of its epoch, which are drawn once."""
        number, at = divmod(step, each)
        if self._drawn.get(name, (-1, []))[0] != number:
            self._drawn[name] = number, self._batches(lists, number)
        return self._drawn[name][1][at]

    def _step(self, step: int) -> dict[str, float]:
        losses = self._taught(self._batch("taught", self.task.lists, step, self._epoch_steps))
        if self._labelled_lists is not None:
            judged = self._batch("labels", self._labelled_lists, step, self._label_steps)
            losses["labels"] = self.settings.labels * self._labelled(judged)
        torch.stack(list(losses.values())).sum().backward()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _taught(self, chunks: Sequence[Chunk]) -> dict[str, Tensor]:
        settings, task = self.settings, self.task
        number = _numbers(chunks)
        ids = [task.queries[chunk.query] for chunk in chunks] + [task.texts[text] for text in number]
        vectors = self._vectors(ids)
        asked = len(chunks)
        place, score, mask = _padded(chunks, number)
        own = (vectors[:asked] @ vectors[asked:].T).gather(1, place) / task.spread
        losses = {}
        if settings.listwise > 0:
            losses["listwise"] = settings.listwise * listwise_kl(own, score, mask, settings.temperature)
        if settings.margin > 0:
            losses["margin"] = settings.margin * margin_mse(own, score, mask)
        if settings.vectors > 0 and task.guide is not None:
            queries = torch.from_numpy(task.guide.queries[[chunk.query for chunk in chunks]])
            texts = torch.from_numpy(task.guide.texts[list(number)])
            losses["vectors"] = settings.vectors * (1 - (vectors * torch.cat([queries, texts])).sum(1)).mean()
        return losses

    def _labelled(self, chunks: Sequence[Chunk]) -> Tensor:
        """The loss of `aisle train` by default: softmax within a list, and its best text among those of the others."""
        task = self.task.labelled
        assert task is not None
        number = _numbers(chunks)
        ids = [task.queries[task.train_queries[chunk.query]] for chunk in chunks] + [task.texts[i] for i in number]
        vectors = self._vectors(ids)
        every = vectors[: len(chunks)] @ vectors[len(chunks) :].T * LABEL_SCALE
        place, level, mask = _padded(chunks, number)
        ignored = torch.zeros_like(every, dtype=torch.bool)
        wanted = []
        for row, chunk in enumerate(chunks):
            known = task.train.judged(chunk.query)
            ignored[row, [at for text, at in number.items() if text in known]] = True
            best = max(range(len(chunk.texts)), key=lambda i: chunk.levels[i])
            wanted.append(number[chunk.texts[best]] if chunk.levels[best] >= _POSITIVE * task.train.top else -1)
        return listwise(every.gather(1, place), level, mask) + in_batch(every, torch.tensor(wanted), ignored)

    def _vectors(self, ids: Sequence[Ids]) -> Tensor:
        with self.model.compute.autocast():
            found: Tensor = self.model.by_length(ids)
        return found.float()


def _numbers(chunks: Sequence[Chunk]) -> dict[int, int]:
    """The distinct texts of a batch and their places."""
    return {text: at for at, text in enumerate(dict.fromkeys(text for chunk in chunks for text in chunk.texts))}


def _padded(chunks: Sequence[Chunk], number: Mapping[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Each list's texts by their place in the batch, their scores or levels, and where there is a text."""
    width = max(len(chunk.texts) for chunk in chunks)
    place = torch.zeros(len(chunks), width, dtype=torch.long)
    score = torch.zeros(len(chunks), width)
    mask = torch.zeros(len(chunks), width, dtype=torch.bool)
    for row, chunk in enumerate(chunks):
        place[row, : len(chunk.texts)] = torch.tensor([number[found] for found in chunk.texts])
        score[row, : len(chunk.texts)] = torch.tensor(chunk.levels)
        mask[row, : len(chunk.texts)] = True
    return place, score, mask
