"""What a merchant can ask for: rules with a condition and what they do, and a safety list above all of them.

Values only: how they are written is known to `aisle.rules.read`, what they do to a ranking to `aisle.rules.apply`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from aisle.rules.phrases import Match, Phrase, PhraseIndex
from aisle.types import Filter, Stage

REASON = "This shop does not answer this search."


@dataclass(frozen=True, slots=True)
class When:
    """The queries a rule is for: those that have one of the phrases, as ``match`` compares them."""

    queries: tuple[str, ...] = ()
    match: Match = "words"


@dataclass(frozen=True, slots=True)
class Pin:
    """A product at a place, from 1, of the whole ranking."""

    product_id: str
    place: int


@dataclass(frozen=True, slots=True)
class Change:
    """Products that go up or down, by a share (above 0) of the best product's score."""

    filter: Filter
    by: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: when it is for a query, from ``start`` until ``end`` (both included), and what it does.

    Of rules that get in each other's way the one of the higher ``priority`` goes first, then the earlier one.
    """

    name: str
    when: When
    start: date | None = None
    end: date | None = None
    priority: int = 0
    pins: tuple[Pin, ...] = ()
    boost: Change | None = None
    bury: Change | None = None
    filter: Filter | None = None
    redirect: str = ""
    synonyms: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    @property
    def stage(self) -> Stage:
        """The rule's name in the parts of a hit."""
        return f"rule:{self.name}"

    @property
    def does_nothing(self) -> bool:
        """Whether there is nothing that it does."""
        changes = (self.boost, self.bury, self.filter)
        return not (self.pins or self.redirect or self.synonyms or self.blocked or any(c is not None for c in changes))

    def on(self, day: date) -> bool:
        """Whether this is a day of the rule."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


@dataclass(frozen=True, slots=True)
class Safety:
    """Products that are never shown and queries that are never answered, whatever the rules say.

    A query that has all words of one of ``queries`` is answered with ``reason`` and no products.
    """

    products: tuple[str, ...] = ()
    filter: Filter | None = None
    queries: tuple[str, ...] = ()
    reason: str = REASON


@dataclass(frozen=True)
class RuleSet:
    """All rules of a shop, in the order of the file, and its safety list.

    ``time_zone`` is an IANA name ("Europe/Berlin"): whose midnight starts and ends a campaign. ``absent`` are
    the fields of filters that no product has, once `aisle.rules.fit` has asked the catalogue.
    """

    rules: tuple[Rule, ...] = ()
    safety: Safety = Safety()
    time_zone: str = "UTC"
    absent: frozenset[str] = frozenset()

    def today(self, now: datetime) -> date:
        """The date in the shop's time zone at a moment (with a time zone of its own)."""
        return now.astimezone(time_zone(self.time_zone)).date()

    @cached_property
    def conditions(self) -> PhraseIndex:
        """Finds the rules for a query, by their places in ``rules``."""
        return PhraseIndex(
            Phrase(text, rule.when.match, place)
            for place, rule in enumerate(self.rules)
            for text in (("",) if rule.when.match == "any" else rule.when.queries)
        )

    @cached_property
    def refusals(self) -> PhraseIndex:
        """Finds the queries not to be answered, by their places in ``safety.queries``."""
        return PhraseIndex(Phrase(text, "words", place) for place, text in enumerate(self.safety.queries))


def time_zone(name: str) -> tzinfo:
    """The time zone of a name.

    Raises:
        KeyError: There is none (`zoneinfo.ZoneInfoNotFoundError`).
        ValueError: It is no name.
    """
    return UTC if name == "UTC" else ZoneInfo(name)  # UTC also where no time zone data is installed
