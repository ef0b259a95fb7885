"""Fits how much each signal of a pair counts beside the cosine: a few weights, in milliseconds, without PyTorch.

Knows signals, levels and queries; no texts and no models. Every weight has a Gaussian prior at the zero-shot ranking,
and each query counts as one observation, however many of its texts are judged: with no judgments, or none that tell,
the result is the cosine alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from aisle.errors import InputError

Doubles = NDArray[np.float64]

_COSINE_LOGITS = 1.5
"""Prior mean of what one standard deviation of the cosine is worth in the logit of "this text before that one"."""
_SPREAD = 0.6
"""Prior standard deviation of each weight, in those units."""
_LEAST = 0.15
"""However the judgments fall, the first signal keeps its sign."""


def fit_weights(
    signals: Doubles, levels: Doubles, groups: Sequence[Sequence[int]], counts: Doubles | None = None
) -> Doubles:
    """The weights of signals, that of the first being 1.

    Maximises the likelihood of each query's pairs of texts with different levels standing in the right order
    (RankNet, Burges et al. 2005), weighted by the difference of their gains 2^level - 1 to a sum of 1 for each query.

    Args:
        signals: ``(n, k)``; the first is what ranks without any judgments.
        levels: ``(n,)`` grades counted from 0.
        groups: For each query its rows.
        counts: ``(n,)`` how much each row's grade counts; None is 1 each. A query counts what its rows do in the mean.

    Returns:
        ``(k,)``; one without variation has 0.

    Raises:
        InputError: There is no signal, or shapes do not fit.
    """
    if signals.ndim != 2 or not signals.shape[1] or len(signals) != len(levels):
        raise InputError(f"signals of shape {signals.shape} for {len(levels)} levels", allowed="(n, k) and (n,)")
    spread = signals.std(0) if len(signals) else np.zeros(signals.shape[1])
    unit = np.where(spread > 0, spread, 1.0)
    differences, weights = _pairs(signals / unit, levels, groups, np.ones(len(levels)) if counts is None else counts)
    prior = np.zeros(signals.shape[1])
    prior[0] = _COSINE_LOGITS

    def loss(found: Doubles) -> tuple[float, Doubles]:
        margin, away = differences @ found, found - prior
        value = (weights * np.logaddexp(0, -margin)).sum() + (away**2).sum() / (2 * _SPREAD**2)
        return float(value), -(weights / (1 + np.exp(margin))) @ differences + away / _SPREAD**2

    bounds = [(_LEAST, None), *[(None, None)] * (len(prior) - 1)]
    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=bounds).x / unit
    found[spread == 0] = 0.0
    return np.asarray(found / found[0] if found[0] else np.eye(len(found))[0])


def _pairs(
    signals: Doubles, levels: Doubles, groups: Sequence[Sequence[int]], counts: Doubles
) -> tuple[Doubles, Doubles]:
    """Better minus worse text of each pair with different levels, ``(pairs, k)``, and what each pair weighs."""
    found, weighed = [np.empty((0, signals.shape[1]))], [np.empty(0)]
    gains = np.exp2(levels) - 1
    for group in groups:
        rows = np.asarray(group, np.intp)
        difference = gains[rows][:, None] - gains[rows][None, :]
        difference = difference * np.outer(counts[rows], counts[rows])
        better, worse = np.nonzero(difference > 0)
        if len(better):
            found.append(signals[rows[better]] - signals[rows[worse]])
            share = difference[better, worse] / difference[better, worse].sum()
            weighed.append(share * counts[rows].mean())
    return np.concatenate(found), np.concatenate(weighed)
