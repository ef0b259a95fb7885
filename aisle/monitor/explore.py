"""One place of a page for products that would not be shown otherwise, with the probabilities that evaluation needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from aisle.errors import RequestError


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
