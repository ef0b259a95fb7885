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
    """For each query the numbers of its judged texts with their levels (grades counted from 0).

    ``weights`` says how much each of them counts, above 0; where it is empty all count 1.
    """

    texts: tuple[tuple[int, ...], ...]
    levels: tuple[tuple[float, ...], ...]
    weights: tuple[tuple[float, ...], ...] = ()

    @property
    def top(self) -> float:
        """The highest level."""
        return max(level for row in self.levels for level in row)

    def judged(self, query: int) -> frozenset[int]:
        """The texts that are judged for a query."""
        return frozenset(self.texts[query])


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of one query's list: what one step compares; without weights all texts count 1."""

    query: int
    texts: tuple[int, ...]
    levels: tuple[float, ...]
    weights: tuple[float, ...] = ()


def lists_of(
    groups: Sequence[Sequence[int]], text_of: Sequence[int], levels: np.ndarray, weights: np.ndarray | None = None
) -> Lists:
    """Lists from rows.

    Args:
        groups: For each query its rows.
        text_of: The number of each row's text.
        levels: Of each row, ``(rows,)``; where a text is judged twice for a query, the mean counts.
        weights: Of each row, ``(rows,)``, above 0; of a text that is judged twice the mean. None is 1 each.
    """
    texts, graded, counts = [], [], []
    for rows in groups:
        found: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            found[text_of[row]].append(row)
        texts.append(tuple(found))
        if weights is None:
            graded.append(tuple(float(np.mean(levels[some])) for some in found.values()))
        else:
            graded.append(tuple(float(np.average(levels[some], weights=weights[some])) for some in found.values()))
            counts.append(tuple(float(np.mean(weights[some])) for some in found.values()))
    return Lists(tuple(texts), tuple(graded), tuple(counts))


def epoch(lists: Lists, per_query: int, seed: str, chosen: Sequence[int] | None = None) -> list[Chunk]:
    """Every list once in chunks of at most ``per_query`` texts, as equal as can be, all in an order of the seed.

    Args:
        lists: All of them.
        per_query: Texts of a chunk at most.
        seed: Of the order.
        chosen: Which lists; all, where nothing is said.
    """
    chance = random.Random(seed)
    found = []
    for query in range(len(lists.texts)) if chosen is None else chosen:
        texts, levels = lists.texts[query], lists.levels[query]
        order = list(range(len(texts)))
        chance.shuffle(order)
        parts = -(-len(order) // per_query)
        found += [
            Chunk(
                query,
                tuple(texts[i] for i in part),
                tuple(levels[i] for i in part),
                tuple(lists.weights[query][i] for i in part) if lists.weights else (),
            )
            for part in (order[start::parts] for start in range(parts))
        ]
    chance.shuffle(found)
    return found
