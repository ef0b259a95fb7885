"""One place of a page for products that would not be shown otherwise, with the probabilities that evaluation needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from aisle.errors import RequestError

PRIOR = (0.5, 9.5)
"""Clicks and looks without a click that a product of the slot is taken to have had: one click in twenty looks."""
DRAWS = 1_000


@dataclass(frozen=True, slots=True)
class Explored:
    """A page with one place for exploration.

    Attributes:
        ids: Of the products, by position.
        propensities: Of each standing there: 1 but in the slot. To be logged with the impression.
        slot: Position, from 1; 0 where there was nothing to explore.
        explored: Whether another product than the ranking's stands there.
    """

    ids: tuple[str, ...]
    propensities: tuple[float, ...]
    slot: int
    explored: bool


def explore(ranking: Sequence[str], k: int, epsilon: float, slot: int, random: Random, depth: int = 100) -> Explored:
    """With probability epsilon show, in one place, a product from below the page, each as probable.

    The product that stood there is not shown then; all others stay where they are.

    Args:
        ranking: Product ids, best first, deeper than the page.
        k: Products of the page.
        epsilon: 0 to 1.
        slot: Position of the place, from 1 to k.
        random: Seeded with the request's id, a page can be drawn again.
        depth: Products of the ranking to draw from.

    Raises:
        RequestError: A number is out of range.
    """
    if not (0 <= epsilon <= 1 and 1 <= slot <= k):
        raise RequestError(f"epsilon {epsilon}, slot {slot} of {k}", allowed="epsilon 0 to 1, a slot from 1 to k")
    page, below = list(ranking[:k]), list(ranking[k:depth])
    chances = [1.0] * len(page)
    if len(page) < slot or not below or epsilon == 0:
        return Explored(tuple(page), tuple(chances), 0, False)
    chances[slot - 1] = 1 - epsilon
    explored = random.random() < epsilon
    if explored:
        page[slot - 1] = below[random.randrange(len(below))]
        chances[slot - 1] = epsilon / len(below)
    return Explored(tuple(page), tuple(chances), slot, explored)


def thompson(
    ranking: Sequence[str],
    k: int,
    slot: int,
    seen: Callable[[str], tuple[int, int]],
    random: Random,
    *,
    floor: float = 0.1,
    depth: int = 30,
) -> Explored:
    """In one place of the page show a product as often as it is likely to be the most clicked there (Thompson 1933).

    The products that may stand there are the ranking's own and those below the page. How likely each is the best is
    counted in draws from Beta posteriors of their click rates in the slot, and the product is then drawn by these very
    shares: so the propensity is exact for what was done, although the shares are estimates.

    Args:
        ranking: Product ids, best first, deeper than the page.
        k: Products of the page.
        slot: Position of the place, from 1 to k.
        seen: Product to how often it was shown in the slot for this query, and clicked there.
        random: Seeded with the request's id, a page can be drawn again for the same counts.
        floor: Share of pages for which all are as probable, so that none becomes impossible; above 0, up to 1.
        depth: Products of the ranking to draw from.

    Raises:
        RequestError: A number is out of range.
    """
    if not (0 < floor <= 1 and 1 <= slot <= k):
        raise RequestError(f"floor {floor}, slot {slot} of {k}", allowed="floor above 0 up to 1, a slot from 1 to k")
    page, below = list(ranking[:k]), list(ranking[k:depth])
    chances = [1.0] * len(page)
    if len(page) < slot or not below:
        return Explored(tuple(page), tuple(chances), 0, False)
    arms = [page[slot - 1], *below]
    counts = np.array([seen(arm) for arm in arms], dtype=np.float64)
    wins, losses = counts[:, 1] + PRIOR[0], np.maximum(counts[:, 0] - counts[:, 1], 0) + PRIOR[1]
    draws = np.random.default_rng(random.getrandbits(64)).beta(wins, losses, size=(DRAWS, len(arms)))
    shares = np.bincount(draws.argmax(axis=1), minlength=len(arms)) / DRAWS
    shares = floor / len(arms) + (1 - floor) * shares
    chosen = min(int(np.searchsorted(np.cumsum(shares), random.random(), side="right")), len(arms) - 1)
    page[slot - 1], chances[slot - 1] = arms[chosen], min(1.0, float(shares[chosen]))
    return Explored(tuple(page), tuple(chances), slot, chosen > 0)
