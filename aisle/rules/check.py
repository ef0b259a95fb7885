"""Rules looked over before they go live: one that can never fire, two that contradict each other.

Knows rules and what a catalogue says of them; no ranking. Pairs of rules are `aisle.rules.contradictions`' matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date

from aisle.errors import FilterError
from aisle.filters import matches
from aisle.rules.contradictions import contradictions
from aisle.rules.facts import Catalogue, Facts
from aisle.rules.finding import SAFETY, Finding, Severity
from aisle.rules.phrases import has_words, readings
from aisle.rules.rule import Change, Rule, RuleSet, Safety
from aisle.types import Filter


def check(rules: RuleSet, today: date, catalogue: Catalogue) -> tuple[Finding, ...]:
    """Everything that is wrong with the rules for this catalogue, by the rules' order.

    Args:
        rules: As read.
        today: The date where the shop is (`RuleSet.today`).
        catalogue: The products they are for.
    """
    pinned = (pin.product_id for rule in rules.rules for pin in rule.pins)
    blocked = (product_id for rule in rules.rules for product_id in rule.blocked)
    facts = Facts(catalogue, rules.safety, (*pinned, *blocked, *rules.safety.products))
    found = list(_safety(rules.safety, facts))
    places = {rule.name: place for place, rule in enumerate(rules.rules)}
    own = [
        finding
        for rule in rules.rules
        for finding in (
            *_dates(rule, today),
            *_condition(rule, rules),
            *_actions(rule),
            *_pins(rule, facts),
            *_filters(rule, facts),
        )
    ]
    both = contradictions(rules, today, facts)
    return (*found, *sorted((*own, *both), key=lambda finding: places[finding.rule]))


def _dates(rule: Rule, today: date) -> Iterator[Finding]:
    if rule.start is not None and rule.end is not None and rule.end < rule.start:
        problem = f"ends on {rule.end}, before it begins on {rule.start}, so it can never fire"
        yield Finding(rule.name, "error", problem, "correct from and until")
    elif rule.end is not None and rule.end < today:
        problem = f"was over on {rule.end}, so it can never fire again"
        yield Finding(rule.name, "warning", problem, "give it new dates, or delete it")


def _condition(rule: Rule, rules: RuleSet) -> Iterator[Finding]:
    if rule.when.match == "any":
        return
    empty = [text for text in rule.when.queries if not has_words(text)]
    said = [text for text in rule.when.queries if has_words(text)]
    if not said:
        yield Finding(rule.name, "error", "names no query, so it can never fire", "name the queries it is for")
        return
    if empty:
        problem = f"is for {_named(empty)}, which has no letters or digits and is never found in a query"
        yield Finding(rule.name, "warning", problem, "write words, or leave it out")
    refused = [text for text in said if rules.refusals.owners(readings(text))]
    if refused:
        never = len(refused) == len(said)
        problem = f"is for {_named(refused)}, which the safety list refuses{', so it can never fire' if never else ''}"
        yield Finding(rule.name, "error" if never else "warning", problem, "leave the query out here")


def _actions(rule: Rule) -> Iterator[Finding]:
    if rule.does_nothing:
        fix = "give it a pin, boost, bury, filter, redirect, synonyms or block, or delete it"
        yield Finding(rule.name, "error", "does nothing", fix)
    for product_id, times in Counter(pin.product_id for pin in rule.pins).items():
        if times > 1:
            problem = f"pins {product_id!r} {times} times; the first counts"
            yield Finding(rule.name, "error", problem, "leave the others out")
    for place, times in Counter(pin.place for pin in rule.pins).items():
        if times > 1:
            problem = f"pins {times} products to place {place}; all but the first go below it"
            yield Finding(rule.name, "error", problem, "give each a place of its own")
    for product_id in dict.fromkeys(pin.product_id for pin in rule.pins if pin.product_id in rule.blocked):
        problem = f"pins {product_id!r} and blocks it; it is not shown"
        yield Finding(rule.name, "error", problem, "leave out one of the two")
    if rule.boost is not None and rule.bury is not None and rule.boost.filter == rule.bury.filter:
        problem = "boosts and buries the same products"
        yield Finding(rule.name, "error", problem, "leave out one of the two")


def _pins(rule: Rule, facts: Facts) -> Iterator[Finding]:
    pinned = list(dict.fromkeys(pin.product_id for pin in rule.pins))
    unknown = [one for one in pinned if facts.product(one) is None]
    if unknown:
        severity: Severity = "error" if len(unknown) == len(pinned) else "warning"
        problem = f"pins {_named(unknown)}, which the catalogue does not have"
        yield Finding(rule.name, severity, problem, "correct the id, or leave it out")
    there = [product for one in pinned if (product := facts.product(one)) is not None]
    forbidden = [product.id for product in there if facts.forbidden(product)]
    if forbidden:
        problem = f"pins {_named(forbidden)}, which the safety list forbids; it is not shown"
        yield Finding(rule.name, "error", problem, "leave it out")
    if rule.filter is not None:
        outside = [product.id for product in there if not matches(rule.filter, product)]
        if outside:
            problem = f"pins {_named(outside)}, which its own filter keeps out; it is not shown"
            yield Finding(rule.name, "error", problem, "widen the filter, or leave the pin out")
    unknown = [one for one in dict.fromkeys(rule.blocked) if facts.product(one) is None]
    if unknown:
        problem = f"blocks {_named(unknown)}, which the catalogue does not have"
        yield Finding(rule.name, "warning", problem, "correct the id, or leave it out")


def _filters(rule: Rule, facts: Facts) -> Iterator[Finding]:
    changes: tuple[tuple[str, Change | None], ...] = (("boost", rule.boost), ("bury", rule.bury))
    for setting, change in changes:
        if change is not None:
            yield from _filter(rule.name, setting, change.filter, facts, "warning")
    if rule.filter is not None:
        yield from _filter(rule.name, "filter", rule.filter, facts, "error")


def _filter(name: str, setting: str, filter: Filter, facts: Facts, severity: Severity) -> Iterator[Finding]:
    """Args: severity: How bad it is to match nothing: a boost idles until products come, a filter empties the page."""
    found = facts.count(filter)
    if isinstance(found, FilterError):
        yield Finding(name, "error", f"{setting}: {found.received}, so it can never match", _fix(found))
    elif not found:
        fix = "correct the filter, or leave it out"
        yield Finding(name, severity, f"{setting}: matches no product of the catalogue", fix)
    elif not facts.count_allowed(filter):
        fix = "correct the filter, or leave it out"
        yield Finding(name, severity, f"{setting}: matches only products that the safety list forbids", fix)


def _safety(safety: Safety, facts: Facts) -> Iterator[Finding]:
    unknown = [one for one in dict.fromkeys(safety.products) if facts.product(one) is None]
    if unknown:
        problem = f"forbids {_named(unknown)}, which the catalogue does not have"
        yield Finding(SAFETY, "warning", problem, "correct the id, unless the product may come (again)")
    if safety.filter is not None:
        found = facts.count(safety.filter)
        if isinstance(found, FilterError):
            yield Finding(SAFETY, "error", f"filter: {found.received}, so it forbids nothing", _fix(found))
        elif not found:
            problem = "filter: matches no product of the catalogue, so it forbids nothing now"
            yield Finding(SAFETY, "warning", problem, "correct the filter, unless such products may come")


def _fix(error: FilterError) -> str:
    """What to do about a filter that the catalogue refuses, in one line."""
    allowed = f" ({error.allowed})" if error.allowed else ""
    return f"{error.fix or 'correct the filter'}{allowed}"


def _named(texts: list[str], most: int = 5) -> str:
    """Texts in quotes, the first few of many."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(map(repr, texts[:most])) + more
