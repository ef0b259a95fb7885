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
from aisle.training.relevance.objective import Objective, counts_of, padded


@dataclass(frozen=True, slots=True)
class Step:
    """What goes through the model in a step.

    Attributes:
        lengths: Of each item in tokens.
        encode: The rows, ``(n, width)`` or ``(n,)``, of items by their number.
        losses: By name, of the rows of all items in order.
        listed: The scores of the lists, ``(lists, places)``, by such rows; and where there is one.
    """

    lengths: Sequence[int]
    encode: Callable[[Sequence[int]], Tensor]
    losses: Callable[[Tensor], Mapping[str, Tensor]]
    listed: Callable[[Tensor], tuple[Tensor, Tensor]]


class Study(Protocol):
    """What a run asks of a model beyond its weights."""

    @property
    def separable(self) -> bool:
        """Whether a step's loss may be added up list by list."""
        ...

    def step(self, chunks: Sequence[Chunk], seed: str) -> Step:
        """The items of some lists, with the changes that the seed draws."""
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

    @property
    def separable(self) -> bool:
        """Consistency is a mean over the changed items, however many a list has."""
        return self.objective.separable and not self._consistency

    @property
    def _consistency(self) -> float:
        return self.task.noise.settings.consistency if self.task.noise is not None else 0.0

    def step(self, chunks: Sequence[Chunk], seed: str) -> Step:
        """Each list's query, then the distinct texts; then what changed items are to be consistent with."""
        ids, number = items(self.task, chunks)
        count = len(ids)
        ids, changed = self._with_changes(ids, chunks, number, seed)
        longest = max(map(len, ids)) if self.objective.settings.late > 0 else 0
        first = self._first_vectors(ids[:count]) if self._first else None  # before the weights are needed for gradients

        def encode(part: Sequence[int]) -> Tensor:
            with self.compute.autocast():
                return self.model.outputs([ids[item] for item in part], longest)

        def losses(rows: Tensor) -> Mapping[str, Tensor]:
            vectors, tokens = self.model.split(rows, longest)
            listed = None if tokens is None else tokens[:count]
            found = self.objective.losses(vectors[:count], listed, first, chunks, number)
            if len(ids) > count:
                found["consistency"] = self._consistency * apart(vectors[changed], vectors[count:], self._clean)
            return found

        def listed(rows: Tensor) -> tuple[Tensor, Tensor]:
            vectors, _ = self.model.split(rows, longest)
            scores, _, mask = self.objective.listed(
                vectors[: len(chunks)] @ vectors[len(chunks) : count].T, chunks, number
            )
            return scores, mask

        return Step([len(row) for row in ids], encode, losses, listed)

    @property
    def _clean(self) -> bool:
        return self.task.noise is not None and self.task.noise.settings.lists == "clean"

    def _with_changes(
        self, ids: list[Ids], chunks: Sequence[Chunk], number: Mapping[int, int], seed: str
    ) -> tuple[list[Ids], list[int]]:
        """The items with the changes of this step; where consistency counts, the other form of each behind them.

        Returns:
            The items, and the places of those that have another form.
        """
        noise = self.task.noise
        if noise is None:
            return ids, []
        found: dict[int, Ids] = {}
        for row, chunk in enumerate(chunks):
            query = noise.query(self.task.train_queries[chunk.query], f"{seed}:{chunk.query}:{chunk.texts[0]}")
            found |= {row: query} if query is not None else {}
        asked = {text: self.task.train_queries[chunk.query] for chunk in chunks for text in chunk.texts}
        for text, at in number.items():
            changed = noise.text(text, seed, asked[text])
            found |= {len(chunks) + at: changed} if changed is not None else {}
        if self._clean:
            return [*ids, *found.values()], list(found)
        kept = [ids[place] for place in found] if self._consistency else []
        return [found.get(place, row) for place, row in enumerate(ids)] + kept, list(found)

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

    @property
    def separable(self) -> bool:
        """As its losses are."""
        return self.objective.separable

    def step(self, chunks: Sequence[Chunk], seed: str) -> Step:
        """Each list's texts, one list after the other."""
        pairs = [pair for chunk in chunks for pair in self._pairs(chunk, seed)]

        def encode(part: Sequence[int]) -> Tensor:
            with self.compute.autocast():
                return self.model.outputs([pairs[item] for item in part])

        def listed(rows: Tensor) -> tuple[Tensor, Tensor]:
            mask = padded(chunks)[1].to(rows.device)
            return torch.zeros(mask.shape, device=rows.device).masked_scatter(mask, rows), mask

        def losses(rows: Tensor) -> Mapping[str, Tensor]:
            scores, mask = listed(rows)
            level = padded(chunks)[0].to(rows.device)
            return self.objective.within(scores, level, mask, counts_of(chunks, rows.device))

        return Step([len(pair) for pair in pairs], encode, losses, listed)

    def validate(self) -> float:
        """By the scores of validation's pairs."""
        task = self.task
        pairs = [
            self._pair(query, text)
            for query, row in zip(task.validation_queries, task.validation.texts, strict=True)
            for text in row
        ]
        return _ndcg(task.validation, self.model.scores(pairs))

    def _pairs(self, chunk: Chunk, seed: str) -> list[Pair]:
        task, query, base = self.task, self.task.train_queries[chunk.query], self.model.base
        noise = task.noise
        if noise is None:
            return [self._pair(query, text) for text in chunk.texts]
        asked = noise.query(query, f"{seed}:{chunk.query}:{chunk.texts[0]}") or task.queries[query]
        texts = [noise.text(text, seed, query) or task.texts[text] for text in chunk.texts]
        return [joined(asked, text, base.query_tokens, base.max_tokens) for text in texts]

    def _pair(self, query: int, text: int) -> Pair:
        base = self.model.base
        return joined(self.task.queries[query], self.task.texts[text], base.query_tokens, base.max_tokens)


def items(task: Lesson, chunks: Sequence[Chunk]) -> tuple[list[Ids], dict[int, int]]:
    """What an encoder's step encodes, queries first, and the place of each text among the texts."""
    number = {text: at for at, text in enumerate(dict.fromkeys(text for chunk in chunks for text in chunk.texts))}
    ids = [task.queries[task.train_queries[chunk.query]] for chunk in chunks]
    return ids + [task.texts[text] for text in number], number


def apart(vectors: Tensor, others: Tensor, clean_first: bool) -> Tensor:
    """How far changed texts are from themselves as they were, 1 - cosine in the mean; only the changed ones are moved.

    Args:
        vectors: ``(n, dim)`` unit rows, in the lists.
        others: ``(n, dim)``, the other form of each.
        clean_first: Whether those of the lists are the ones as they were.
    """
    clean, changed = (vectors, others) if clean_first else (others, vectors)
    return (1 - (changed * clean.detach()).sum(1)).mean()


def _ndcg(lists: Lists, scores: np.ndarray) -> float:
    groups: dict[str, Sequence[int]] = {}
    levels: list[float] = []
    for number, row in enumerate(lists.levels):
        groups[str(number)] = range(len(levels), len(levels) + len(row))
        levels += row
    return float(mean_ndcg(groups, np.array(levels), scores))
