"""What the rules say to one query on one day."""

from datetime import date

import pytest

from aisle.language.normalise import normalise
from aisle.rules import (
    Active,
    Change,
    Pin,
    Refusal,
    Rule,
    RuleSet,
    Safety,
    When,
    active,
    expansions,
    forbidden_filter,
    parse_rules,
    retrieval_filter,
)
from aisle.types import And, Compare, Exists, In, Not, Or, Under

DAY = date(2026, 11, 25)
SONY, CHEAP = Compare("brand", "=", "Sony"), Compare("price", "<", 20.0)
RULES = parse_rules("""
[[rule]]
name = "tvs"
when = { query = ["tv", "television"] }
pin = ["a", "b"]
filter = "available = true"
synonyms = ["telly, television"]

[[rule]]
name = "campaign"
when = { query = ["sony tv"], match = "phrase" }
from = 2026-11-23
until = 2026-11-30
priority = 10
pin = [{ id = "c", place = 2 }]
boost = { filter = "brand = Sony", by = 0.2 }
bury = { filter = "price < 20", by = 0.3 }
redirect = "/sony"
synonyms = ["# nothing yet", "box => set-top box"]

[[rule]]
name = "everywhere"
when = { match = "any" }
block = ["666", "667"]
redirect = "/home"

[safety]
queries = ["pipe bomb", "炸药"]
""")


def names(query, day=DAY, understood=""):
    return [rule.name for rule in active(RULES, query, day, understood).rules]


@pytest.mark.parametrize(
    ("query", "day", "fire"),
    [
        ("TV", DAY, ["tvs", "everywhere"]),
        ("a sony tv", DAY, ["campaign", "tvs", "everywhere"]),
        ("a sony tv", date(2026, 11, 22), ["tvs", "everywhere"]),
        ("a sony tv", date(2026, 11, 23), ["campaign", "tvs", "everywhere"]),
        ("a sony tv", date(2026, 11, 30), ["campaign", "tvs", "everywhere"]),
        ("a sony tv", date(2026, 12, 1), ["tvs", "everywhere"]),
        ("tv sony", DAY, ["tvs", "everywhere"]),
        ("radio", DAY, ["everywhere"]),
        ("", DAY, ["everywhere"]),
    ],
)
def test_which_rules_are_for_a_query_and_in_which_order(query, day, fire):
    assert names(query, day) == fire


def test_what_they_say_together():
    found = active(RULES, "sony tv", DAY)
    assert found.redirect == "/sony"
    assert found.filter == And((Compare("available", "=", True),))
    assert [(rule.name, pin) for rule, pin in found.pins] == [
        ("campaign", Pin("c", 2)),
        ("tvs", Pin("a", 1)),
        ("tvs", Pin("b", 2)),
    ]
    assert [(rule.name, change) for rule, change in found.boosts] == [
        ("campaign", Change(SONY, 0.2)),
        ("campaign", Change(CHEAP, -0.3)),
    ]
    assert found.blocked == {"666", "667"}
    assert found.refused is None
    assert (active(RULES, "radio", DAY).redirect, active(RuleSet(), "radio", DAY)) == ("/home", Active())


def test_of_one_priority_the_earlier_goes_first():
    rules = RuleSet(tuple(Rule(name, When((), "any"), priority=p) for name, p in [("a", 0), ("b", -1), ("c", 0)]))
    assert [rule.name for rule in active(rules, "x", DAY).rules] == ["a", "c", "b"]


def test_a_corrected_query_fires_rules_and_refusals_too():
    assert names("televison", understood="television") == ["tvs", "everywhere"]
    assert active(RULES, "zhayao", DAY, "炸药").refused is not None


@pytest.mark.parametrize(
    "query",
    [
        "pipe bomb", "PIPE BOMBS", "bomb for a pipe", "pipe-bomb", "pipebomb", "p.i.p.e b.o.m.b", "p i p e b o m b",
        "ｐｉｐｅ　ｂｏｍｂ", "pi\u200bpe bo\u00admb", "炸药", "炸藥", "买 炸 藥", "我要炸药包",
    ],
)  # fmt: skip
def test_a_refused_query_gets_nothing_however_it_is_written(query):
    found = active(RULES, query, DAY)
    assert found.refused is not None
    assert found.refused.reason == "This shop does not answer this search."
    assert (found.rules, found.redirect, found.blocked) == ((), None, frozenset())


@pytest.mark.parametrize("query", ["bath bomb", "pipe", "bombay pipes", "火药", "", "sony tv"])
def test_other_queries_are_answered(query):
    assert active(RULES, query, DAY).refused is None


def test_a_refusal_names_the_phrase():
    assert active(RULES, "炸藥", DAY).refused == Refusal("This shop does not answer this search.", "炸药")


def test_other_names():
    found = expansions(active(RULES, "sony tv, television box", DAY), normalise("sony tv, television box"))
    assert {(one.because, one.name) for one in found} == {("television", "telly"), ("box", "set-top box")}
    assert expansions(active(RULES, "television", DAY), "a radio") == ()
    assert expansions(active(RULES, "radio", DAY), "radio") == ()


def test_filters_for_retrieval():
    safe = Safety(("1",), Under(("Weapons",)))
    assert forbidden_filter(safe) == Or((In("id", ("1",)), Under(("Weapons",))))
    assert forbidden_filter(Safety()) == Or(())
    assert retrieval_filter(SONY, Active()) == SONY
    assert retrieval_filter(None, Active()) is None
    rule = Rule("r", When((), "any"), filter=Exists("price"), blocked=("9", "8"))
    got = retrieval_filter(And((SONY, CHEAP)), Active((rule,), safe))
    nothing = (In("id", ()), In("title", ()))
    out = (Not(Exists("price")), In("id", ("8", "9")), forbidden_filter(safe))
    assert got == And((SONY, CHEAP, Not(Or((*nothing, *out)))))
