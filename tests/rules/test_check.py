"""Rules that can never fire and rules that contradict each other, one at a time, over real products in an index."""

from datetime import date

import pytest

from aisle.config import IndexSettings
from aisle.indexes.lance import LanceIndex
from aisle.rules import COLUMNS, RuleSet, check, finding_rows, parse_rules
from aisle.types import Product, Record

TODAY = date(2026, 11, 25)
PRODUCTS = [
    Product("1", "Bravia TV", brand="Sony", price=500.0, attributes={"colour": "black"}),
    Product("2", "OLED TV", brand="LG", price=900.0),
    Product("3", "Water pistol", brand="Acme", price=5.0, category=("Toys", "Weapons")),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    index = LanceIndex.create(tmp_path_factory.mktemp("check") / "index", IndexSettings(), {})
    index.upsert([Record(product, "", {}) for product in PRODUCTS])
    yield index
    index.close()


def findings(index, text):
    return [(one.rule, one.severity, one.problem) for one in check(parse_rules(text), TODAY, index)]


def rule(settings, name="a", when='{ query = ["tv"] }'):
    return f'[[rule]]\nname = "{name}"\nwhen = {when}\n{settings}\n'


SAFETY = '[safety]\nproducts = ["2"]\nfilter = "category UNDER \'Toys > Weapons\'"\nqueries = ["pipe bomb"]\n'

GOOD = (
    rule('pin = ["1"]\nboost = { filter = "brand = Sony", by = 0.1 }\nfrom = 2026-11-25\nuntil = 2026-11-25')
    + rule('block = ["3"]\nfilter = "price > 100"', "b", '{ query = ["sony tv"], match = "phrase" }')
    + rule('redirect = "/home"\nsynonyms = ["telly, tv"]', "c", '{ match = "any" }')
    + '[safety]\nfilter = "category UNDER \'Toys\'"\nqueries = ["pipe bomb"]'
)


def test_good_rules_have_no_findings(index):
    assert findings(index, GOOD) == []
    assert check(RuleSet(), TODAY, index) == ()


@pytest.mark.parametrize(
    ("text", "severity", "problem"),
    [
        (rule('redirect = "/"\nfrom = 2026-11-30\nuntil = 2026-11-01'), "error",
         "ends on 2026-11-01, before it begins on 2026-11-30, so it can never fire"),
        (rule('redirect = "/"\nuntil = 2026-11-24'), "warning", "was over on 2026-11-24, so it can never fire again"),
        (rule('redirect = "/"', when="{ query = [] }"), "error", "names no query, so it can never fire"),
        (rule('redirect = "/"', when='{ query = ["!"] }'), "error", "names no query, so it can never fire"),
        (rule('redirect = "/"', when='{ query = ["!", "tv"] }'), "warning",
         "is for '!', which has no letters or digits and is never found in a query"),
        (rule(""), "error", "does nothing"),
        (rule('redirect = "/"', when='{ query = ["pipe bombs"] }') + "[safety]\nqueries = ['bomb']", "error",
         "is for 'pipe bombs', which the safety list refuses, so it can never fire"),
        (rule('redirect = "/"', when='{ query = ["bomb", "tv"] }') + "[safety]\nqueries = ['bomb']", "warning",
         "is for 'bomb', which the safety list refuses"),
        (rule('pin = ["9"]'), "error", "pins '9', which the catalogue does not have"),
        (rule('pin = ["9", "1"]'), "warning", "pins '9', which the catalogue does not have"),
        (rule('block = ["9", "8"]'), "warning", "blocks '9', '8', which the catalogue does not have"),
        (rule('pin = ["1", "1"]'), "error", "pins '1' 2 times; the first counts"),
        (rule('pin = ["1", { id = "3", place = 1 }]'), "error",
         "pins 2 products to place 1; all but the first go below it"),
        (rule('pin = ["1"]\nblock = ["1"]'), "error", "pins '1' and blocks it; it is not shown"),
        (rule('pin = ["1"]\nfilter = "price > 600"'), "error",
         "pins '1', which its own filter keeps out; it is not shown"),
        (rule('filter = "price > 1000"'), "error", "filter: matches no product of the catalogue"),
        (rule('boost = { filter = "brand = Philips", by = 1 }'), "warning",
         "boost: matches no product of the catalogue"),
        (rule('bury = { filter = "color = black", by = 1 }'), "error",
         "bury: no product has an attribute 'color', so it can never match"),
        (rule('boost = { filter = "price < 10", by = 1 }') + "[safety]\nfilter = 'brand = Acme'", "warning",
         "boost: matches only products that the safety list forbids"),
        (rule('boost = { filter = "*", by = 1 }\nbury = { filter = "*", by = 1 }'), "error",
         "boosts and buries the same products"),
        (rule('pin = ["3"]') + "[safety]\nfilter = 'brand = Acme'", "error",
         "pins '3', which the safety list forbids; it is not shown"),
        (rule('pin = ["2"]') + '[safety]\nproducts = ["2"]', "error",
         "pins '2', which the safety list forbids; it is not shown"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_rule(index, text, severity, problem):
    assert findings(index, text) == [("a", severity, problem)]


@pytest.mark.parametrize(
    ("text", "severity", "problem"),
    [
        ('[safety]\nproducts = ["9"]', "warning", "forbids '9', which the catalogue does not have"),
        ("[safety]\nfilter = 'brand = Colt'", "warning",
         "filter: matches no product of the catalogue, so it forbids nothing now"),
        ("[safety]\nfilter = 'color = x'", "error",
         "filter: no product has an attribute 'color', so it forbids nothing"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_safety_list(index, text, severity, problem):
    assert findings(index, text) == [("[safety]", severity, problem)]


SONY_TV = '{ query = ["sony tv"] }'


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ('pin = ["1"]', 'block = ["1"]',
         ("a", "error", "pins '1', which rule 'b' blocks for 'sony tv'; it is not shown")),
        ('block = ["1"]\npriority = -5', 'pin = ["1"]',
         ("b", "error", "pins '1', which rule 'a' blocks for 'sony tv'; it is not shown")),
        ('pin = ["1"]', 'filter = "price > 600"',
         ("a", "error", "pins '1', which the filter of rule 'b' keeps out for 'sony tv'")),
        ('boost = { filter = "brand = Sony", by = 1 }', "bury = { filter = \"brand = 'Sony'\", by = 0.1 }",
         ("a", "error", "boosts what rule 'b' buries for 'sony tv'")),
        ('pin = ["1"]', 'pin = ["2"]',
         ("b", "warning", "pins '2' to place 1, where rule 'a' has '1' for 'sony tv'; it goes below")),
        ('redirect = "/x"', 'redirect = "/y"',
         ("b", "error", "redirects to /y, rule 'a' to /x for 'sony tv'; that one goes first")),
        ('filter = "price > 600"', 'filter = "brand = Sony"',
         ("b", "error", "lets no product through for 'sony tv' together with the filter of rule 'a'")),
    ],
)  # fmt: skip
def test_two_rules_against_each_other(index, first, second, found):
    assert findings(index, rule(first) + rule(second, "b", SONY_TV)) == [found]
    same_day = "\nfrom = 2026-11-01\nuntil = 2026-11-30"
    assert findings(index, rule(first + same_day) + rule(second + same_day, "b", SONY_TV)) == [found]


@pytest.mark.parametrize("when", ['{ query = ["shoes"] }', '{ query = ["sony"], match = "exact" }'])
def test_rules_for_other_queries_do_not_contradict(index, when):
    assert findings(index, rule('pin = ["1"]') + rule('block = ["1"]', "b", when)) == []


def test_rules_on_other_days_do_not_contradict(index):
    pin = rule('pin = ["1"]\nuntil = 2026-11-27')
    assert findings(index, pin + rule('block = ["1"]\nfrom = 2026-11-28', "b")) == []
    assert len(findings(index, pin + rule('block = ["1"]\nfrom = 2026-11-27', "b"))) == 1
    over = rule('pin = ["1"]\nuntil = 2026-11-24') + rule('block = ["1"]\nuntil = 2026-11-30', "b")
    assert findings(index, over) == [("a", "warning", "was over on 2026-11-24, so it can never fire again")]


def test_a_priority_settles_who_is_first(index):
    for settings in ('pin = ["{}"]', 'redirect = "/{}"'):
        text = rule(settings.format(1)) + rule(settings.format(2) + "\npriority = 1", "b", SONY_TV)
        assert findings(index, text) == []


def test_a_redirect_behind_another_for_every_query(index):
    text = rule('redirect = "/x"') + rule('redirect = "/y"\npriority = 1', "b", '{ match = "any" }')
    assert findings(index, text) == [
        ("a", "error", "redirects to /x, but rule 'b' of a higher priority always goes first")
    ]


def test_any_query_meets_every_rule(index):
    text = rule('pin = ["1"]', when='{ match = "any" }') + rule('block = ["1"]', "b", '{ match = "any" }')
    assert findings(index, text) == [("a", "error", "pins '1', which rule 'b' blocks for any query; it is not shown")]


def test_the_same_again(index):
    boost = 'boost = { filter = "brand = Sony", by = 0.1 }'
    again = ("b", "warning", "does for 'tvs' what rule 'a' does already")
    text = rule(boost, when='{ query = ["radio", "tvs"] }') + rule(boost, "b", '{ query = ["TVs"] }')
    assert findings(index, text) == [again]
    assert findings(index, text.replace('"TVs"]', '"TVs", "phone"]')) == []
    assert findings(index, text.replace("by = 0.1", "by = 0.2", 1)) == []


def test_findings_are_in_the_order_of_the_rules_and_say_what_to_do(index):
    text = rule("", "z") + rule('pin = ["9"]', "y") + '[safety]\nproducts = ["8"]'
    found = check(parse_rules(text), TODAY, index)
    assert [one.rule for one in found] == ["[safety]", "z", "y"]
    assert all(one.fix for one in found)
    rows = finding_rows(found)
    assert rows[1] == [
        "z", "error", "does nothing", "give it a pin, boost, bury, filter, redirect, synonyms or block, or delete it",
    ]  # fmt: skip
    assert {len(row) for row in rows} == {len(COLUMNS)}
