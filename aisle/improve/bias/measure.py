"""How far scores move where nothing that counts has changed, and whom they favour.

Knows variants and a function that scores. Scores are compared in units of their spread within the query: a model whose
scores all lie close together is not the fairer for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import MetricError
from aisle.evaluate.pools import SCORE_DECIMALS
from aisle.evaluate.statistics import Interval, PairedDifference, bootstrap_mean, holm, paired_difference
from aisle.improve.bias.swaps import AXES, Axis, Side, Variants, variants
from aisle.improve.robustness.ties import shared_ndcg
from aisle.judgments.pairs import PairSet, TextPair
from aisle.types import Array, Progress

CUTOFF = 10
LEAST = 5
"""Queries that a group needs to be reported on."""
Score = Callable[[PairSet], Array]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """What one group gains from being named.

    Attributes:
        field: Within which it is compared.
        name: Of the group.
        shift: For "title": its score less the mean over the groups of the field, in spreads of the query. For "both":
            the nDCG of queries that name it, less the mean over the groups.
        p: That this is chance, of a sign-flip test over queries.
        adjusted_p: The same among all groups of the axis (Holm 1979).
        detectable: The smallest true shift that would be found with 80% power (alpha .05, without adjustment).
    """

    field: str
    name: str
    shift: Interval
    p: float
    adjusted_p: float
    detectable: float | None


@dataclass(frozen=True, slots=True)
class Bias:
    """One axis on one side.

    Attributes:
        axis: What was exchanged.
        side: Titles alone, or query and titles together.
        rows: Pairs with variants.
        queries: Of them.
        move: Mean absolute move of a score, in spreads of its query; on "both" sides less what all its texts move.
        places: Mean places that a text moves among those of its query.
        ndcg: Of the exchanged less the clean pools of graded queries.
        groups: Those with enough queries, in the order of fields.
        moves: Query id to its mean move, to compare models by.
        example: A text before and after.
    """

    axis: Axis
    side: Side
    rows: int
    move: Interval
    places: Interval
    ndcg: PairedDifference
    groups: tuple[Group, ...]
    moves: Mapping[str, float]
    example: tuple[str, str]

    @property
    def queries(self) -> int:
        """How many the figures rest on."""
        return self.move.n

    @property
    def favoured(self) -> tuple[Group, ...]:
        """Groups whose shift is not chance (adjusted p below .05), the largest shift first."""
        found = [group for group in self.groups if group.adjusted_p < 0.05]
        return tuple(sorted(found, key=lambda group: -abs(group.shift.mean)))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it, without the values of each query."""
        return {
            "axis": self.axis,
            "side": self.side,
            "rows": self.rows,
            "queries": self.queries,
            "move": _interval(self.move),
            "places": _interval(self.places),
            "ndcg_difference": _interval(self.ndcg.interval),
            "ndcg_p": self.ndcg.p,
            "ndcg_detectable": self.ndcg.detectable,
            "groups": [
                {
                    "field": group.field,
                    "name": group.name,
                    "queries": group.shift.n,
                    "shift": _interval(group.shift),
                    "p": group.p,
                    "adjusted_p": group.adjusted_p,
                    "detectable": group.detectable,
                }
                for group in self.groups
            ],
            "example": {"before": self.example[0], "after": self.example[1]},
        }


def bias(
    score: Score, pairs: PairSet, axes: Sequence[Axis] = AXES, seed: int = 0, progress: Progress | None = None
) -> tuple[Bias, ...]:
    """Exchange brands, genders and origins, and see what the scores make of it.

    Args:
        score: What is tested; its score of a pair must depend on the pair alone. A query that reads otherwise comes
            under its id, a line feed and the group.
        pairs: With grades, where nDCG is wanted.
        axes: Which exchanges.
        seed: Of what is drawn: titles that get a country, and the exchange that nDCG is measured under.
        progress: Told of the stage "exchanges".

    Raises:
        MetricError: No pair names anything that can be exchanged.
    """
    pools = _Pools(score, pairs)
    jobs: list[tuple[Axis, Side]] = [(axis, side) for axis in axes for side in _sides(axis)]
    found = []
    for done, (axis, side) in enumerate(jobs, start=1):
        able = [one for one in variants(pairs, axis, side, seed) if pools.spread.get(one.query_id, 0.0) > 0]
        if able:
            found.append(_one(pools, axis, side, able, seed))
        if progress:
            progress("exchanges", done, len(jobs))
    if not found:
        raise MetricError("no pair names a brand, a gender or a product that could be exchanged", fix="give more pairs")
    return tuple(found)


def _sides(axis: Axis) -> tuple[Side, ...]:
    return ("title",) if axis == "origin" else ("title", "both")


class _Pools:
    """The clean scores, and each query's rows, spread and nDCG."""

    def __init__(self, score: Score, pairs: PairSet) -> None:
        self.score = score
        self.pairs = pairs
        self.levels = pairs.levels()
        self.clean: Floats = np.asarray(score(pairs), np.float64)
        self.rows = pairs.by_query()
        self.spread = {query: float(self.clean[rows].std()) for query, rows in self.rows.items() if len(rows) > 1}
        judged = {query: [row for row in rows if not math.isnan(self.levels[row])] for query, rows in self.rows.items()}
        self.graded = {query: rows for query, rows in judged.items() if len({self.levels[row] for row in rows}) > 1}

    def scores(self, able: Sequence[Variants]) -> list[dict[str, dict[int, float]]]:
        """Of each variant: group to row to score. What is as it was keeps its clean score."""
        asked: list[tuple[int, str, int, TextPair]] = []
        found: list[dict[str, dict[int, float]]] = []
        for number, one in enumerate(able):
            found.append({group: {} for group in one.pairs})
            for group, rows in one.pairs.items():
                for row, pair in rows.items():
                    if pair == self.pairs[row]:
                        found[number][group][row] = float(self.clean[row])
                    else:
                        asked.append((number, group, row, pair))
        items = tuple(
            replace(pair, query_id=_named(self.pairs[row], pair, group), doc_id=f"{row}\n{group}")
            for _, group, row, pair in asked
        )
        if items:
            scores = self.score(replace(self.pairs, items=items))
            for (number, group, row, _), value in zip(asked, scores, strict=True):
                found[number][group][row] = float(value)
        return found

    def ndcg(self, query: str, changed: Mapping[int, float], alone: bool = False) -> float:
        """Of a query's pool with some scores exchanged, less the clean one; ``alone``, of the changed rows only."""
        scores = self.clean.copy()
        for row, value in changed.items():
            scores[row] = value
        group = {query: [row for row in self.graded[query] if row in changed or not alone]}
        clean = shared_ndcg(group, self.levels, self.clean, CUTOFF)[query]
        return shared_ndcg(group, self.levels, scores, CUTOFF)[query] - clean

    def places(self, query: str, changed: Mapping[int, float], alone: bool = False) -> float:
        """Mean places that the changed rows move among the query's; ``alone``, among themselves."""
        rows = [row for row in self.rows[query] if row in changed or not alone]
        scores = np.array([changed.get(row, self.clean[row]) for row in rows])
        before, after = _ranks(self.clean[rows]), _ranks(scores)
        moved = [abs(before[place] - after[place]) for place, row in enumerate(rows) if row in changed]
        return float(sum(moved) / len(moved))


def _named(before: TextPair, after: TextPair, group: str) -> str:
    """The query's id, with the group behind a line feed where the query reads otherwise: a query has one text."""
    return before.query_id if before.query == after.query else f"{before.query_id}\n{group}"


def _one(pools: _Pools, axis: Axis, side: Side, able: Sequence[Variants], seed: int) -> Bias:
    scored = pools.scores(able)
    moves: dict[str, list[float]] = {}
    places: dict[str, list[float]] = {}
    drawn: dict[str, dict[int, float]] = {}
    shifts: dict[tuple[str, str], dict[str, list[float]]] = {}
    ndcgs: dict[str, float] = {}
    for one, values in zip(able, scored, strict=True):
        query, spread = one.query_id, pools.spread[one.query_id]
        others = [group for group in one.pairs if group != one.original]
        base = values[one.original] if one.original else _mean(list(values.values()))
        for group in others:
            gone = {row: value - base[row] for row, value in values[group].items()}
            common = sum(gone.values()) / len(gone) if side == "both" else 0.0
            moves.setdefault(query, []).append(sum(abs(move - common) for move in gone.values()) / len(gone) / spread)
            places.setdefault(query, []).append(pools.places(query, values[group], side == "both"))
        if side == "title":
            middle = _mean(list(values.values()))
            for group in one.pairs:
                own = sum(values[group][row] - middle[row] for row in middle) / len(middle) / spread
                shifts.setdefault((one.field, group), {}).setdefault(query, []).append(own)
            chosen = Random(f"{seed}|{query}|{min(base)}").choice(others)
            drawn.setdefault(query, {}).update(values[chosen])
        elif query in pools.graded:
            # Rows that cannot be exchanged were scored for another query: no comparison with them.
            gains = {group: pools.ndcg(query, values[group], side == "both") for group in one.pairs}
            ndcgs[query] = sum(gains[group] for group in others) / len(others)
            middle_gain = sum(gains.values()) / len(gains)
            for group, gain in gains.items():
                shifts.setdefault((one.field, group), {}).setdefault(query, []).append(gain - middle_gain)
    if side == "title":
        ndcgs = {query: pools.ndcg(query, changed) for query, changed in drawn.items() if query in pools.graded}
    first = next(one for one in able if one.pairs)
    return Bias(
        axis=axis,
        side=side,
        rows=len({row for one in able for rows in one.pairs.values() for row in rows}),
        move=bootstrap_mean(_per_query(moves)),
        places=bootstrap_mean(_per_query(places)),
        ndcg=paired_difference(list(ndcgs.values())),
        groups=_groups(shifts),
        moves={query: sum(values) / len(values) for query, values in moves.items()},
        example=_example(pools.pairs, first),
    )


def _groups(shifts: Mapping[tuple[str, str], Mapping[str, Sequence[float]]]) -> tuple[Group, ...]:
    found = []
    for (field, name), queries in shifts.items():
        if len(queries) >= LEAST:
            found.append((field, name, paired_difference(_per_query(queries))))
    adjusted = holm([difference.p for _, _, difference in found])
    return tuple(
        Group(field, name, difference.interval, difference.p, p, difference.detectable)
        for (field, name, difference), p in zip(found, adjusted, strict=True)
    )


def _per_query(values: Mapping[str, Sequence[float]]) -> list[float]:
    return [sum(own) / len(own) for own in values.values()]


def _mean(groups: Sequence[Mapping[int, float]]) -> dict[int, float]:
    return {row: sum(group[row] for group in groups) / len(groups) for row in groups[0]}


def _ranks(scores: Floats) -> Floats:
    """From 0 for the best; equal scores share the middle of their places."""
    rounded = np.round(scores, SCORE_DECIMALS)
    above = (rounded[None, :] > rounded[:, None]).sum(axis=1)
    equal = (rounded[None, :] == rounded[:, None]).sum(axis=1)
    return np.asarray(above + (equal - 1) / 2, np.float64)


def _example(pairs: PairSet, one: Variants) -> tuple[str, str]:
    group = next(group for group in one.pairs if group != one.original)
    row, changed = next(iter(one.pairs[group].items()))
    before = pairs[row]
    if before.query == changed.query:
        return before.title, changed.title
    return f"{before.query} | {before.title}", f"{changed.query} | {changed.title}"


def _interval(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}
