"""A ranker that learns from few judgments and knows what it does not know: Bayesian, over the signals of pairs.

The grade of a pair is softmax over ``place_k * (signals @ weights + offset of its query) + bias_k``, as in the task
head (`training/head.py`), whose posterior it is; the signals are those of `hygiene/signals.py`, the cosine first. Every
weight has a Gaussian prior around the zero-shot ranking, and every query an offset of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aisle.errors import InputError
from aisle.improve.hygiene.signals import Doubles, Integers, Signals
from aisle.training.head import Posterior

COSINE_LOGITS = 2.1
"""Prior mean of the logits, lowest grade to highest, that one standard deviation of the cosine is worth."""
SPREAD = 0.5
"""Prior standard deviation of each signal's weight, in those units."""
QUERY_SPREAD, BIAS_SPREAD = 1.0, 3.0
_LEAST = 0.2


@dataclass(frozen=True)
class Ranker:
    """Weights ``(signals,)`` of `standard` signals, offsets ``(queries,)``, biases ``(levels,)``."""

    weights: Doubles
    offsets: Doubles
    bias: Doubles

    def score(self, design: Doubles) -> Doubles:
        """``(n,)`` higher is better, comparable within a query."""
        return np.asarray(design @ self.weights)

    def chance(self, design: Doubles, group: Integers) -> Doubles:
        """``(n, levels)`` of each grade; rows sum to 1."""
        place = np.linspace(0, 1, len(self.bias))
        logits = np.outer(self.score(design) + self.offsets[group], place) + self.bias
        found = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(found / found.sum(1, keepdims=True))


def standard(found: Signals) -> Doubles:
    """``(n, signals)`` of mean 0 and standard deviation 1; a signal without variation is 0."""
    spread = found.table.std(0)
    return np.asarray((found.table - found.table.mean(0)) / np.where(spread > 0, spread, 1.0))


def untaught(signals: int, queries: int, levels: int) -> Ranker:
    """As it is before any judgment."""
    return Ranker(_prior(signals), np.zeros(queries), np.zeros(levels))


def fit(design: Doubles, place: Integers, group: Integers, queries: int, levels: int) -> Ranker:
    """The most probable ranker.

    Args:
        design: ``(n, signals)`` of the judged pairs, `standard`.
        place: ``(n,)`` the number of each pair's level.
        group: ``(n,)`` the number of its query.
        queries: How many there are in all.
        levels: How many there are.

    Raises:
        InputError: Lengths differ, or a level is not of the scale.
    """
    if not len(design) == len(place) == len(group):
        raise InputError(f"{len(design)} pairs, {len(place)} levels, {len(group)} queries", allowed="as many of each")
    if len(place) and not 0 <= place.min() <= place.max() < levels:
        raise InputError(f"level {place.max()}", allowed=f"0 to {levels - 1}")
    if not len(place):
        return untaught(design.shape[1], queries, levels)
    asked, own = np.unique(group, return_inverse=True)
    posterior = Posterior(
        design=design,
        place=np.linspace(0, 1, levels),
        grade=place.astype(np.int64),
        group=own,
        mean=_prior(design.shape[1]),
        spread=np.full(design.shape[1], SPREAD),
        query_spread=QUERY_SPREAD,
        bias_spread=BIAS_SPREAD,
        least=_LEAST,
    )
    found = posterior.fit()
    offsets = np.zeros(queries)
    offsets[asked] = found.offsets
    return Ranker(found.weights, offsets, found.bias)


def _prior(signals: int) -> Doubles:
    mean = np.zeros(signals)
    mean[0] = COSINE_LOGITS
    return mean
