"""How probable it is that a shopper looks at a position, from clicks alone: intervention harvesting.

Where two rankings showed the same product for the same query at different positions, the difference of its clicks is
the position's doing (Agarwal et al., WSDM 2019, "Estimating position bias without intrusive interventions", AllPairs).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from aisle.errors import InputError
from aisle.judgments.split import query_key
from aisle.monitor.pages import Page

_LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Propensities:
    """Of looking at positions 1, 2, ..., relative to the first.

    Attributes:
        values: From position 1 without a gap, the first 1.
        moved: Pairs of query and product that stood at more than one of these positions.
        unknown: Positions that nothing connects with the first, and those after them.
    """

    values: tuple[float, ...]
    moved: int
    unknown: tuple[int, ...]


def check_propensities(given: Sequence[float]) -> None:
    """See that these are propensities.

    Raises:
        InputError: One is out of range.
    """
    if any(not 0 < value <= 1 for value in given):
        raise InputError(f"propensities {', '.join(f'{value:g}' for value in given)}", allowed="above 0, up to 1")


def estimate_propensities(pages: Sequence[Page], positions: int = 10, minimum: int = 10) -> Propensities:
    """Propensities of the first positions.

    It must not depend on the shopper which ranking showed a page: an A/B test, interleaving, an exploration slot, or a
    ranking that changed from one day to the next. Where one ranking always shows the same, the data cannot tell.

    Args:
        pages: Of at least two rankings.
        positions: To estimate at most.
        minimum: Clicks that two positions need, together and of products that stood at both, to be compared.

    Raises:
        InputError: The data cannot tell even the second position from the first.
    """
    shown: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(dict)
    for page in pages:
        key = query_key(page.query)
        for place in page.places:
            if place.position <= positions:
                count = shown[key, place.id].setdefault(place.position, [0, 0])
                count[0] += 1
                count[1] += place.id in page.clicked
    moved = [counts for counts in shown.values() if len(counts) > 1]
    rows: dict[tuple[int, int], list[float]] = {}
    clicks: dict[tuple[int, int], int] = defaultdict(int)
    for counts in moved:
        for pair in combinations(sorted(counts), 2):
            row = rows.setdefault(pair, [0.0, 0.0, 0.0])
            for side, position in enumerate(pair):
                row[side] += counts[position][1] / counts[position][0]
                clicks[pair] += counts[position][1]
            row[2] += 1
    rows = {pair: row for pair, row in rows.items() if clicks[pair] >= minimum and row[0] + row[1] > 0}
    known = _connected(set(rows))
    last = next((position - 1 for position in range(1, positions + 1) if position not in known), positions)
    if last < 2:
        raise InputError(
            f"{len(moved):,} products stood at more than one position, too few clicks of them to compare the first two",
            allowed=f"at least {minimum} clicks on products that stood both first and second, or connected by others",
            fix="give propensities, or show some pages by another ranking: an A/B test, interleaving, exploration",
        )
    pairs = [pair for pair in sorted(rows) if pair[1] <= last]
    table = np.array([rows[pair] for pair in pairs])
    return Propensities(_fit(pairs, table, last), len(moved), tuple(range(last + 1, positions + 1)))


def _fit(pairs: Sequence[tuple[int, int]], table: NDArray[np.float64], last: int) -> tuple[float, ...]:
    """Maximum likelihood of p (of positions) and r (of pairs: the mean relevance): clicks at k have rate p_k r."""
    first = np.array([pair[0] - 1 for pair in pairs])
    second = np.array([pair[1] - 1 for pair in pairs])
    sides = ((first, table[:, 0]), (second, table[:, 1]))
    n = table[:, 2]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        p, r = np.concatenate([[1.0], parameters[: last - 1]]), parameters[last - 1 :]
        total, slope_p, slope_r = 0.0, np.zeros(last), np.zeros(len(pairs))
        for at, hits in sides:
            rate = np.clip(p[at] * r, 1e-9, 1 - 1e-9)
            total -= float(np.sum(hits * np.log(rate) + (n - hits) * np.log1p(-rate)))
            slope = (n - hits) / (1 - rate) - hits / rate
            np.add.at(slope_p, at, slope * r)
            slope_r += slope * p[at]
        return total, np.concatenate([slope_p[1:], slope_r])

    start = np.concatenate([1.0 / np.arange(2, last + 1), np.clip(table[:, 0] / n, 0.01, 0.99)])
    bounds = [(_LEAST, 1.0)] * (last - 1) + [(_LEAST, 1.0 - _LEAST)] * len(pairs)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2_000})
    return (1.0, *(float(value) for value in found.x[: last - 1]))


def _connected(pairs: set[tuple[int, int]]) -> set[int]:
    known, grew = {1}, True
    while grew:
        more = {position for pair in pairs if known & set(pair) for position in pair} - known
        known |= more
        grew = bool(more)
    return known
