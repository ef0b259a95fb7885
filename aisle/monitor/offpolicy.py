"""What another policy would have earned, from the log of the one that ran: IPS, self-normalised IPS, doubly robust.

First for one choice a time (an exploration slot), then for pages under the position-based model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aisle.errors import InputError
from aisle.monitor.pages import Page

Exposure = Mapping[str, float]
"""Product to the probability that a shopper looks at it."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with what can be believed of it.

    Attributes:
        value: Reward for each decision, or page.
        error: Standard error.
        low: Of the 95% interval (normal).
        high: Of the 95% interval.
        n: Decisions or pages.
        effective: As many of them as would say as much with equal weights (Kong 1992).
        heaviest: The greatest weight; far above 1 / least share of exploration something is wrong.
    """

    value: float
    error: float
    low: float
    high: float
    n: int
    effective: float
    heaviest: float


@dataclass(frozen=True, slots=True)
class Estimates:
    """The same value in three ways; ``dr`` is None without a model of rewards."""

    ips: Estimate
    snips: Estimate
    dr: Estimate | None


@dataclass(frozen=True)
class Choices:
    """Logged choices, one value of each for every decision.

    Attributes:
        rewards: That came of what was chosen.
        logged: Probability with which the policy that ran chose it, above 0.
        target: Probability with which the other would have.
        predicted: Reward that a model expects of what was chosen; None without a model.
        expected: Reward that the model expects of the other policy, over all it may choose; None without a model.
    """

    rewards: ArrayLike
    logged: ArrayLike
    target: ArrayLike
    predicted: ArrayLike | None = None
    expected: ArrayLike | None = None


def evaluate_choices(choices: Choices) -> Estimates:
    """IPS: the mean of w r with w = target / logged. SNIPS: sum w r / sum w (Swaminathan and Joachims 2015).

    DR: the mean of expected + w (r - predicted) (Dudík, Langford and Li 2011): unbiased if the propensities or the
    model are right, and the better the model, the smaller its error.

    Raises:
        InputError: The lengths differ, nothing was logged, or a probability is out of range.
    """
    rewards, logged, target = (_array(values) for values in (choices.rewards, choices.logged, choices.target))
    if not len(rewards) == len(logged) == len(target) or not len(rewards):
        raise InputError(f"{len(rewards)} rewards, {len(logged)} and {len(target)} probabilities", allowed="as many")
    if not (np.all(logged > 0) and np.all(logged <= 1) and np.all(target >= 0) and np.all(target <= 1)):
        raise InputError(
            "a probability is out of range",
            allowed="logged above 0 up to 1, target 0 to 1",
            fix="what the policy that ran could never choose cannot be judged from its log",
        )
    weights = target / logged
    doubly = None
    if choices.predicted is not None and choices.expected is not None:
        doubly = _array(choices.expected) + weights * (rewards - _array(choices.predicted))
    return _three(weights * rewards, weights, 1.0, doubly, weights)


def evaluate_pages(
    pages: Sequence[Page],
    logged: Callable[[Page], Exposure],
    target: Callable[[Page], Exposure],
    looks: Sequence[float],
    model: Callable[[str, str], float] | None = None,
) -> Estimates:
    """Clicks for each page of another ranking, under the position-based model (Li et al., KDD 2018).

    A click happens if a shopper looks at the position and finds the product relevant. With w = target / logged exposure
    of a product: IPS is the mean over pages of the sum of w over clicks; SNIPS divides it by the mean of the sum of
    w looks over what was shown, whose mean is known to be the target's exposure; DR is the target's clicks as a model
    expects them, and the sum of w (click - looks model) over what was shown.

    Args:
        pages: Of the policy that ran.
        logged: A page to the exposure of each product under that policy: the mean of ``looks`` over the positions where
            it might have stood. For one fixed ranking that is looks of where it stood.
        target: A page to the exposure of each product under the other policy.
        looks: Propensities of positions 1, 2, ...; 0 beyond.
        model: Query and product to how relevant it is, 0 to 1; for DR.

    Raises:
        InputError: There are no pages, or the other policy may show what this one never did.
    """
    if not pages:
        raise InputError("no pages", fix="name days with impressions")
    clicks, seen, wanted, doubly, heaviest = [], [], [], [], []
    for page in pages:
        was, new = logged(page), target(page)
        never = [product for product, share in new.items() if share > 0 and was.get(product, 0.0) <= 0]
        if never:
            raise InputError(
                f"product {never[0]!r} would be shown for {page.query[:60]!r}, but never was",
                allowed="products that the policy that ran could show",
                fix="log with exploration, or leave such pages out",
            )
        direct = math.fsum(share * model(page.query, product) for product, share in new.items()) if model else 0.0
        click = look = correction = heavy = 0.0
        for place in page.places:
            weight = new.get(place.id, 0.0) / was[place.id] if was.get(place.id) else 0.0
            chance = looks[place.position - 1] if place.position <= len(looks) else 0.0
            hit = place.id in page.clicked
            click += weight * hit
            look += weight * chance
            heavy = max(heavy, weight)
            if model:
                correction += weight * (hit - chance * model(page.query, place.id))
        clicks.append(click)
        seen.append(look)
        wanted.append(math.fsum(new.values()))
        doubly.append(direct + correction)
        heaviest.append(heavy)
    scale = math.fsum(wanted) / len(wanted)
    return _three(_array(clicks), _array(seen), scale, _array(doubly) if model else None, _array(heaviest))


def exposures(ranking: Sequence[str], looks: Sequence[float]) -> dict[str, float]:
    """Product to exposure, for one fixed ranking."""
    return dict(zip(ranking, looks, strict=False))


def mixed(policies: Sequence[tuple[float, Exposure]]) -> dict[str, float]:
    """Exposure where one of several policies is drawn with a probability."""
    found: dict[str, float] = {}
    for share, exposure in policies:
        for product, look in exposure.items():
            found[product] = found.get(product, 0.0) + share * look
    return found


def _three(
    weighted: NDArray[np.float64],
    normal: NDArray[np.float64],
    scale: float,
    doubly: NDArray[np.float64] | None,
    weights: NDArray[np.float64],
) -> Estimates:
    total = float(normal.sum())
    ratio = float(weighted.sum()) / total * scale if total > 0 else 0.0
    # the error of a ratio by the delta method: that of the mean of (w r - ratio w) over the mean weight
    around = (weighted * scale - ratio * normal) / (total / len(normal)) if total > 0 else np.zeros(len(normal))
    return Estimates(
        _estimate(weighted, float(weighted.mean()), weights),
        _estimate(around, ratio, weights),
        None if doubly is None else _estimate(doubly, float(doubly.mean()), weights),
    )


def _estimate(values: NDArray[np.float64], value: float, weights: NDArray[np.float64]) -> Estimate:
    n = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    squares = float(np.sum(weights**2))
    effective = float(weights.sum()) ** 2 / squares if squares > 0 else 0.0
    return Estimate(value, error, value - 1.96 * error, value + 1.96 * error, n, effective, float(weights.max()))


def _array(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
