"""What events of some days say of quality: rates, click nDCG, interleaved rankings, variants of an A/B test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aisle.errors import InputError
from aisle.monitor.clicks import ClickNdcg, Rates, click_ndcg, rates
from aisle.monitor.interleaving import Preference, preference
from aisle.monitor.pages import TimedEvent, pages_of
from aisle.monitor.position_bias import check_propensities, estimate_propensities
from aisle.monitor.split import TwoSamples, mismatch_p, per_user, two_samples


@dataclass(frozen=True, slots=True)
class Variants:
    """An A/B test of two variants.

    Attributes:
        users: Variant to users, those who saw both left out.
        mismatch_p: Whether they came as planned; below .001 believe no difference.
        clicked: Share of pages with a click, by user, the second variant less the first (in the order of names).
        bought: Share of pages with a purchase.
    """

    users: Mapping[str, int]
    mismatch_p: float
    clicked: TwoSamples
    bought: TwoSamples


@dataclass(frozen=True, slots=True)
class Quality:
    """Everything together.

    Attributes:
        rates: Of pages.
        orphans: Products clicked, carted or bought on no page that is known.
        propensities: Of looking at positions 1, 2, ...; empty where neither given nor found.
        why: Why there are none, "" where there are.
        ndcg: By clicks; None without propensities.
        preference: Of interleaved pages; None without teams.
        variants: Of two variants; None where there are not two with two users each.
    """

    rates: Rates
    orphans: int
    propensities: tuple[float, ...]
    why: str
    ndcg: ClickNdcg | None
    preference: Preference | None
    variants: Variants | None


def quality(
    events: Iterable[TimedEvent],
    propensities: Sequence[float] | None = None,
    shares: Mapping[str, float] | None = None,
) -> Quality:
    """Quality by events.

    Args:
        events: In any order.
        propensities: Of positions 1, 2, ...; None: estimated, where the data can tell.
        shares: Planned weights of the variants; None: equal ones.

    Raises:
        InputError: A propensity is out of range, or somebody has a variant that is not planned.
    """
    given = tuple(propensities or ())
    check_propensities(given)
    found = pages_of(events)
    why = ""
    if not given:
        try:
            given = estimate_propensities(found.pages).values
        except InputError as error:
            why = error.received
    teams = any(place.team for page in found.pages for place in page.places)
    groups = per_user([page for page in found.pages if page.variant], lambda page: float(bool(page.clicked)))
    variants = None
    if len(groups) == 2 and min(map(len, groups.values())) >= 2:
        users = {name: len(of) for name, of in sorted(groups.items())}
        sold = per_user([page for page in found.pages if page.variant], lambda page: float(bool(page.bought)))
        (a, b), planned = sorted(groups), shares or dict.fromkeys(users, 1.0)
        variants = Variants(
            users,
            mismatch_p(users, planned),
            two_samples(list(groups[a].values()), list(groups[b].values())),
            two_samples(list(sold[a].values()), list(sold[b].values())),
        )
    return Quality(
        rates=rates(found.pages),
        orphans=found.orphans,
        propensities=given,
        why=why,
        ndcg=click_ndcg(found.pages, given) if given else None,
        preference=preference(found.pages) if teams else None,
        variants=variants,
    )
