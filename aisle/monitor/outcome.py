"""What came of an experiment: pages of its log and shoppers' events to differences with intervals.

A page is known from the service's own log, so a shop needs to send no impressions and no teams: clicks, carts and
purchases with the request's id of the search are enough. Knows lines and events, nothing of how they are kept.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aisle.errors import InputError
from aisle.evaluate import Interval, bootstrap_mean
from aisle.monitor.experiments import EXPLORED, INTERLEAVED, A, B, PageLine, ShadowLine
from aisle.monitor.interleaving import Preference, preference
from aisle.monitor.offpolicy import Choices, Estimates, evaluate_choices
from aisle.monitor.pages import Page, TimedEvent, pages_of
from aisle.monitor.split import TwoSamples, mismatch_p, per_user, two_samples
from aisle.monitor.summary import quantile

DEEDS = ("clicked", "carted", "bought")
MOST_DIFFERENT = 10
_ROUNDS = 7
"""Bits of a place in the ranking that the model of rewards tells apart."""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A candidate that nobody sees, beside what was served.

    Attributes:
        searches: Scored by the candidate.
        failed: Of them, not answered.
        degraded: Searches whose served answer had something left out; in no figure below.
        k: Products that are compared.
        overlap: Mean share of the first k that both have.
        correlation: Mean Kendall's tau-b of the first k; None where no two lists can be compared.
        same_first: Share of searches with the same first product.
        latency: "served" and "candidate" to p50 and p95 of a search's stages, ms. Measured in different processes.
        different: Queries with the least overlap, with it.
    """

    searches: int
    failed: int
    degraded: int
    k: int
    overlap: Interval | None
    correlation: Interval | None
    same_first: float
    latency: Mapping[str, tuple[float, float]]
    different: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Split:
    """An A/B test; the differences are the candidate's (b) less the served ranking's (a), by user.

    Attributes:
        users: Variant to users.
        pages: Variant to pages.
        failed: Pages of b that the candidate could not answer: they count as b.
        mismatch_p: Whether users came as planned; None where the plan changed. Below .001 believe nothing.
        rates: Deed to the variants' shares of pages with it, mean over users.
        differences: Deed to the difference; empty where a variant has fewer than two users.
    """

    users: Mapping[str, int]
    pages: Mapping[str, int]
    failed: int
    mismatch_p: float | None
    rates: Mapping[str, Mapping[str, float]]
    differences: Mapping[str, TwoSamples]


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Pages of both rankings: deed to which one shoppers preferred; b is the candidate."""

    pages: int
    shoppers: int
    preferences: Mapping[str, Preference]


@dataclass(frozen=True, slots=True)
class Explored:
    """The slot for exploration: what of it was clicked, and what rankings would have earned there (off-policy).

    Attributes:
        pages: With a slot.
        explored: Of them, with another product than the ranking's.
        served: Clicks a page in the slot if it always held the ranking's own product.
        candidate: If it held the product of those possible that the candidate ranks highest; None without a candidate.
        difference: candidate - served on the same pages, by inverse propensity: value and 95% interval.
        judged: Pages for which the candidate ranks one of the possible products.
    """

    pages: int
    explored: int
    served: Estimates
    candidate: Estimates | None
    difference: tuple[float, float, float] | None
    judged: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything of one experiment; a part is None where nothing of it was logged.

    Attributes:
        experiment: Its name.
        indexes: That were served while it ran: where there are several, its beginning and its end are not alike.
        orphans: Products of events that belong to no page of it.
    """

    experiment: str
    indexes: tuple[str, ...]
    orphans: int
    shadow: Shadowed | None
    split: Split | None
    interleaved: Interleaved | None
    explored: Explored | None


@dataclass(frozen=True, slots=True)
class _Impression:
    """A page as the event that it is."""

    items: Sequence[_Place]
    query: str
    user: str
    request_id: str
    variant: str
    session: str = ""
    type: str = "impression"


@dataclass(frozen=True, slots=True)
class _Place:
    id: str
    position: int
    team: str
    propensity: float | None


@dataclass(frozen=True, slots=True)
class _Shown:
    time: dt.datetime
    event: _Impression


def outcome(
    name: str, lines: Sequence[PageLine], shadows: Sequence[ShadowLine], events: Iterable[TimedEvent]
) -> Outcome:
    """What came of an experiment.

    Args:
        name: Of the experiment; lines of others are passed over.
        lines: Pages of its log.
        shadows: What its candidate would have shown.
        events: Of shoppers, in any order.

    Raises:
        InputError: There is no line of this experiment.
    """
    lines = [line for line in lines if line.experiment == name]
    shadows = [line for line in shadows if line.experiment == name]
    if not lines and not shadows:
        raise InputError(f"no search took part in the experiment {name!r}", fix="see the names with `aisle experiment`")
    said = Counter(line.request_id for line in lines)  # an id that a caller gave to several searches tells none
    lines = [line for line in lines if said[line.request_id] == 1]
    wanted = {line.request_id for line in lines}
    deeds = [  # what names another search is no deed on one of these pages
        one
        for one in events
        if one.event.type != "impression" and (not one.event.request_id or one.event.request_id in wanted)
    ]
    found = pages_of([*(_shown(line) for line in lines), *deeds])
    pages = {page.request_id: page for page in found.pages if page.request_id in wanted}
    of = {kind: [line for line in lines if line.variant == kind] for kind in (A, B, INTERLEAVED, EXPLORED)}
    return Outcome(
        experiment=name,
        indexes=tuple(sorted({line.index for line in lines} | {line.index for line in shadows})),
        orphans=found.orphans,
        shadow=_shadow(shadows) if shadows else None,
        split=_split([*of[A], *of[B]], pages) if of[A] or of[B] else None,
        interleaved=_interleaved(of[INTERLEAVED], pages) if of[INTERLEAVED] else None,
        explored=_explored(of[EXPLORED], pages, shadows) if any(line.slot for line in of[EXPLORED]) else None,
    )


def _shown(line: PageLine) -> _Shown:
    places = [_Place(one.id, position, one.team, one.propensity) for position, one in enumerate(line.items, line.first)]
    return _Shown(line.time, _Impression(places, line.query, line.user, line.request_id, line.variant))


def _shadow(lines: Sequence[ShadowLine]) -> Shadowed:
    fair = [line for line in lines if not line.failed and not line.degraded]
    overlaps = [line.overlap for line in fair]
    taus = [value for line in fair if (value := line.correlation) is not None]
    by_query: dict[str, float] = {}
    for line in fair:
        by_query.setdefault(line.query, line.overlap)
    return Shadowed(
        searches=len(lines),
        failed=sum(bool(line.failed) for line in lines),
        degraded=sum(line.degraded and not line.failed for line in lines),
        k=max(line.k for line in lines),
        overlap=bootstrap_mean(overlaps) if overlaps else None,
        correlation=bootstrap_mean(taus) if taus else None,
        same_first=math.fsum(line.same_first for line in fair) / len(fair) if fair else 0.0,
        latency={
            "served": _quantiles([line.served_ms for line in fair]),
            "candidate": _quantiles([line.candidate_ms for line in fair]),
        },
        different=tuple(sorted(by_query.items(), key=lambda item: (item[1], item[0]))[:MOST_DIFFERENT]),
    )


def _quantiles(values: Sequence[float]) -> tuple[float, float]:
    """The median and the 95th percentile; 0 without values."""
    return quantile(values, 50) or 0.0, quantile(values, 95) or 0.0


def _split(lines: Sequence[PageLine], pages: Mapping[str, Page]) -> Split:
    shown = [pages[line.request_id] for line in lines if line.request_id in pages]
    shares = {line.share for line in lines}
    values = {deed: per_user(shown, lambda page, deed=deed: float(bool(getattr(page, deed)))) for deed in DEEDS}  # type: ignore[misc]
    groups = values["clicked"]
    users = {variant: len(groups.get(variant, {})) for variant in (A, B)}
    share = shares.pop() if len(shares) == 1 else None
    planned = {A: 1 - share, B: share} if share is not None else {}
    enough = min(users.values()) >= 2
    return Split(
        users=users,
        pages={variant: sum(page.variant == variant for page in shown) for variant in (A, B)},
        failed=sum(line.failed for line in lines),
        mismatch_p=mismatch_p(users, planned) if planned and min(planned.values()) > 0 else None,
        rates={
            deed: {variant: float(np.mean(list(of[variant].values()))) for variant in (A, B) if of.get(variant)}
            for deed, of in values.items()
        },
        differences={
            deed: two_samples(list(of[A].values()), list(of[B].values())) for deed, of in values.items() if enough
        },
    )


def _interleaved(lines: Sequence[PageLine], pages: Mapping[str, Page]) -> Interleaved:
    shown = [pages[line.request_id] for line in lines if line.request_id in pages]
    return Interleaved(
        pages=len(shown),
        shoppers=len({page.who for page in shown}),
        preferences={
            "clicked": preference(shown, "clicked"),
            "carted": preference(shown, "carted"),
            "bought": preference(shown, "bought"),
        },
    )


def _explored(lines: Sequence[PageLine], pages: Mapping[str, Page], shadows: Sequence[ShadowLine]) -> Explored:
    lines = [line for line in lines if line.slot and line.request_id in pages]
    orders = {line.request_id: line.candidate for line in shadows if not line.failed}
    rewards: list[float] = []
    logged: list[float] = []
    served: list[float] = []
    places: list[int] = []
    halves: list[int] = []
    wanted: list[tuple[float, int] | None] = []
    for line in lines:
        shown = line.items[line.slot - line.first]
        rewards.append(float(shown.id in pages[line.request_id].clicked))
        logged.append(shown.propensity or 1.0)
        served.append(float(shown.id == line.pool[0]))
        places.append(_place(line.pool.index(shown.id)))
        halves.append(len(halves) % 2)
        best = next((one for one in orders.get(line.request_id, ()) if one in line.pool), None)
        wanted.append(None if best is None else (float(shown.id == best), _place(line.pool.index(best))))
    predicted = _model(rewards, places, halves)
    judged = [number for number, one in enumerate(wanted) if one is not None]
    candidate = difference = None
    if judged:
        chosen = [one for one in wanted if one is not None]
        candidate = evaluate_choices(
            Choices(
                [rewards[n] for n in judged],
                [logged[n] for n in judged],
                [share for share, _ in chosen],
                [predicted[halves[n]][places[n]] for n in judged],
                [predicted[halves[n]][place] for n, (_, place) in zip(judged, chosen, strict=True)],
            )
        )
        gains = np.array(
            [(share - served[n]) / logged[n] * rewards[n] for n, (share, _) in zip(judged, chosen, strict=True)]
        )
        error = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
        mean = float(gains.mean())
        difference = (mean, mean - 1.96 * error, mean + 1.96 * error)
    return Explored(
        pages=len(lines),
        explored=len(lines) - int(sum(served)),
        served=evaluate_choices(
            Choices(
                rewards,
                logged,
                served,
                [predicted[half][place] for half, place in zip(halves, places, strict=True)],
                [predicted[half][0] for half in halves],
            )
        ),
        candidate=candidate,
        difference=difference,
        judged=len(judged),
    )


def _place(place: int) -> int:
    """How far down the ranking, coarsely: 0; 1; 2 and 3; 4 to 7; ..."""
    return min(place.bit_length(), _ROUNDS)


def _model(rewards: Sequence[float], places: Sequence[int], halves: Sequence[int]) -> list[list[float]]:
    """For each half of the pages, place to the reward to be expected there, learnt from the other half."""
    found = []
    for half in (0, 1):
        totals, counts = [0.0] * (_ROUNDS + 1), [0] * (_ROUNDS + 1)
        for reward, place, of in zip(rewards, places, halves, strict=True):
            if of != half:
                totals[place] += reward
                counts[place] += 1
        mean = math.fsum(totals) / max(1, sum(counts))
        found.append([(total + mean) / (count + 1) for total, count in zip(totals, counts, strict=True)])
    return found


def names_of(lines: Sequence[PageLine], shadows: Sequence[ShadowLine]) -> dict[str, int]:
    """Experiments to their lines, the latest first."""
    latest: dict[str, dt.datetime] = {}
    counts: dict[str, int] = {}
    for name, time in [
        *((one.experiment, one.time) for one in lines),
        *((one.experiment, one.time) for one in shadows),
    ]:
        counts[name] = counts.get(name, 0) + 1
        latest[name] = max(time, latest.get(name, time))
    return {name: counts[name] for name in sorted(counts, key=lambda name: latest[name], reverse=True)}
