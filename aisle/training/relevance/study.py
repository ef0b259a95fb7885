"""How each kind of model goes through a step and through validation: what it encodes, and what is lost on it.

Knows a lesson's ids and lists, and the model; no optimiser, no steps, no files. PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from aisle.evaluate.pools import mean_ndcg
from aisle.rerankers.cross_encoder import Pair, joined
from aisle.training.relevance.compute import Compute
from aisle.training.relevance.cross_model import CrossModel
from aisle.training.relevance.data import Lesson
from aisle.training.relevance.lists import Chunk, Lists
from aisle.training.relevance.model import Ids, TunedEncoder
from aisle.training.relevance.objective import Objective, padded


@dataclass(frozen=True, slots=True)
class Step:
    """What goes through the model in a step.

    Attributes:
        lengths: Of each item in tokens.
        encode: The rows, ``(n, width)`` or ``(n,)``, of items by their number.
        losses: By name, of the rows of all items in order.
    """

    lengths: Sequence[int]
    encode: Callable[[Sequence[int]], Tensor]
    losses: Callable[[Tensor], Mapping[str, Tensor]]


class Study(Protocol):
    """What a run asks of a model beyond its weights."""

    def step(self, chunks: Sequence[Chunk]) -> Step:
        """The items of some lists."""
        ...

    def validate(self) -> float:
        """Mean nDCG@10 within the judged lists of validation."""
        ...


class EncoderStudy:
    """Queries and texts to vectors, each once.

    Args:
        model: Changed by others, from step to step.
        task: Its ids and lists.
        objective: The losses.
        compute: Where, and how precisely.
    """

    def __init__(self, model: TunedEncoder, task: Lesson, objective: Objective, compute: Compute) -> None:
        self.model, self.task, self.objective, self.compute = model, task, objective, compute
        keeping = objective.settings.keep > 0
        self._first = {name: value.detach().clone() for name, value in model.trained().items()} if keeping else {}

    def step(self, chunks: Sequence[Chunk]) -> Step:
        """Each list's query, then the distinct texts."""
        ids, number = items(self.task, chunks)
        longest = max(map(len, ids)) if self.objective.settings.late > 0 else 0
        first = self._first_vectors(ids) if self._first else None  # before the weights are needed for gradients

        def encode(part: Sequence[int]) -> Tensor:
            with self.compute.autocast():
                return self.model.outputs([ids[item] for item in part], longest)

        def losses(rows: Tensor) -> Mapping[str, Tensor]:
            vectors, tokens = self.model.split(rows, longest)
            return self.objective.losses(vectors, tokens, first, chunks, number)

        return Step([len(row) for row in ids], encode, losses)

    def validate(self) -> float:
        """By the cosines of validation's queries and texts."""
        task = self.task
        wanted = sorted({text for row in task.validation.texts for text in row})
        place = {text: at for at, text in enumerate(wanted)}
        texts = self.model.vectors([task.texts[i] for i in wanted])
        queries = self.model.vectors([task.queries[i] for i in task.validation_queries])
        scores = [
            float(queries[number] @ texts[place[text]])
            for number, row in enumerate(task.validation.texts)
            for text in row
        ]
        return _ndcg(task.validation, np.array(scores))

    def _first_vectors(self, ids: Sequence[Ids]) -> Tensor:
        held = {name: value.detach().clone() for name, value in self.model.trained().items()}
        self._use(self._first)
        found = torch.from_numpy(self.model.vectors(ids)).to(self.compute.device)
        self._use(held)
        return found

    def _use(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.model.trained().items():
                value.copy_(weights[name])
        self.model.adaptation.hold()


class CrossStudy:
    """Each text with its query to a score.

    Args:
        model: Changed by others, from step to step.
        task: Its ids and lists.
        objective: The losses within a list.
        compute: Where, and how precisely.
    """

    def __init__(self, model: CrossModel, task: Lesson, objective: Objective, compute: Compute) -> None:
        self.model, self.task, self.objective, self.compute = model, task, objective, compute

    def step(self, chunks: Sequence[Chunk]) -> Step:
        """Each list's texts, one list after the other."""
        queries = self.task.train_queries
        pairs = [self._pair(queries[chunk.query], text) for chunk in chunks for text in chunk.texts]

        def encode(part: Sequence[int]) -> Tensor:
            with self.compute.autocast():
                return self.model.outputs([pairs[item] for item in part])

        def losses(rows: Tensor) -> Mapping[str, Tensor]:
            level, mask = (part.to(rows.device) for part in padded(chunks))
            return self.objective.within(torch.zeros_like(level).masked_scatter(mask, rows), level, mask)

        return Step([len(pair) for pair in pairs], encode, losses)

    def validate(self) -> float:
        """By the scores of validation's pairs."""
        task = self.task
        pairs = [
            self._pair(query, text)
            for query, row in zip(task.validation_queries, task.validation.texts, strict=True)
            for text in row
        ]
        return _ndcg(task.validation, self.model.scores(pairs))

    def _pair(self, query: int, text: int) -> Pair:
        base = self.model.base
        return joined(self.task.queries[query], self.task.texts[text], base.query_tokens, base.max_tokens)


def items(task: Lesson, chunks: Sequence[Chunk]) -> tuple[list[Ids], dict[int, int]]:
    """What an encoder's step encodes, queries first, and the place of each text among the texts."""
    number = {text: at for at, text in enumerate(dict.fromkeys(text for chunk in chunks for text in chunk.texts))}
    ids = [task.queries[task.train_queries[chunk.query]] for chunk in chunks]
    return ids + [task.texts[text] for text in number], number


def _ndcg(lists: Lists, scores: np.ndarray) -> float:
    groups: dict[str, Sequence[int]] = {}
    levels: list[float] = []
    for number, row in enumerate(lists.levels):
        groups[str(number)] = range(len(levels), len(levels) + len(row))
        levels += row
    return float(mean_ndcg(groups, np.array(levels), scores))
