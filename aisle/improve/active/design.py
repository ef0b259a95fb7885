"""Pairs whose grades would make the order of all texts surest, chosen one by one, each knowing those before it.

Bayesian optimal design for a linear score (V-optimality: Chaloner and Verdinelli 1995; transductive experimental
design: Yu, Bi, Tresp 2006). A grade tells of the score as much as its own variance, p(1-p) and the like, allows. What
is to become small is the variance of how far each text of the pool stands above the mean of its query: of the order
alone. So the choice is uncertain, representative and diverse at once: a pair like one that is chosen already tells
little, an outlier tells of few others, and a query needs two judgments before they tell anything of an order.

Knows numbers, no texts and no grades.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aisle.improve.active.ranker import BIAS_SPREAD, QUERY_SPREAD, SPREAD
from aisle.improve.hygiene.signals import Doubles, Integers
from aisle.types import Array

Flags = NDArray[np.bool_]


def informative(
    design: Doubles,
    group: Integers,
    chance: Doubles,
    judged: Flags,
    count: int,
    weight: Doubles | None = None,
) -> list[int]:
    """Rows in the order in which they are chosen, ``count`` of them or all that are left.

    Args:
        design: ``(n, signals)`` of every pair, judged or not.
        group: ``(n,)`` the number of its query.
        chance: ``(n, levels)`` of its grades.
        judged: ``(n,)`` whether its grade is known.
        count: How many to choose.
        weight: ``(n,)`` how much it matters where a text stands; alike where it is None.
    """
    _, own = np.unique(group, return_inverse=True)
    signals, queries = design.shape[1], int(own.max()) + 1 if len(own) else 0
    unknowns = np.zeros((len(design), signals + 1 + queries))  # weights, a bias for all, an offset for each query
    unknowns[:, :signals], unknowns[:, signals] = design, 1.0
    unknowns[np.arange(len(design)), signals + 1 + own] = 1.0
    spread = np.concatenate([np.full(signals, SPREAD), [BIAS_SPREAD], np.full(queries, QUERY_SPREAD)])
    told = _variance(chance)
    precision = np.diag(1 / spread**2) + (unknowns[judged] * told[judged, None]).T @ unknowns[judged]
    reach = unknowns @ np.linalg.inv(precision)  # (n, unknowns) covariance of each pair's score with all unknowns
    target = _wanted(design, own, np.ones(len(design)) if weight is None else weight)
    free = ~judged
    chosen: list[int] = []
    for _ in range(min(count, int(free.sum()))):
        variance = np.einsum("ij,ij->i", reach, unknowns)
        moved = reach[:, :signals]
        gain = np.einsum("ij,ij->i", moved @ target, moved) * told / (1 + told * variance)
        gain[~free] = -1.0
        row = int(gain.argmax())
        chosen.append(row)
        free[row] = False
        along = reach @ unknowns[row]
        reach -= np.outer(along, reach[row]) * (told[row] / (1 + told[row] * variance[row]))
    return chosen


def spread_out(value: Doubles, vectors: Array, judged: Flags, count: int) -> list[int]:
    """Rows of high value, each unlike those chosen before (k-centres by value: value times 1 less the likeness).

    Args:
        value: ``(n,)`` from 0.
        vectors: ``(n, dim)`` unit rows.
        judged: ``(n,)`` rows that are not to be chosen.
        count: How many.
    """
    nearest = np.zeros(len(value))
    free = ~judged
    chosen: list[int] = []
    for _ in range(min(count, int(free.sum()))):
        worth = np.where(free, value * (1 - nearest), -1.0)
        row = int(worth.argmax())
        chosen.append(row)
        free[row] = False
        nearest = np.maximum(nearest, np.clip(vectors @ vectors[row], 0, 1))
    return chosen


def entropy(chance: Doubles) -> Doubles:
    """``(n,)`` in nats."""
    return np.asarray(-(chance * np.log(np.maximum(chance, 1e-12))).sum(-1))


def disagreement(committee: Sequence[Doubles]) -> Doubles:
    """``(n,)`` what the members' chances, ``(n, levels)`` each, do not share (BALD: Houlsby et al. 2011), in nats."""
    members = np.stack(list(committee))
    return np.asarray(entropy(members.mean(0)) - entropy(members).mean(0))


def _variance(chance: Doubles) -> Doubles:
    """Of the place from 0 to 1 of a grade: how much it tells of the score."""
    place = np.linspace(0, 1, chance.shape[1])
    return np.asarray(chance @ place**2 - (chance @ place) ** 2)


def _wanted(design: Doubles, group: Integers, weight: Doubles) -> Doubles:
    """``(signals, signals)`` second moments of signals relative to the mean of the query."""
    total = np.bincount(group, weight)
    means = np.stack([np.bincount(group, weight * column) for column in design.T], 1) / total[:, None]
    above = design - means[group]
    return np.asarray((above * weight[:, None]).T @ above / weight.sum())
