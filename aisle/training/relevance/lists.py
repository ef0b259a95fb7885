"""Judged texts as lists for each query, and the order in which a run sees them. NumPy only.

Knows ids of queries and texts, not their words and no model.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Lists:
    """For each query the numbers of its judged texts with their levels (grades counted from 0)."""

    texts: tuple[tuple[int, ...], ...]
    levels: tuple[tuple[float, ...], ...]

    @property
    def top(self) -> float:
        """The highest level."""
        return max(level for row in self.levels for level in row)

    def judged(self, query: int) -> frozenset[int]:
        """The texts that are judged for a query."""
        return frozenset(self.texts[query])


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of one query's list: what one step compares."""

    query: int
    texts: tuple[int, ...]
    levels: tuple[float, ...]


def lists_of(groups: Sequence[Sequence[int]], text_of: Sequence[int], levels: np.ndarray) -> Lists:
    """Lists from rows.

    Args:
        groups: For each query its rows.
        text_of: The number of each row's text.
        levels: Of each row, ``(rows,)``; where a text is judged twice for a query, the mean counts.
    """
    texts, graded = [], []
    for rows in groups:
        found: dict[int, list[float]] = defaultdict(list)
        for row in rows:
            found[text_of[row]].append(float(levels[row]))
        texts.append(tuple(found))
        graded.append(tuple(float(np.mean(values)) for values in found.values()))
    return Lists(tuple(texts), tuple(graded))


def epoch(lists: Lists, per_query: int, seed: str) -> list[Chunk]:
    """Every list once in chunks of at most ``per_query`` texts, as equal as can be, all in an order of the seed."""
    chance = random.Random(seed)
    found = []
    for query, (texts, levels) in enumerate(zip(lists.texts, lists.levels, strict=True)):
        order = list(range(len(texts)))
        chance.shuffle(order)
        parts = -(-len(order) // per_query)
        found += [
            Chunk(query, tuple(texts[i] for i in part), tuple(levels[i] for i in part))
            for part in (order[start::parts] for start in range(parts))
        ]
    chance.shuffle(found)
    return found
