"""What the rules say to one query on one day. Knows rules and queries, no products."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from aisle.language.synonyms import Synonyms
from aisle.rules.phrases import readings
from aisle.rules.rule import Change, Pin, Rule, RuleSet, Safety
from aisle.types import And, Compare, Exists, Filter, In, Not, Or
from aisle.words import Expansion


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a query is not answered: what to tell the shopper, and the phrase of the safety list that it has."""

    reason: str
    phrase: str


@dataclass(frozen=True, slots=True)
class Active:
    """The rules that are for a query, those that go first in front; none where the query is refused.

    ``absent`` are the fields that no product has (`aisle.rules.fit`).
    """

    rules: tuple[Rule, ...] = ()
    safety: Safety = field(default_factory=Safety)
    refused: Refusal | None = None
    absent: frozenset[str] = frozenset()

    @property
    def redirect(self) -> str | None:
        """Where the shopper should be sent instead."""
        return next((rule.redirect for rule in self.rules if rule.redirect), None)

    @property
    def filter(self) -> Filter | None:
        """What products must meet beside the shopper's own filter; every rule's filter counts."""
        found = tuple(rule.filter for rule in self.rules if rule.filter is not None)
        return And(found) if found else None

    @property
    def synonyms(self) -> tuple[tuple[Rule, str], ...]:
        """Lines of synonyms, with whose they are."""
        return tuple((rule, line) for rule in self.rules for line in rule.synonyms)

    @property
    def pins(self) -> tuple[tuple[Rule, Pin], ...]:
        """Pins, with whose they are; the first has its place."""
        return tuple((rule, pin) for rule in self.rules for pin in rule.pins)

    @property
    def boosts(self) -> tuple[tuple[Rule, Change], ...]:
        """Boosts, and buries as boosts by less than 0, with whose they are."""
        found: list[tuple[Rule, Change]] = []
        for rule in self.rules:
            if rule.boost is not None:
                found.append((rule, rule.boost))
            if rule.bury is not None:
                found.append((rule, Change(rule.bury.filter, -rule.bury.by)))
        return tuple(found)

    @property
    def blocked(self) -> frozenset[str]:
        """Products that the rules keep out of this query's answer; no rule brings them back."""
        return frozenset(product_id for rule in self.rules for product_id in rule.blocked)


def active(rules: RuleSet, query: str, today: date, understood: str = "") -> Active:
    """The rules for one query.

    Args:
        rules: All of them.
        query: As the shopper typed it; blank for a browse, which only rules for any query are for.
        today: The date where the shop is (`RuleSet.today`).
        understood: The query as corrected, if it was; a phrase in either counts.
    """
    read = readings(query, understood)
    refused = min(rules.refusals.owners(read), default=None)
    if refused is not None:
        return Active((), rules.safety, Refusal(rules.safety.reason, rules.safety.queries[refused]), rules.absent)
    found = ((place, rules.rules[place]) for place in rules.conditions.owners(read))
    ordered = sorted((-rule.priority, place) for place, rule in found if rule.on(today))
    return Active(tuple(rules.rules[place] for _, place in ordered), rules.safety, None, rules.absent)


def expansions(active: Active, text: str) -> tuple[Expansion, ...]:
    """Other names that the active rules' synonyms give for what is in a query, each with a weight of 1.

    Args:
        active: The rules for the query.
        text: The query, normalised and simplified.
    """
    lines = [line for _, line in active.synonyms]
    return Synonyms.parse("\n".join(lines)).expansions(text) if lines else ()


def forbidden_filter(safety: Safety) -> Filter:
    """Exactly the products that the safety list forbids; no product where it forbids none."""
    named = (In("id", safety.products),) if safety.products else ()
    return Or((*named, safety.filter) if safety.filter is not None else named)


def without(filter: Filter, absent: frozenset[str]) -> Filter:
    """The filter with what it asks of absent fields as what no product meets."""
    match filter:
        case And(parts):
            return And(tuple(without(part, absent) for part in parts))
        case Or(parts):
            return Or(tuple(without(part, absent) for part in parts))
        case Not(part):
            return Not(without(part, absent))
        case Compare(name) | In(name) | Exists(name) if name in absent:
            return Or(())
        case _:
            return filter


def retrieval_filter(asked: Filter | None, active: Active) -> Filter | None:
    """What a product must meet to be found, counted or listed: the shopper's filter, the rules' and the safety list.

    The rules' part cannot be widened by a facet: an index leaves out of the top-level AND those parts that ask for the
    facet's own field only, and this one always asks for two.

    Args:
        asked: The shopper's filter.
        active: The rules for the query; those for a blank query where there is none.
    """
    out: list[Filter] = [Not(rule.filter) for rule in active.rules if rule.filter is not None]
    if active.blocked:
        out.append(In("id", tuple(sorted(active.blocked))))
    forbidden = without(forbidden_filter(active.safety), active.absent)
    if forbidden != Or(()):
        out.append(forbidden)
    if not out:
        return asked
    nothing: tuple[Filter, ...] = (In("id", ()), In("title", ()))  # the two fields
    own = asked.parts if isinstance(asked, And) else () if asked is None else (asked,)
    return And((*own, Not(Or((*nothing, *out)))))
