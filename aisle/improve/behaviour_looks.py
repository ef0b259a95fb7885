"""How probable a look at each position is: by swaps, or by fitting positions and products together.

Fitting (EM) finds numbers for any log, also where one ranking always showed the same and nothing can be told: both
methods therefore first ask the swaps whether positions are connected by products that moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aisle.errors import InputError
from aisle.judgments.split import query_key
from aisle.monitor.pages import Page
from aisle.monitor.position_bias import Propensities, estimate_propensities

Method = Literal["swaps", "em"]
METHODS: tuple[Method, ...] = ("swaps", "em")
_ROUNDS = 2_000
_STILL = 1e-6


@dataclass(frozen=True, slots=True)
class Pairs:
    """What was shown and hit.

    Attributes:
        pairs: Key of a query, and product.
        shown: ``(pairs, positions)`` times it stood there.
        hits: ``(pairs, positions)`` times it was clicked there, or what counts as a click.
        beyond: Showings at further positions.
    """

    pairs: tuple[tuple[str, str], ...]
    shown: NDArray[np.float64]
    hits: NDArray[np.float64]
    beyond: int


def pairs_of(pages: Sequence[Page], signal: str, positions: int) -> Pairs:
    """Count pages by query, product and position."""
    number: dict[tuple[str, str], int] = {}
    found: list[tuple[int, int, bool]] = []
    beyond = 0
    for page in pages:
        key = query_key(page.query)
        hit = {"click": page.clicked, "cart": page.carted, "purchase": page.bought}[signal]
        for place in page.places:
            if place.position > positions:
                beyond += 1
                continue
            at = number.setdefault((key, place.id), len(number))
            found.append((at, place.position - 1, place.id in hit))
    shown, hits = np.zeros((len(number), positions)), np.zeros((len(number), positions))
    rows = np.array(found, np.int64).reshape(-1, 3)
    np.add.at(shown, (rows[:, 0], rows[:, 1]), 1)
    np.add.at(hits, (rows[:, 0], rows[:, 1]), rows[:, 2])
    return Pairs(tuple(number), shown, hits, beyond)


def looked_at(pages: Sequence[Page], method: Method, positions: int) -> Propensities:
    """Propensities of the first positions, from clicks.

    Raises:
        InputError: The data cannot tell the second position from the first, or the method is unknown.
    """
    if method not in METHODS:
        raise InputError(f"method {method!r}", allowed=", ".join(METHODS))
    swaps = estimate_propensities(pages, positions)
    if method == "swaps":
        return swaps
    last = len(swaps.values)
    return Propensities(fitted(pairs_of(pages, "click", last)), swaps.moved, swaps.unknown)


def fitted(told: Pairs) -> tuple[float, ...]:
    """Propensities by EM for the position-based model, the first 1 (Craswell et al. 2008; Wang et al. 2018).

    A showing without a click is either no look, or a look and no liking; E: how probable each is under the numbers of
    now; M: positions and products anew from it. The likelihood never falls. Products that never moved add nothing but
    do no harm; there must be some that did (see `looked_at`).
    """
    shown, hits = told.shown, told.hits
    misses = shown - hits
    looks = 1.0 / np.arange(1, shown.shape[1] + 1)
    likes = np.clip((hits.sum(1) + 0.5) / (shown.sum(1) + 2), 0.01, 0.9)
    at = shown.sum(0)
    for _ in range(_ROUNDS):
        none = np.maximum(1 - looks[None, :] * likes[:, None], 1e-12)
        looked = hits + misses * looks[None, :] * (1 - likes[:, None]) / none
        liked = hits + misses * likes[:, None] * (1 - looks[None, :]) / none
        new = np.clip(looked.sum(0) / np.maximum(at, 1), 1e-3, 1 - 1e-9)
        likes = np.clip(liked.sum(1) / np.maximum(shown.sum(1), 1), 1e-6, 1 - 1e-9)
        moved = float(np.abs(new / new[0] - looks / looks[0]).max())
        looks = new
        if moved < _STILL:
            break
    return tuple(float(min(1.0, value / looks[0])) for value in looks)
