"""A merchant's rules (pin, boost, bury, filter, redirect, synonyms, block) and a safety list that nothing overrides.

Read from TOML, checked against a catalogue, applied to a ranking; docs/rules.md describes them. Knows rankings as lists
of (id, score, parts), no engine.
"""

from aisle.rules.active import Active, Refusal, active, expansions, forbidden_filter, retrieval_filter
from aisle.rules.apply import (
    Meets,
    apply_boosts,
    apply_pins,
    meets_in_index,
    meets_in_products,
    record,
    remove_blocked,
)
from aisle.rules.check import check
from aisle.rules.facts import Catalogue
from aisle.rules.finding import COLUMNS, Finding, finding_rows
from aisle.rules.fit import fit
from aisle.rules.read import parse_rules, read_rules, rules_of
from aisle.rules.rule import Change, Pin, Rule, RuleSet, Safety, When

__all__ = [
    "Rule", "RuleSet", "When", "Pin", "Change", "Safety",
    "read_rules", "parse_rules", "rules_of",
    "check", "fit", "Catalogue", "Finding", "finding_rows", "COLUMNS",
    "active", "Active", "Refusal", "expansions", "forbidden_filter", "retrieval_filter",
    "apply_boosts", "apply_pins", "remove_blocked", "record", "Meets", "meets_in_index", "meets_in_products",
]  # fmt: skip
