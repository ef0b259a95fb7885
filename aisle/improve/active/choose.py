"""The next pairs to judge, for a model that ranks: from a file in which some pairs are graded and the others are not.

Knows pairs and an encoder; nothing is trained but the small ranker that says where the ranking is unsure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from aisle.encoders.cosines import Encode
from aisle.errors import InputError
from aisle.improve.active.design import Flags, disagreement, entropy, informative, spread_out
from aisle.improve.active.expected_change import expected_change
from aisle.improve.active.ranker import Ranker, fit, standard
from aisle.improve.hygiene.signals import Doubles, Integers, Signals, signals
from aisle.improve.review import Review
from aisle.judgments.pairs import PairSet
from aisle.types import Progress

Strategy = Literal["informative", "entropy", "committee", "expected-change", "queries", "random"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
MEMBERS = 5
"""Of a committee: rankers taught by samples of the judged queries, drawn with replacement (Abe and Mamitsuka 1998)."""
USUAL_LEVELS = 4
"""Of a scale nobody has used yet."""


@dataclass(frozen=True)
class Pool:
    """Pairs of which some are judged.

    Attributes:
        found: Their signals.
        design: ``(n, signals)``, `standard`.
        place: ``(n,)`` the number of the level; read only where judged.
        judged: ``(n,)``.
        levels: How many there are.
    """

    found: Signals
    design: Doubles
    place: Integers
    judged: Flags
    levels: int

    @property
    def ranker(self) -> Ranker:
        """What the judged pairs teach."""
        return self.taught_by(np.flatnonzero(self.judged))

    def taught_by(self, rows: Integers) -> Ranker:
        """What some of the pairs teach; a row may come several times."""
        group = self.found.group
        return fit(self.design[rows], self.place[rows], group[rows], len(self.found.rows), self.levels)

    def chance(self, ranker: Ranker) -> Doubles:
        """``(n, levels)``; even chances where nothing is known of the levels yet."""
        if not self.judged.any():
            return np.full((len(self.place), self.levels), 1 / self.levels)
        return ranker.chance(self.design, self.found.group)


def choose(pool: Pool, strategy: Strategy, count: int, seed: int = 0) -> list[int]:
    """The rows to judge next, the most telling first.

    informative: whose grades would make the order of all texts surest (`design.informative`).
    entropy: whose grade is least sure, each unlike those before it.
    committee: about whose grade rankers disagree, each unlike those before it.
    expected-change: whose grade may change the query's best order most (`expected_change`), each unlike those before.
    queries: one query's pairs after the other's, both in random order.
    random: single pairs.

    Args:
        pool: The pairs.
        strategy: Which of these.
        count: How many at most.
        seed: Of what is random.

    Raises:
        InputError: There is no such strategy, nothing is to be chosen, or every pair is judged.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"no strategy {strategy!r}", allowed=", ".join(STRATEGIES))
    if count < 1 or pool.judged.all():
        left = int((~pool.judged).sum())
        raise InputError(f"{count} of {left} unjudged pairs", allowed="1 or more, and a pair without a grade")
    return _CHOICES[strategy](pool, count, seed)


def _informative(pool: Pool, count: int, _: int) -> list[int]:
    return informative(pool.design, pool.found.group, pool.chance(pool.ranker), pool.judged, count)


def _entropy(pool: Pool, count: int, _: int) -> list[int]:
    return spread_out(entropy(pool.chance(pool.ranker)), pool.found.texts, pool.judged, count)


def _committee(pool: Pool, count: int, seed: int) -> list[int]:
    return spread_out(_disagreement(pool, seed), pool.found.texts, pool.judged, count)


def _disagreement(pool: Pool, seed: int) -> Doubles:
    """``(n,)`` of the committee, in nats; the entropy where nothing is judged that could teach one."""
    generator = np.random.default_rng(seed)
    judged = np.flatnonzero(pool.judged)
    if not len(judged):
        return entropy(pool.chance(pool.ranker))
    asked, own = np.unique(pool.found.group[judged], return_inverse=True)
    members = []
    for _ in range(MEMBERS):
        times = np.bincount(generator.integers(0, len(asked), len(asked)), minlength=len(asked))
        members.append(pool.chance(pool.taught_by(np.repeat(judged, times[own]))))
    return np.maximum(disagreement(members), 0)


def _expected_change(pool: Pool, count: int, _: int) -> list[int]:
    value = expected_change(pool.chance(pool.ranker), pool.found.group)
    return spread_out(value, pool.found.texts, pool.judged, count)


def _queries(pool: Pool, count: int, seed: int) -> list[int]:
    generator = np.random.default_rng(seed)
    order: list[int] = []
    for query in generator.permutation(len(pool.found.rows)):
        rows = pool.found.rows[query]
        order += [int(row) for row in generator.permutation(rows[~pool.judged[rows]])]
        if len(order) >= count:
            break
    return order[:count]


def _random(pool: Pool, count: int, seed: int) -> list[int]:
    left = np.flatnonzero(~pool.judged)
    return [int(row) for row in np.random.default_rng(seed).permutation(left)[:count]]


_CHOICES: dict[Strategy, Callable[[Pool, int, int], list[int]]] = {
    "informative": _informative,
    "entropy": _entropy,
    "committee": _committee,
    "expected-change": _expected_change,
    "queries": _queries,
    "random": _random,
}


def pool_of(pairs: PairSet, encode: Encode, progress: Progress | None = None) -> Pool:
    """Read a file of pairs: those with a grade are judged.

    Raises:
        InputError: There is no pair.
    """
    found = signals(pairs, encode, progress)
    judged = np.array([pair.grade is not None for pair in pairs])
    grades = np.array([np.nan if pair.grade is None else pair.grade for pair in pairs])
    scale = np.unique(grades[judged])
    if len(scale) == 1 and pairs.scale is not None and pairs.scale.low < pairs.scale.high:
        scale = np.unique([pairs.scale.low, *scale, pairs.scale.high])
    levels = len(scale) if len(scale) > 1 else USUAL_LEVELS
    return Pool(found, standard(found), np.searchsorted(scale, np.where(judged, grades, 0.0)), judged, levels)


def reviews(pool: Pool, pairs: PairSet, rows: list[int], strategy: Strategy = "entropy", seed: int = 0) -> list[Review]:
    """The chosen pairs as a queue, each with why the strategy chose it."""
    values, why = _reasons(pool, strategy, seed)
    counts = np.bincount(pool.found.group[pool.judged], minlength=len(pool.found.rows))
    return [
        Review(
            pairs[row],
            f"choice {number}: {why.format(values[row])}, {counts[pool.found.group[row]]} judged of this query",
        )
        for number, row in enumerate(rows, start=1)
    ]


def _reasons(pool: Pool, strategy: Strategy, seed: int) -> tuple[Doubles, str]:
    """A figure for each pair, and the sentence that it stands in."""
    if strategy == "expected-change":
        value = expected_change(pool.chance(pool.ranker), pool.found.group)
        return value, "its grade is expected to change the query's best order by {:.4f} nDCG"
    if strategy == "committee" and pool.judged.any():
        return _disagreement(pool, seed), "rankers disagree about its grade ({:.3f} nats)"
    how = {
        "informative": "it tells most of the order of all texts; its grade is open ({:.2f} nats)",
        "queries": "its query was drawn; its grade is open ({:.2f} nats)",
        "random": "drawn by chance; its grade is open ({:.2f} nats)",
    }
    return entropy(pool.chance(pool.ranker)), how.get(strategy, "its grade is open ({:.2f} nats)")
