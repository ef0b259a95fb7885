"""Two rules that contradict each other: what one does, the other undoes, for the same query on the same day.

Two rules are for the same query here if a phrase of one, as a query, also fires the other ("tv" and "sony tv"; rules
for any query and all others). "tv" and "shoes" are not: a query with both is nobody's plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from aisle.filters import matches
from aisle.rules.facts import Facts
from aisle.rules.finding import Finding
from aisle.rules.phrases import Reading, readings
from aisle.rules.rule import Rule, RuleSet
from aisle.types import And


def contradictions(rules: RuleSet, today: date, facts: Facts) -> Iterator[Finding]:
    """What pairs of rules do against each other from today on, each pair once, named after the one that yields."""
    for (first, second), query in _pairs(rules).items():
        one, other = rules.rules[first], rules.rules[second]
        if not _same_day(one, other, today):
            continue
        if (-other.priority, second) < (-one.priority, first):
            one, other = other, one
        said = f"for {query!r}" if query else "for any query"
        yield from _one_pair(one, other, said, facts)


def _pairs(rules: RuleSet) -> dict[tuple[int, int], str]:
    """Pairs of places of rules for the same query, the smaller first, with such a query ("" is any)."""
    found: dict[tuple[int, int], str] = {}
    everywhere = [place for place, rule in enumerate(rules.rules) if rule.when.match == "any"]
    for place, rule in enumerate(rules.rules):
        for query in rule.when.queries:
            for other in rules.conditions.owners(readings(query)):
                if other != place:
                    found.setdefault((min(place, other), max(place, other)), query)
        if rule.when.match == "any":
            for other in everywhere:
                if other > place:
                    found.setdefault((place, other), "")
    return dict(sorted(found.items()))


def _same_day(one: Rule, other: Rule, today: date) -> bool:
    """Whether there is a day, today or later, of both."""
    start = max(day for day in (one.start, other.start, today) if day is not None)
    return one.on(start) and other.on(start)


def _one_pair(first: Rule, second: Rule, said: str, facts: Facts) -> Iterator[Finding]:
    """Args: first: Goes before the other. said: For which query they meet."""
    for pinner, blocker in ((first, second), (second, first)):
        for pin in pinner.pins:
            if pin.product_id in blocker.blocked:
                problem = f"pins {pin.product_id!r}, which rule {blocker.name!r} blocks {said}; it is not shown"
                yield Finding(pinner.name, "error", problem, "leave out one of the two")
            product = facts.product(pin.product_id) if blocker.filter is not None else None
            if product is not None and blocker.filter is not None and not matches(blocker.filter, product):
                problem = f"pins {product.id!r}, which the filter of rule {blocker.name!r} keeps out {said}"
                yield Finding(pinner.name, "error", problem, "widen that filter, or leave the pin out")
    for booster, burier in ((first, second), (second, first)):
        if booster.boost is not None and burier.bury is not None and booster.boost.filter == burier.bury.filter:
            problem = f"boosts what rule {burier.name!r} buries {said}"
            yield Finding(booster.name, "error", problem, "leave out one of the two")
    if first.priority == second.priority:
        yield from _same_places(first, second, said)
    yield from _redirects(first, second, said)
    yield from _filters(first, second, said, facts)
    if _again(first, second):
        problem = f"does {said} what rule {first.name!r} does already"
        yield Finding(second.name, "warning", problem, "delete one of the two")


def _same_places(first: Rule, second: Rule, said: str) -> Iterator[Finding]:
    places = {pin.place: pin.product_id for pin in reversed(first.pins)}
    for pin in second.pins:
        if places.get(pin.place, pin.product_id) != pin.product_id:
            problem = (
                f"pins {pin.product_id!r} to place {pin.place}, where rule {first.name!r} has {places[pin.place]!r} "
                f"{said}; it goes below"
            )
            yield Finding(second.name, "warning", problem, "give one a higher priority, or another place")


def _redirects(first: Rule, second: Rule, said: str) -> Iterator[Finding]:
    if not (first.redirect and second.redirect) or first.redirect == second.redirect:
        return
    if first.priority == second.priority:
        problem = f"redirects to {second.redirect}, rule {first.name!r} to {first.redirect} {said}; that one goes first"
        yield Finding(second.name, "error", problem, "give one a higher priority, or leave out one of the two")
    elif _covers(first, second):
        problem = f"redirects to {second.redirect}, but rule {first.name!r} of a higher priority always goes first"
        yield Finding(second.name, "error", problem, "leave out one of the two")


def _filters(first: Rule, second: Rule, said: str, facts: Facts) -> Iterator[Finding]:
    if first.filter is None or second.filter is None:
        return
    alone = (facts.count(first.filter), facts.count(second.filter))
    if all(isinstance(count, int) and count for count in alone) and not facts.count(And((first.filter, second.filter))):
        problem = f"lets no product through {said} together with the filter of rule {first.name!r}"
        yield Finding(second.name, "error", problem, "widen one of the filters")


def _covers(first: Rule, second: Rule) -> bool:
    """Whether the first is for every query and day that the second is for; only plain cases are seen."""
    start = first.start is None or (second.start is not None and first.start <= second.start)
    end = first.end is None or (second.end is not None and second.end <= first.end)
    same = first.when.match == "any" or (first.when.match == second.when.match and _said(first) >= _said(second))
    return start and end and same


def _said(rule: Rule) -> set[Reading]:
    return {reading for text in rule.when.queries for reading in readings(text)[:1]}


def _again(first: Rule, second: Rule) -> bool:
    """Whether the second does nothing that the first does not, for nothing but the first's queries."""
    return not second.does_nothing and _done(first) == _done(second) and _covers(first, second)


def _done(rule: Rule) -> tuple[object, ...]:
    return (rule.pins, rule.boost, rule.bury, rule.filter, rule.redirect, rule.synonyms, rule.blocked)
