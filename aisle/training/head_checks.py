"""What a task head cannot be fitted to. Knows arrays, no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aisle.errors import InputError
from aisle.rerankers.head import Doubles

_UNIT = 1e-2
"""How far from 1 the length of a row may be: vectors kept in half precision pass."""


def check_pairs(q: Doubles, t: Doubles, y: Doubles, words: Doubles, groups: Sequence[str]) -> None:
    """Refuse arrays of other shapes, and vectors of other lengths than 1."""
    if q.ndim != 2 or q.shape != t.shape:
        raise InputError(f"queries of shape {q.shape} and texts of shape {t.shape}", allowed="both (n, dim)")
    if y.shape != (len(q),) or len(groups) != len(q) or words.shape != (len(q),):
        raise InputError(
            f"{len(q)} pairs, levels of shape {y.shape}, wording of shape {words.shape}, {len(groups)} query ids",
            allowed="one of each for every pair",
        )
    if not np.isfinite(words).all():
        raise InputError("wording has numbers that are not finite", allowed="numbers from 0 to 1")
    for name, rows in (("queries", q), ("texts", t)):
        wrong = ~(np.abs(np.linalg.norm(rows, axis=1) - 1) <= _UNIT)  # not a number is wrong too
        if wrong.any():
            raise InputError(
                f"{name}: row {int(wrong.argmax())} has length {np.linalg.norm(rows[wrong.argmax()]):.3g}",
                allowed="rows of length 1",
                fix="divide each vector by its length",
            )


def check_weights(weights: Doubles, count: int) -> None:
    """Refuse what is no weight of each pair."""
    if weights.shape != (count,):
        raise InputError(f"weights of shape {weights.shape} for {count} pairs", allowed="one for every pair")
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        raise InputError(f"weight {weights[wrong.argmax()]:g} of pair {int(wrong.argmax())}", allowed="numbers from 0")


def check_scale(scale: Doubles, gains: Doubles, y: Doubles) -> None:
    """Refuse grades and gains that make no scale."""
    if not np.isfinite(scale).all() or (np.diff(scale) <= 0).any():
        raise InputError(f"scale {tuple(scale.tolist())}", allowed="grades, each above the one before")
    unknown = y[~np.isin(y, scale)]
    if len(unknown):
        raise InputError(f"grade {unknown[0]:g} is not of the scale", allowed=", ".join(f"{one:g}" for one in scale))
    if gains.shape != scale.shape or not np.isfinite(gains).all() or (np.diff(gains) < 0).any():
        raise InputError(
            f"gains {tuple(gains.tolist())} for the grades {tuple(scale.tolist())}",
            allowed="one for each grade, none less than the one before",
        )
