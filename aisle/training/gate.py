"""The gate: a candidate replaces the current ranking only where held-out queries show that it is better.

Knows per-query values and scores, not what made them: no models, no files, no PyTorch. The checks that look at the
candidate alone are in ``gate_checks``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from aisle.errors import InputError, JudgmentError
from aisle.evaluate import Interval, paired_difference
from aisle.training.gate_checks import Check, MustPass, keeps_must_pass, latency, not_collapsed, number, signed

__all__ = ["judge", "format_verdict", "Evidence", "Terms", "Verdict", "Check", "MustPass", "MAX_LATENCY_RATIO"]

MAX_LATENCY_RATIO = 1.5
"""A model of the same size measures 1 give or take the noise; a larger one has to be asked for."""
_SHOWN = {True: "passed", False: "FAILED", None: "-     "}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found and decided.

    Attributes:
        promoted: Whether the candidate may replace the current ranking.
        forced: Whether it is promoted although a check failed; never without a failed check.
        checks: All of them: passed, failed, and those of which nothing was measured.
        difference: Candidate minus current: the mean over queries with its 95% paired bootstrap interval.
        p: Of the paired sign-flip test, two-sided.
        exact: Whether all sign patterns were counted for ``p``.
        detectable: The smallest true difference that these queries show (80% power); None where nothing varies.
        queries: How many were held out.
        wins: Queries that the candidate ranks better; ``losses`` worse; ``ties`` neither.
        mean_current: The metric's mean for the current ranking.
        mean_candidate: The same for the candidate.
    """

    promoted: bool
    forced: bool
    checks: tuple[Check, ...]
    difference: Interval
    p: float
    exact: bool
    detectable: float | None
    queries: int
    wins: int
    losses: int
    ties: int
    mean_current: float
    mean_candidate: float

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(check.name for check in self.checks if check.passed is False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the manifest and for ``--json``, with the names of the failed checks.

        What no query was held out for was not measured: None.
        """
        plain = asdict(self) | {"checks": [asdict(check) for check in self.checks], "failed": list(self.failed)}
        if self.queries:
            return plain
        difference = plain["difference"] | dict.fromkeys(("mean", "low", "high"))
        return plain | dict.fromkeys(("p", "exact", "mean_current", "mean_candidate")) | {"difference": difference}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate is shown: a metric of every held-out query, for both rankings.

    Attributes:
        current: By query, for the ranking in use.
        candidate: By query, for the candidate, which learnt nothing from that query.
        scores: The candidate's, one list for each query.
        trivial: Name to values, in the shape of ``scores``, of features that no model should merely repeat, such as
            the length of the text.
    """

    current: Mapping[str, float]
    candidate: Mapping[str, float]
    scores: Sequence[Sequence[float]]
    trivial: Mapping[str, Sequence[Sequence[float]]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked of a candidate beside being better.

    Attributes:
        must_pass: Pairs whose order is beyond dispute, scored by the candidate.
        latency_ratio: Time for a query, candidate over current; None where not measured.
        max_latency_ratio: The highest ratio allowed.
        force: Promote in spite of failed checks, which the verdict then records.
        alpha: What ``p`` has to stay below.
        seed: Of the bootstrap and of the sign flips.
    """

    must_pass: Sequence[MustPass] = ()
    latency_ratio: float | None = None
    max_latency_ratio: float = MAX_LATENCY_RATIO
    force: bool = False
    alpha: float = 0.05
    seed: int = 0


def judge(found: Evidence, terms: Terms, further: Sequence[Check] = ()) -> Verdict:
    """Decide whether the candidate is promoted: it is where no check fails.

    Better on average is not enough: the interval of the mean difference has to lie above 0, and the sign-flip test
    has to agree. Too few queries to tell is an ordinary "not promoted", never an error.

    Args:
        found: On queries that training never saw.
        terms: Of the promotion.
        further: Checks of what only this kind of model has.

    Raises:
        JudgmentError: The two rankings are of different queries, or a value is no finite number.
        InputError: Scores or a feature have another shape than the queries, or a limit is out of range.
    """
    _check_limits(terms.alpha, terms.max_latency_ratio)
    _check_queries(found.current, found.candidate)
    if len(found.scores) != len(found.current):
        raise InputError(
            f"the gate has the candidate's scores of {len(found.scores)} queries",
            allowed=f"one list for each of the {len(found.current)} held-out queries",
        )
    verdict = _measure(found.current, found.candidate, terms.alpha, terms.seed)
    checks = (
        _better(verdict, terms.alpha),
        not_collapsed(found.scores, found.trivial),
        keeps_must_pass(terms.must_pass),
        latency(terms.latency_ratio, terms.max_latency_ratio),
        *further,
    )
    passed = all(check.passed is not False for check in checks)
    return replace(verdict, promoted=passed or terms.force, forced=terms.force and not passed, checks=checks)


def format_verdict(verdict: Verdict, metric: str = "nDCG@10") -> list[str]:
    """Lines for the terminal: the decision with its numbers, then each check with its reason."""
    decision = "promoted" if verdict.promoted else "not promoted"
    if verdict.forced:
        decision = f"promoted by force (failed: {', '.join(verdict.failed)})"
    least = verdict.detectable
    measured = (
        f"{metric} {number(verdict.mean_current)} -> {number(verdict.mean_candidate)}, "
        f"{_interval(verdict.difference)}, p {_p(verdict.p)}, {_queries(verdict.queries)}"
        + ("" if least is None else f"; the smallest detectable difference is {number(least)}")
        if verdict.queries
        else f"{metric} not measured, for no query was held out"
    )
    width = max((len(check.name) for check in verdict.checks), default=0)
    return [
        f"{decision}: {measured}",
        *(f"  {_SHOWN[check.passed]}  {check.name:<{width}}  {check.reason}" for check in verdict.checks),
    ]


# --- better --------------------------------------------------------------------------------------------------


def _measure(current: Mapping[str, float], candidate: Mapping[str, float], alpha: float, seed: int) -> Verdict:
    """The numbers of the comparison, with nothing decided yet. The order of the mappings does not count."""
    queries = sorted(current)
    found = paired_difference(
        [float(candidate[query]) - float(current[query]) for query in queries], alpha=alpha, seed=seed
    )
    return Verdict(
        promoted=False,
        forced=False,
        checks=(),
        difference=found.interval,
        p=found.p,
        exact=found.exact,
        detectable=found.detectable,
        queries=len(queries),
        wins=found.wins,
        losses=found.losses,
        ties=found.ties,
        mean_current=math.fsum(current.values()) / max(1, len(queries)),
        mean_candidate=math.fsum(candidate.values()) / max(1, len(queries)),
    )


def _better(found: Verdict, alpha: float) -> Check:
    name, differing = "better", found.wins + found.losses
    if found.queries < 2:
        return Check(name, False, f"{_queries(found.queries)} held out, at least 2 are needed to compare")
    if not differing:
        return Check(name, False, f"the metric is the same on all {found.queries} held-out queries")
    against = []
    if found.difference.low <= 0:
        against.append("worse on average" if found.difference.mean < 0 else "the interval does not lie above 0")
    if found.p >= alpha:
        against.append(f"p {_p(found.p)} is not below {f'{alpha:g}'.removeprefix('0')}")
    numbers = [
        f"{_interval(found.difference)}, p {_p(found.p)}",
        f"queries: {found.wins} better, {found.losses} worse, {found.ties} the same",
    ]
    if found.detectable is not None:
        numbers.append(f"the smallest detectable difference is {number(found.detectable)}")
    if not against:
        return Check(name, True, "; ".join(numbers))
    # All signs alike gives the smallest p there is, 2 of 2^n patterns.
    needed = math.floor(math.log2(2 / alpha)) + 1
    if differing < needed and found.difference.mean > 0:
        numbers.append(f"it takes {needed} differing queries or more to pass: hold out more")
    return Check(name, False, f"{' and '.join(against)}: {'; '.join(numbers)}")


# --- what cannot be judged -----------------------------------------------------------------------------------


def _check_limits(alpha: float, max_latency_ratio: float) -> None:
    if not 0 < alpha < 1:
        raise InputError(f"the gate's alpha is {alpha:g}", allowed="above 0 and below 1, such as 0.05")
    if not max_latency_ratio > 0:
        raise InputError(
            f"the gate's highest latency ratio is {max_latency_ratio:g}",
            allowed=f"above 0, such as {MAX_LATENCY_RATIO:g}",
        )


def _check_queries(current: Mapping[str, float], candidate: Mapping[str, float]) -> None:
    for name, one, other in (("candidate", candidate, current), ("current ranking", current, candidate)):
        missing = sorted(set(other) - set(one))
        if missing:
            raise JudgmentError(
                f"the {name} has no value for {len(missing)} of {len(other)} held-out queries: "
                f"{_listed([repr(query[:60]) for query in missing])}",
                fix="score both over the same queries; one without results counts as 0",
            )
        for query, value in one.items():
            if not math.isfinite(value):
                raise JudgmentError(f"the {name} has the value {value:g} for query {query[:60]!r}", allowed="a number")


# --- how it is written ---------------------------------------------------------------------------------------


def _interval(interval: Interval) -> str:
    return f"{signed(interval.mean)} [{signed(interval.low)}, {signed(interval.high)}]"


def _p(value: float) -> str:
    """Four places, for 10,000 sign patterns tell no more; without the zeros at the end."""
    return number(value, places=4).rstrip("0").rstrip(".")


def _queries(count: int) -> str:
    return "1 query" if count == 1 else f"{count} queries"


def _listed(names: Sequence[str], most: int = 3) -> str:
    rest = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *rest])
