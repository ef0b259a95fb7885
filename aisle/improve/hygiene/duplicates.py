"""Pairs that stand twice: queries in several spellings, like titles with unlike grades, queries in two files.

Knows words and grades, no models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aisle.improve.hygiene.signals import Integers, Signals
from aisle.judgments.pairs import PairSet
from aisle.judgments.split import query_key

ALIKE = 0.9
"""From this cosine of their words, weighted by rarity, two titles are near-duplicates."""


@dataclass(frozen=True, slots=True)
class Spellings:
    """Queries that are one but for case, plural, word order, spaces and punctuation."""

    queries: tuple[str, ...]
    pairs: int


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two pairs of one query whose titles are nearly the same and whose grades are not."""

    first: int
    second: int
    likeness: float
    apart: float


@dataclass(frozen=True, slots=True)
class Leak:
    """A query that two files have, and how many of the pairs have the same title as well."""

    query: str
    other: str
    pairs: int
    same_titles: int


def spellings(pairs: PairSet) -> list[Spellings]:
    """Queries of one file that should be judged as one, the most pairs first."""
    found: dict[str, dict[str, int]] = {}
    for pair in pairs:
        texts = found.setdefault(query_key(pair.query), {})
        texts[pair.query] = texts.get(pair.query, 0) + 1
    several = [Spellings(tuple(texts), sum(texts.values())) for texts in found.values() if len(texts) > 1]
    return sorted(several, key=lambda one: (-one.pairs, one.queries))


def contradictions(found: Signals, levels: np.ndarray, distance: float, alike: float = ALIKE) -> list[Contradiction]:
    """Near-duplicate titles of one query whose grades are apart by ``distance`` or more, the furthest apart first.

    Args:
        found: The pairs.
        levels: ``(n,)``; NaN where a pair has no grade.
        distance: In levels.
        alike: The least cosine of the titles' words.
    """
    result = []
    for rows, (_, words) in zip(found.rows, found.alike, strict=True):
        apart = np.abs(levels[rows][:, None] - levels[rows][None, :])
        with np.errstate(invalid="ignore"):
            hits = np.argwhere(np.triu((words >= alike) & (apart >= distance), 1))
        for one, other in hits:
            likeness = min(1.0, float(words[one, other]))
            result.append(Contradiction(int(rows[one]), int(rows[other]), likeness, float(apart[one, other])))
    return sorted(result, key=lambda one: (-one.apart, -one.likeness, one.first, one.second))


def leaks(pairs: PairSet, other: PairSet) -> list[Leak]:
    """Queries of the first file that the second one has in some spelling, the most shared pairs first."""
    theirs = _by_key(other)
    found = []
    for key, rows in _by_key(pairs).items():
        if key in theirs:
            titles = {_title(other[row].title) for row in theirs[key]}
            same = sum(_title(pairs[row].title) in titles for row in rows)
            found.append(Leak(pairs[rows[0]].query, other[theirs[key][0]].query, len(rows), same))
    return sorted(found, key=lambda one: (-one.same_titles, -one.pairs, one.query))


def conflict(found: Signals, levels: np.ndarray, alike: float = ALIKE) -> Integers:
    """``(n,)`` for each pair the row of its near-duplicate whose grade is furthest from its own; -1 where none is."""
    result = np.full(len(levels), -1, np.intp)
    worst = np.zeros(len(levels))
    for one in contradictions(found, levels, 1e-9, alike):
        for row, beside in ((one.first, one.second), (one.second, one.first)):
            if one.apart > worst[row]:
                worst[row], result[row] = one.apart, beside
    return result


def _by_key(pairs: PairSet) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, pair in enumerate(pairs):
        found.setdefault(query_key(pair.query), []).append(row)
    return found


def _title(text: str) -> Sequence[str]:
    return " ".join(text.casefold().split())
