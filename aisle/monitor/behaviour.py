"""What shoppers did in a window as numbers for alert rules: click rate, click nDCG, who wins an interleaving.

A fall is seen beside a reference, which keeps what the numbers were and how probable it was that a shopper looked at a
position: click nDCG by other such probabilities is another number. Knows events, nothing of how they are kept.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from aisle.errors import InputError
from aisle.monitor.clicks import click_ndcg, rates
from aisle.monitor.experiments import INTERLEAVED, PageLine
from aisle.monitor.interleaving import Preference, preference
from aisle.monitor.outcome import outcome
from aisle.monitor.pages import TimedEvent, pages_of
from aisle.monitor.position_bias import check_propensities, estimate_propensities


@dataclass(frozen=True, slots=True)
class Shoppers:
    """What shoppers saw and did.

    Attributes:
        events: Theirs.
        lines: Pages of the log of experiments, which knows what was interleaved.
        propensities: Of looking at positions 1, 2, ... where somebody says so; empty: a reference's, else estimated.
    """

    events: Sequence[TimedEvent] = ()
    lines: Sequence[PageLine] = ()
    propensities: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Clicks:
    """What clicks say of some days.

    Attributes:
        pages: That showed a product.
        rate: Of them, with a click; None without pages.
        ndcg: Click nDCG@10; None where the propensities are not known, or no query has enough clicks.
        queries: That it is the mean of.
        propensities: How probable it is that a shopper looks at positions 1, 2, ...; empty where nothing tells.
    """

    pages: int = 0
    rate: float | None = None
    ndcg: float | None = None
    queries: int = 0
    propensities: tuple[float, ...] = field(default=())


def clicks_of(shoppers: Shoppers, propensities: Sequence[float] = ()) -> Clicks:
    """The click rate and the click nDCG.

    Args:
        shoppers: What they did.
        propensities: Of a reference, taken where nobody says others; none: estimated where the events can tell.

    Raises:
        InputError: A propensity is out of range.
    """
    pages = pages_of(shoppers.events).pages
    looks = shoppers.propensities or tuple(propensities)
    check_propensities(looks)
    if not looks:
        with contextlib.suppress(InputError):  # one ranking showed it all: nothing tells
            looks = estimate_propensities(pages).values
    of = rates(pages)
    found = click_ndcg(pages, looks) if looks else None
    interval = found.interval if found is not None else None
    return Clicks(
        pages=of.pages,
        rate=of.click,
        ndcg=None if interval is None else interval.mean,
        queries=0 if interval is None else interval.n,
        propensities=looks,
    )


def preference_of(shoppers: Shoppers) -> Preference:
    """Which ranking of the latest interleaving shoppers clicked more: by the log of experiments, else by the events."""
    interleaved = [line for line in shoppers.lines if line.variant == INTERLEAVED]
    if interleaved:
        latest = max(interleaved, key=lambda line: line.time).experiment
        found = outcome(latest, interleaved, (), shoppers.events).interleaved
        if found is not None:
            return found.preferences["clicked"]
    return preference(pages_of(shoppers.events).pages)


def behaviour(name: str, shoppers: Shoppers, before: Clicks | None = None) -> tuple[float | None, int]:
    """One number by its name (`aisle.monitor.summary.BEHAVIOUR`), and the pages or shoppers it is of.

    Args:
        name: Such as ``clicks.rate``; ``drift.clicks.rate`` is what it is more than it was, below 0 where it fell.
        shoppers: What they did.
        before: Of the reference, for a drift; its propensities are taken where there are some.
    """
    if name.startswith("interleaving."):
        found = preference_of(shoppers)
        decided = found.wins + found.losses
        if not decided:
            return None, 0
        return (found.share if name == "interleaving.share" else found.sign_p), decided
    now = clicks_of(shoppers, before.propensities if before is not None else ())
    rate = name.endswith(".rate")
    value = now.rate if rate else now.ndcg
    if not name.startswith("drift."):
        return value, now.pages
    was = None if before is None else before.rate if rate else before.ndcg
    return (None if value is None or was is None else value - was), now.pages
