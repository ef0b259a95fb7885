"""What a rater is to judge next, and how far raters agree. Knows judgments and lists of ids, no engine and no HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations

from aisle.evaluate.agreement import weighted_kappa
from aisle.judgments.given import Judged, key_of

GRADES = (0, 1, 2, 3)
LEAST_PAIRS = 2
"""Pairs that two raters must have in common for their agreement to be shown."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two raters agree on the pairs that both judged.

    Attributes:
        first: A rater.
        second: Another.
        pairs: Judged by both.
        same: Share with the same grade.
        kappa: Cohen's, weighted by the square of the difference; None where both gave one and the same.
    """

    first: str
    second: str
    pairs: int
    same: float
    kappa: float | None


def pool(rankings: Iterable[Sequence[str]], query: str) -> list[str]:
    """The products of several rankings, each once, in an order that says nothing of where they came from."""
    ids = {product_id for ranking in rankings for product_id in ranking}
    return sorted(ids, key=lambda one: blake2b(f"{key_of(query)}\0{one}".encode(errors="replace")).digest())


def agreements(judged: Iterable[Judged]) -> list[Agreement]:
    """The agreement of all raters that judged the same pairs, those with the most pairs first."""
    grades: dict[str, dict[tuple[str, str], int]] = {}
    for one in judged:
        if one.judge:
            grades.setdefault(one.judge, {})[key_of(one.query), one.product_id] = round(one.grade)
    found = [_agreement(first, second, grades) for first, second in combinations(sorted(grades), 2)]
    return sorted((one for one in found if one is not None), key=lambda one: (-one.pairs, one.first, one.second))


def _agreement(first: str, second: str, grades: Mapping[str, Mapping[tuple[str, str], int]]) -> Agreement | None:
    both = sorted(grades[first].keys() & grades[second].keys())
    if len(both) < LEAST_PAIRS:
        return None
    ours, theirs = [grades[first][pair] for pair in both], [grades[second][pair] for pair in both]
    same = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(both)
    kappa = weighted_kappa(ours, theirs, GRADES, "quadratic")
    return Agreement(first, second, len(both), same, kappa)
