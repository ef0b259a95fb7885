"""The gate's checks of one candidate: has it collapsed, does it keep the must-pass queries, is it fast enough.

Knows numbers and names only: no models, no files. Each check returns its finding in one line; none stops the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.errors import InputError

FLAT = 1e-6
"""Scores of a query that lie no further apart than this order nothing."""
TRIVIAL = 0.95
"""From this mean rank correlation on, up or down, a ranking is the trivial feature's own."""
_FEWEST_TEXTS = 3  # two texts always correlate at 1 or -1
_NAMED = 3  # must-pass queries named before the rest is counted
_ROUNDING = 1e-9  # a mean of correlations may miss the limit by its last bits


@dataclass(frozen=True, slots=True)
class Check:
    """One condition for promotion. ``reason`` is one line for people, with the numbers, also where it passed.

    ``passed`` is None where nothing was measured, which stops no promotion.
    """

    name: str
    passed: bool | None
    reason: str


@dataclass(frozen=True, slots=True)
class MustPass:
    """Two texts whose order under a query is beyond dispute, with the candidate's scores of them."""

    query: str
    better: str
    worse: str
    better_score: float
    worse_score: float

    @property
    def passed(self) -> bool:
        """Whether the better text stands strictly above; a score that is not a number never does."""
        return bool(self.better_score > self.worse_score)


def not_collapsed(scores: Sequence[Sequence[float]], trivial: Mapping[str, Sequence[Sequence[float]]]) -> Check:
    """Whether the scores order texts at all, and by more than a feature that knows nothing of the query.

    Fails where half or more of the queries are flat (all scores within ``FLAT``), or where the mean of the
    within-query Spearman correlations with a feature reaches ``TRIVIAL``. Queries with one text say nothing about
    flatness. The correlation leaves out queries with fewer than three texts and those where the feature is constant
    or the scores are flat: it has no value there.

    Args:
        scores: The candidate's scores, one list per query.
        trivial: Name of the feature to its values, in the shape of ``scores``.

    Raises:
        InputError: A feature has another shape than the scores, or a value that is no finite number.
    """
    name = "not collapsed"
    rows = [np.asarray(row, dtype=np.float64) for row in scores]
    features = {feature: _in_shape(feature, values, rows) for feature, values in trivial.items()}
    broken = sum(not np.isfinite(row).all() for row in rows)
    if broken:
        return Check(name, False, f"scores are not finite numbers in {broken} of {len(rows)} queries")
    ranked = [row for row in rows if len(row) > 1]
    flat = sum(_is_flat(row) for row in ranked)
    if not ranked:
        return Check(name, False, "no query has two scores to compare, so that nothing shows the model ranks at all")
    if 2 * flat >= len(ranked):
        return Check(name, False, f"scores are all equal (within {FLAT:f}) in {flat} of {len(ranked)} queries")
    found = {feature: _correlations(rows, values) for feature, values in features.items()}
    means = {feature: float(np.mean(values)) for feature, values in found.items() if values}
    shown = {
        feature: f"{signed(mean)} with {one_line(feature)} (measured in {len(found[feature])} of {len(rows)} queries)"
        for feature, mean in means.items()
    }
    copies = [feature for feature, mean in means.items() if abs(mean) >= TRIVIAL - _ROUNDING]
    if copies:
        listed = "; ".join(shown[feature] for feature in copies)
        return Check(name, False, f"scores only repeat a trivial feature: rank correlation {listed}")
    reason = f"scores differ in {len(ranked) - flat} of {len(ranked)} queries"
    if means:
        nearest = max(means, key=lambda feature: abs(means[feature]))
        return Check(name, True, f"{reason}; highest rank correlation with a trivial feature: {shown[nearest]}")
    return Check(name, True, f"{reason}; no trivial feature to compare with")


def keeps_must_pass(pairs: Sequence[MustPass]) -> Check:
    """Whether every query of the list keeps all of its pairs in order; equal scores are a failure."""
    name = "must-pass"
    queries = {pair.query for pair in pairs}
    failing: dict[str, MustPass] = {}  # query to its first failing pair
    for pair in pairs:
        if not pair.passed:
            failing.setdefault(pair.query, pair)
    if not queries:
        return Check(name, None, "no must-pass queries given")
    if not failing:
        return Check(name, True, f"{len(queries)} of {len(queries)} must-pass queries hold")
    named = [_failure(pair) for pair in list(failing.values())[:_NAMED]]
    rest = [f"and {len(failing) - _NAMED} more"] if len(failing) > _NAMED else []
    return Check(name, False, f"{len(failing)} of {len(queries)} must-pass queries fail: {'; '.join(named + rest)}")


def latency(ratio: float | None, most: float) -> Check:
    """Whether a query takes at most ``most`` times as long as now; a ratio of None was not measured."""
    if ratio is None:
        return Check("latency", None, "not measured")
    if not (math.isfinite(ratio) and ratio > 0):
        return Check("latency", False, f"a query takes {ratio:g} times as long as now, which is no measurement")
    passed = bool(ratio <= most)
    limit = "at most" if passed else "more than the"
    return Check("latency", passed, f"a query takes {ratio:.3g} times as long as now, {limit} {most:.3g} allowed")


# --- parts ---------------------------------------------------------------------------------------------------


def _in_shape(
    feature: str, values: Sequence[Sequence[float]], scores: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    rows = [np.asarray(row, dtype=np.float64) for row in values]
    if len(rows) != len(scores):
        raise InputError(
            f"trivial feature {feature!r} has values for {len(rows)} queries", allowed=f"{len(scores)}, as the scores"
        )
    for place, (row, row_of_scores) in enumerate(zip(rows, scores, strict=True)):
        if row.shape != row_of_scores.shape:
            raise InputError(
                f"trivial feature {feature!r} has {row.size} values for query number {place}",
                allowed=f"{row_of_scores.size}, one for each score",
            )
        if not np.isfinite(row).all():
            raise InputError(f"trivial feature {feature!r} is no finite number somewhere in query number {place}")
    return rows


def _is_flat(row: NDArray[np.float64]) -> bool:
    return bool(np.ptp(row) <= FLAT)


def _correlations(scores: Sequence[NDArray[np.float64]], feature: Sequence[NDArray[np.float64]]) -> list[float]:
    """Spearman's within each query that has one: Pearson's of the ranks, ties sharing their mean rank."""
    from scipy.stats import rankdata

    return [
        float(np.corrcoef(rankdata(row), rankdata(values))[0, 1])
        for row, values in zip(scores, feature, strict=True)
        if len(row) >= _FEWEST_TEXTS and np.ptp(values) > 0 and not _is_flat(row)
    ]


def _failure(pair: MustPass) -> str:
    return (
        f"{one_line(pair.query)!r} puts {one_line(pair.worse)!r} ({pair.worse_score:.3g}) "
        f"not below {one_line(pair.better)!r} ({pair.better_score:.3g})"
    )


# --- how numbers and texts are written -----------------------------------------------------------------------


def number(value: float, places: int = 3) -> str:
    """``.847``: no zero in front, and none below 0."""
    text = f"{value:z.{places}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def signed(value: float) -> str:
    """``+.021``, ``-.003``, and ``.000`` for what rounds to 0."""
    text = number(value)
    return text if text.startswith("-") or text == number(0.0) else f"+{text}"


def one_line(text: str) -> str:
    """Without line breaks, and short enough to stand in a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
