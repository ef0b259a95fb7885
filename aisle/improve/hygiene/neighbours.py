"""What the other judgments of a query say of a pair: its grades so far, and those of the titles most like this one.

A pair's own grade is never looked at. Knows likeness and levels, no texts and no models.
"""

from __future__ import annotations

import numpy as np

from aisle.improve.hygiene.signals import Doubles, Integers, Signals

PRIOR = 3.0
"""For how many judgments of a query the grades of all queries count."""
SHARPNESS = (6.0, 4.0)
"""How fast a neighbour's say falls with its likeness, in vectors and in words: exp(sharpness * (likeness - 1))."""


def neighbour_names(levels: int) -> tuple[str, ...]:
    """Columns of `neighbours`, for so many levels."""
    kinds = ("query", "vector", "word", "nearest")
    return (*(f"{kind}_{level}" for kind in kinds for level in range(levels)), "query_judged")


def neighbours(found: Signals, place: Integers, known: Doubles, levels: int) -> Doubles:
    """``(n, 4 * levels + 1)``, in units of chance, likeness or logarithms of counts.

    Args:
        found: The pairs.
        place: ``(n,)`` the number of each pair's level; read only where it is known.
        known: ``(n,)`` how much each judgment counts, from 0, unknown, to 1.
        levels: How many there are.
    """
    whole = np.bincount(place[known > 0], known[known > 0], levels) + 1e-9
    share = whole / whole.sum()
    table = np.zeros((len(place), 4 * levels + 1))
    for rows, (vectors, words) in zip(found.rows, found.alike, strict=True):
        counted = np.zeros((len(rows), levels))
        counted[np.arange(len(rows)), np.where(known[rows] > 0, place[rows], 0)] = known[rows]
        others = 1 - np.eye(len(rows))
        own = PRIOR * share + others @ counted
        own /= own.sum(1, keepdims=True)
        parts = [own]
        for likeness, sharpness in zip((vectors, words), SHARPNESS, strict=True):
            say = np.exp(sharpness * (likeness - 1)) * others
            votes = say @ counted
            weight = np.exp(-sharpness / 2)  # as much as one neighbour of likeness one half
            parts.append((votes + weight * own) / (votes.sum(1, keepdims=True) + weight))
        near = np.zeros((len(rows), levels))
        for level in range(levels):
            near[:, level] = (vectors * others * (counted[:, level] > 0)).max(1, initial=0.0)
        table[rows] = np.column_stack([*parts, near, np.log1p(others @ counted.sum(1))])
    return table
