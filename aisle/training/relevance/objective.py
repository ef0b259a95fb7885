"""What a step of training an encoder minimises, as a function of rows. No optimiser, no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from aisle.errors import RecipeError
from aisle.training.relevance.lists import Chunk, Lists
from aisle.training.relevance.losses import (
    cosent,
    first_numbers,
    in_batch,
    lambdaloss,
    late_interaction,
    listmle,
    listwise,
    pairwise,
    pointwise,
)
from aisle.training.relevance.recipe import FitSettings

_LOSSES = {
    "listwise": listwise,
    "pairwise": pairwise,
    "lambdaloss": lambdaloss,
    "listmle": listmle,
    "cosent": cosent,
}
_OVER_LISTS = ("listwise", "lambdaloss", "listmle")
"""Means over lists with different levels."""


class Objective:
    """The losses that the settings name, for lists of one lesson.

    Args:
        settings: Which losses, and how much each counts.
        lists: All judged lists, by which a text that is judged for a query is never its negative.
    """

    def __init__(self, settings: FitSettings, lists: Lists) -> None:
        self.settings, self.lists = settings, lists

    @property
    def separable(self) -> bool:
        """Whether a step's loss is a mean over its lists, so that it may be added up list by list."""
        settings = self.settings
        alone = settings.in_batch == 0 and settings.keep == 0 and settings.r_drop == 0
        return settings.loss != "cosent" and alone

    def share(self, chunks: Sequence[Chunk], all_chunks: Sequence[Chunk]) -> float:
        """What the mean over some lists counts for in that over all of them, where the loss is separable."""
        return self._mass(chunks) / max(self._mass(all_chunks), 1e-9)

    def _mass(self, chunks: Sequence[Chunk]) -> float:
        if self.settings.loss in _OVER_LISTS:
            return sum(len(set(chunk.levels)) > 1 for chunk in chunks)
        if self.settings.loss == "pointwise":
            return sum(len(chunk.texts) for chunk in chunks)
        gains = [[2**level - 1 for level in chunk.levels] for chunk in chunks]
        return sum(max(0.0, one - other) for row in gains for one in row for other in row)

    def losses(
        self,
        vectors: Tensor,
        tokens: Tensor | None,
        first: Tensor | None,
        chunks: Sequence[Chunk],
        number: Mapping[int, int],
    ) -> dict[str, Tensor]:
        """By name.

        Args:
            vectors: ``(chunks + distinct texts, dim)``: each list's query, then the texts.
            tokens: ``(chunks + distinct texts, longest, hidden)``, where late interaction counts.
            first: The vectors before training, where they are to be kept.
            chunks: The step's lists.
            number: Which row, from the end of the queries on, each text has.

        Raises:
            RecipeError: Vectors are to rank at a length that is not below their own.
        """
        asked = len(chunks)
        losses = self._ranking(vectors[:asked] @ vectors[asked:].T, chunks, number)
        for dim in self.settings.matryoshka:
            if dim >= vectors.shape[1]:
                raise RecipeError(f"fit.matryoshka with {dim}", allowed=f"lengths below {vectors.shape[1]}")
            short = first_numbers(vectors, dim)
            found = self._ranking(short[:asked] @ short[asked:].T, chunks, number)
            losses[f"first {dim}"] = torch.stack(list(found.values())).sum()
        if tokens is not None:
            late = self._ranking(late_interaction(tokens[:asked], tokens[asked:]), chunks, number)
            losses["late"] = self.settings.late * torch.stack(list(late.values())).sum()
        if first is not None:
            losses["keep"] = self.settings.keep * (1 - (vectors * first).sum(1)).mean()
        return losses

    def _ranking(self, similarity: Tensor, chunks: Sequence[Chunk], number: Mapping[int, int]) -> dict[str, Tensor]:
        """Of ``similarity``, ``(chunks, distinct texts)``: within each list, and against the texts of the others."""
        settings = self.settings
        scores, level, mask = self.listed(similarity, chunks, number)
        losses = self.within(scores, level, mask, counts_of(chunks, scores.device), settings.scale / 2)
        if settings.in_batch > 0:
            losses["in_batch"] = settings.in_batch * self._in_batch(similarity * settings.scale, chunks, number)
        return losses

    def listed(
        self, similarity: Tensor, chunks: Sequence[Chunk], number: Mapping[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The scores of each list out of ``(chunks, distinct texts)``, its levels, and where there is a text."""
        level, mask = padded(chunks)
        place = torch.zeros(level.shape, dtype=torch.long)
        for row, chunk in enumerate(chunks):
            place[row, : len(chunk.texts)] = torch.tensor([number[found] for found in chunk.texts])
        place, level, mask = (part.to(similarity.device) for part in (place, level, mask))
        return (similarity * self.settings.scale).gather(1, place), level, mask

    def within(
        self, scores: Tensor, level: Tensor, mask: Tensor, counts: Tensor | None, middle: float = 0.0
    ) -> dict[str, Tensor]:
        """The loss within each list, ``(lists, places)``; ``middle`` is the score of a text half as good as can be."""
        name = self.settings.loss
        if name == "pointwise":
            return {name: pointwise(scores - middle, level, mask, self.lists.top, counts)}
        return {name: _LOSSES[name](scores, level, mask, counts)}

    def _in_batch(self, every: Tensor, chunks: Sequence[Chunk], number: Mapping[int, int]) -> Tensor:
        ignored = torch.zeros(every.shape, dtype=torch.bool)
        wanted, counts = [], []
        for row, chunk in enumerate(chunks):
            known = self.lists.judged(chunk.query)
            ignored[row, [at for text, at in number.items() if text in known]] = True
            weights = chunk.weights or (1.0,) * len(chunk.texts)
            best = max(range(len(chunk.texts)), key=lambda i: (chunk.levels[i], weights[i]))
            good = chunk.levels[best] >= self.settings.positive * self.lists.top
            wanted.append(number[chunk.texts[best]] if good else -1)
            counts.append(weights[best])
        device = every.device
        counted = torch.tensor(counts, device=device) if self.lists.weights else None
        return in_batch(every, torch.tensor(wanted, device=device), ignored.to(device), counted)


def counts_of(chunks: Sequence[Chunk], device: torch.device) -> Tensor | None:
    """How much each text of the lists counts, ``(lists, places)``, 1 where there is none; None where all count 1."""
    if not any(chunk.weights for chunk in chunks):
        return None
    found = torch.ones(len(chunks), max(len(chunk.texts) for chunk in chunks))
    for row, chunk in enumerate(chunks):
        found[row, : len(chunk.texts)] = torch.tensor(chunk.weights)
    return found.to(device)


def padded(chunks: Sequence[Chunk]) -> tuple[Tensor, Tensor]:
    """The levels of lists, ``(lists, places)``, and where there is one."""
    width = max(len(chunk.texts) for chunk in chunks)
    level = torch.zeros(len(chunks), width)
    mask = torch.zeros(len(chunks), width, dtype=torch.bool)
    for row, chunk in enumerate(chunks):
        level[row, : len(chunk.texts)] = torch.tensor(chunk.levels)
        mask[row, : len(chunk.texts)] = True
    return level, mask
