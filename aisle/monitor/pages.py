"""Events of shoppers to pages: what was shown, and what was clicked, put in the cart and bought of it.

Takes any events of the shape of the service's; knows nothing of how they are kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

ATTACH_S = 1_800.0
"""An event without a request's id belongs to the last page of its visit that showed the product, so long before."""


class ShownItem(Protocol):
    """A product of an event."""

    @property
    def id(self) -> str:
        """Of the product."""
        ...

    @property
    def position(self) -> int:
        """From 1; 0 where it is not known."""
        ...

    @property
    def propensity(self) -> float | None:
        """Of having been shown there."""
        ...

    @property
    def team(self) -> str:
        """Of an interleaving."""
        ...


class ShopEvent(Protocol):
    """What a shopper saw or did."""

    @property
    def type(self) -> str:
        """impression, click, cart or purchase."""
        ...

    @property
    def items(self) -> Sequence[ShownItem]:
        """The products."""
        ...

    @property
    def query(self) -> str:
        """As it is kept."""
        ...

    @property
    def user(self) -> str:
        """A hash, or nothing."""
        ...

    @property
    def session(self) -> str:
        """A hash, or nothing."""
        ...

    @property
    def request_id(self) -> str:
        """Of the search."""
        ...

    @property
    def variant(self) -> str:
        """Of an experiment."""
        ...


class TimedEvent(Protocol):
    """An event and when it came."""

    @property
    def time(self) -> dt.datetime:
        """With its zone."""
        ...

    @property
    def event(self) -> ShopEvent:
        """What came."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A product on a page; ``position`` is from 1."""

    id: str
    position: int
    team: str = ""
    propensity: float | None = None


@dataclass
class Page:
    """What was shown once, and what came of it.

    Attributes:
        time: When it was shown.
        query: That it answers.
        places: Of the products, by position.
        user: A hash, or nothing.
        session: A hash, or nothing.
        request_id: Of the search.
        variant: Of an experiment.
        clicked: Products clicked.
        carted: Products put into the cart.
        bought: Products bought.
    """

    time: dt.datetime
    query: str
    places: tuple[Place, ...]
    user: str = ""
    session: str = ""
    request_id: str = ""
    variant: str = ""
    clicked: set[str] = field(default_factory=set)
    carted: set[str] = field(default_factory=set)
    bought: set[str] = field(default_factory=set)

    @property
    def who(self) -> str:
        """The user, else the visit, else the request: what an experiment counts once."""
        return self.user or self.session or self.request_id or str(self.time)


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages in the order of time, and the products of clicks, carts and purchases that belong to none."""

    pages: tuple[Page, ...]
    orphans: int


def pages_of(events: Iterable[TimedEvent], attach_s: float = ATTACH_S) -> Pages:
    """Join events to pages.

    An impression is a page; several with one request's id and query are one page (as a shopper scrolls on). A click, a
    cart or a purchase belongs to the page of its request's id, else to the last page of its visit (else its user) that
    showed the product within ``attach_s``. Products without a position get that of their order.
    """
    found: list[Page] = []
    by_request: dict[str, Page] = {}
    by_visit: dict[str, list[Page]] = {}
    orphans = 0
    ordered = sorted(events, key=lambda one: (one.time, one.event.type != "impression"))
    for one in ordered:
        event = one.event
        if event.type == "impression":
            before = by_request.get(event.request_id) if event.request_id else None
            places = {place.id: place for place in before.places} if before else {}
            for number, item in enumerate(event.items, start=len(places) + 1):
                places.setdefault(item.id, Place(item.id, item.position or number, item.team, item.propensity))
            ordered_places = tuple(sorted(places.values(), key=lambda place: place.position))
            if before is not None:
                before.places = ordered_places
                continue
            page = Page(
                one.time, event.query, ordered_places, event.user, event.session, event.request_id, event.variant
            )
            found.append(page)
            if event.request_id:
                by_request[event.request_id] = page
            for visit in filter(None, (event.session, event.user)):
                by_visit.setdefault(visit, []).append(page)
            continue
        for item in event.items:
            owner = by_request.get(event.request_id) if event.request_id else None
            if owner is None:
                visits = filter(None, (event.session, event.user))
                theirs = (_last(by_visit.get(visit, ()), item.id, one.time, attach_s) for visit in visits)
                owner = next(filter(None, theirs), None)
            if owner is None or all(place.id != item.id for place in owner.places):
                orphans += 1
                continue
            {"click": owner.clicked, "cart": owner.carted, "purchase": owner.bought}[event.type].add(item.id)
    return Pages(tuple(found), orphans)


def _last(pages: Sequence[Page], product: str, now: dt.datetime, attach_s: float) -> Page | None:
    for page in reversed(pages):
        if (now - page.time).total_seconds() > attach_s:
            return None
        if any(place.id == product for place in page.places):
            return page
    return None
