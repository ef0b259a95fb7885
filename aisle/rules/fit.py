"""Rules made ready for a catalogue whose index refuses filters on attributes that no product has.

A shop forbids ``hazardous = true`` and sells nothing hazardous today: that is no reason to fail. Such a condition is
true of no product, and that is what it is replaced by. `aisle.rules.check` says where it is a slip.
"""

from __future__ import annotations

from dataclasses import replace

from aisle.errors import FilterError
from aisle.filters import resolve
from aisle.query.constraint import fields_of
from aisle.rules.active import without
from aisle.rules.facts import Catalogue
from aisle.rules.rule import Change, Rule, RuleSet
from aisle.types import Exists, Filter


def fit(rules: RuleSet, catalogue: Catalogue) -> RuleSet:
    """The same rules, with conditions on attributes that no product has as conditions that no product meets.

    The safety list stays as it is: retrieval leaves those conditions out (``RuleSet.absent``), what is shown is judged
    by all. To be done again when the catalogue has changed: until then totals and facets may count a product that is
    forbidden by an attribute new to the catalogue.
    """
    filters = [filter for rule in rules.rules for filter in _filters(rule)]
    if rules.safety.filter is not None:
        filters.append(rules.safety.filter)
    fields = dict.fromkeys(field for filter in dict.fromkeys(filters) for field in fields_of(filter))
    absent = frozenset(field for field in fields if resolve(field)[0] and not _known(field, catalogue))
    if not absent:
        return replace(rules, absent=absent)
    return replace(rules, rules=tuple(_fitted(rule, absent) for rule in rules.rules), absent=absent)


def _filters(rule: Rule) -> list[Filter]:
    changed = [change.filter for change in (rule.boost, rule.bury) if change is not None]
    return changed if rule.filter is None else [rule.filter, *changed]


def _known(field: str, catalogue: Catalogue) -> bool:
    try:
        catalogue.count(Exists(field))
    except FilterError:
        return False
    return True


def _fitted(rule: Rule, absent: frozenset[str]) -> Rule:
    return replace(
        rule,
        filter=None if rule.filter is None else without(rule.filter, absent),
        boost=None if rule.boost is None else Change(without(rule.boost.filter, absent), rule.boost.by),
        bury=None if rule.bury is None else Change(without(rule.bury.filter, absent), rule.bury.by),
    )
