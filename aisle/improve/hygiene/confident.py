"""Confident learning for grades: how many are likely wrong, by how much, and which (Northcutt, Jiang, Chuang 2021).

Knows chances and the levels that were given, nothing else. Grades are ordered, so an error has a size: a pair that
might as well have the next grade is nothing to look at, one that belongs at the other end is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.errors import InputError
from aisle.improve.hygiene.signals import Doubles, Integers

THRESHOLD = 1.8
"""Of `suspicion`, from which a pair is a suspect, in a file with few errors: six times likelier far off than right."""
REACHED = 0.836
"""What share of the highest suspicion there can be that is, where confident learning finds a tenth of the grades wrong
(CrowdFlower with 5% of its grades moved)."""


@dataclass(frozen=True)
class Noise:
    """What the given grades look like against the chances.

    Attributes:
        thresholds: ``(levels,)`` mean chance of a level among the pairs that were given it; NaN where none was.
        joint: ``(levels, levels)`` estimated number of pairs that were given the row's level and are of the column's.
            A row sums to how often its level was given.
    """

    thresholds: Doubles
    joint: Doubles

    def wrong(self, distance: int) -> float:
        """How many grades are estimated to be wrong by so many levels or more."""
        own = np.arange(len(self.joint))
        return float(self.joint[np.abs(own[:, None] - own[None, :]) >= distance].sum())


def noise(chance: Doubles, place: Integers) -> Noise:
    """Estimate it.

    A pair counts as being of the likeliest level among those whose chance is at least what that level's own pairs have
    on average; a pair without such a level is not counted. Counts are then stretched, so that each row sums to how
    often its level was given.

    Args:
        chance: ``(n, levels)``, each row from a model that did not see the pair's grade.
        place: ``(n,)`` the number of the given level.

    Raises:
        InputError: Shapes do not fit.
    """
    _check(chance, place)
    levels = chance.shape[1]
    given = np.bincount(place, minlength=levels).astype(np.float64)
    thresholds = np.full(levels, np.nan)
    for level in np.flatnonzero(given):
        thresholds[level] = chance[place == level, level].mean()
    sure = chance >= np.where(np.isnan(thresholds), np.inf, thresholds)
    counts = np.zeros((levels, levels))
    some = sure.any(1)
    likeliest = np.where(sure, chance, -1.0).argmax(1)
    np.add.at(counts, (place[some], likeliest[some]), 1.0)
    empty = counts.sum(1) == 0
    counts[empty] = np.diag(given)[empty]
    return Noise(thresholds, counts * (given / np.maximum(counts.sum(1), 1))[:, None])


def suspicion(chance: Doubles, place: Integers, distance: int) -> Doubles:
    """``(n,)``: log of the chance that the grade is off by ``distance`` levels or more, over that of the given one.

    Above 0 a pair is likelier to be wrong by that much than to be right.

    Raises:
        InputError: Shapes do not fit, or no grade can be off by so much.
    """
    _check(chance, place)
    levels = chance.shape[1]
    if not 1 <= distance < levels:
        raise InputError(f"a distance of {distance} levels", allowed=f"1 to {levels - 1}")
    own = np.arange(len(place))
    far = np.abs(np.arange(levels)[None, :] - place[:, None]) >= distance
    away = np.where(far, chance, 0.0).sum(1)
    return np.asarray(np.log(np.maximum(away, 1e-12)) - np.log(np.maximum(chance[own, place], 1e-12)))


def threshold(wrong: float) -> float:
    """From which suspicion a pair is a suspect, where so large a share of the grades is wrong.

    A model taught by grades of which a share e is wrong gives a wrong grade the chance e, however plain the case: its
    suspicion cannot pass log((1 - e) / e). A fixed threshold would find next to nothing in a file with many errors.
    """
    return THRESHOLD if wrong <= 0 else min(THRESHOLD, REACHED * math.log(max(1 - wrong, wrong) / wrong))


def at_an_end(place: Integers, levels: int) -> NDArray[np.bool_]:
    """``(n,)`` whether the given level is the lowest or the highest.

    Gross slips, such as a scale held upside down, leave a pair there; a middle grade is what raters give who are not
    sure, and of CrowdFlower's 2s many might as well be 4s.
    """
    return np.asarray((place == 0) | (place == levels - 1))


def likeliest_far(chance: Doubles, place: Integers, distance: int) -> Integers:
    """``(n,)`` the likeliest level that is off by ``distance`` or more; the given one where there is none."""
    far = np.abs(np.arange(chance.shape[1])[None, :] - place[:, None]) >= distance
    return np.where(far.any(1), np.where(far, chance, -1.0).argmax(1), place)


def _check(chance: Doubles, place: Integers) -> None:
    if chance.ndim != 2 or place.shape != (len(chance),):
        raise InputError(f"chances of shape {chance.shape} for {place.shape} grades", allowed="(n, levels) and (n,)")
    if len(place) and not 0 <= place.min() <= place.max() < chance.shape[1]:
        raise InputError(f"level {place.max()}", allowed=f"0 to {chance.shape[1] - 1}")
