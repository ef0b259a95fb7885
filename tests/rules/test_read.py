"""What a file of rules may say, and what each wrong setting says."""

import json
from datetime import UTC, date, datetime

import pytest

from aisle.errors import RecipeError
from aisle.rules import Change, Pin, Rule, RuleSet, Safety, When, parse_rules, read_rules, rules_of
from aisle.types import Compare, Under

FULL = """
time_zone = "Europe/Berlin"

[[rule]]
name = "black-week-tvs"
when = { query = ["tv", "television"], match = "words" }
from = 2026-11-23
until = 2026-11-30
priority = 10
pin = ["12345", { id = "67890", place = 4 }]
boost = { filter = "brand = 'Sony'", by = 0.2 }
bury = { filter = "price < 20", by = 1 }
filter = "available = true"
redirect = "/campaign/black-week"
synonyms = ["telly, tv"]
block = ["666"]

[[rule]]
name = "no adverts"
when = { match = "any" }
block = ["7"]

[safety]
products = ["1"]
filter = "category UNDER 'Weapons'"
queries = ["pipe bomb", "炸药"]
reason = "No."
"""


def test_every_setting():
    assert parse_rules(FULL) == RuleSet(
        (
            Rule(
                name="black-week-tvs",
                when=When(("tv", "television"), "words"),
                start=date(2026, 11, 23),
                end=date(2026, 11, 30),
                priority=10,
                pins=(Pin("12345", 1), Pin("67890", 4)),
                boost=Change(Compare("brand", "=", "Sony"), 0.2),
                bury=Change(Compare("price", "<", 20.0), 1.0),
                filter=Compare("available", "=", True),
                redirect="/campaign/black-week",
                synonyms=("telly, tv",),
                blocked=("666",),
            ),
            Rule("no adverts", When((), "any"), blocked=("7",)),
        ),
        Safety(("1",), Under(("Weapons",)), ("pipe bomb", "炸药"), "No."),
        "Europe/Berlin",
    )


def test_an_empty_file_has_no_rules():
    assert parse_rules("") == RuleSet()


def test_the_same_as_plain_data_with_dates_as_text():
    import tomllib

    data = json.loads(json.dumps(tomllib.loads(FULL), default=str))
    assert data["rule"][0]["from"] == "2026-11-23"
    assert rules_of(data) == parse_rules(FULL)


def test_a_file(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("\ufeff" + FULL, encoding="utf-8")
    assert read_rules(path) == parse_rules(FULL)
    path.write_text("[[rule]\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"rules\.toml: not valid TOML"):
        read_rules(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RecipeError, match="are not UTF-8"):
        read_rules(path)
    with pytest.raises(RecipeError, match="cannot read the rules"):
        read_rules(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("by = 0.2", "by = -1", r"^x: rule 'black-week-tvs': setting 'boost\.by' .*greater than 0 \(received -1\)"),
        ("by = 0.2", "by = nan", r"'boost\.by' is wrong: .*finite"),
        ("by = 0.2", 'by = "0.2"', r"'boost\.by' is no number"),
        (
            "price < 20",
            "price < cheap",
            r"'black-week-tvs': setting 'bury\.filter': filter, column 1: .*'cheap' is not",
        ),
        ("available = true", "available = ", "setting 'filter': filter, column"),
        ('["12345"', "[12345", r"setting 'pin\.0' is no table \(received 12345\)\nallowed: ids in quotes"),
        ("place = 4", "place = 0", r"'pin\.1\.place' is wrong: .*greater than or equal to 1"),
        ("place = 4", "plaace = 4", r"'pin\.1\.plaace' does not exist .*\nallowed: id, place"),
        ('name = "black-week-tvs"\n', "", "rule number 1: setting 'name' is missing"),
        ('name = "black-week-tvs"', 'name = " "', "rule number 1: setting 'name' is empty"),
        (
            'name = "no adverts"',
            'name = "black-week-tvs"',
            "two rules have the name 'black-week-tvs', the second is nu",
        ),
        (
            "when = { match",
            "whem = { match",
            r"setting 'whem' does not exist .*\nallowed: name, when, from, until, pri",
        ),
        ('when = { match = "any" }', "", "setting 'when' is missing\nallowed: when = { query"),
        ('when = { match = "any" }', 'when = "tv"', "setting 'when' is no table"),
        ('match = "any"', 'match = "any", query = ["tv"]', "names queries and match = 'any'"),
        ('match = "words"', 'match = "regex"', r"'when\.match' is wrong: .*'exact', 'phrase', 'words' or 'any'"),
        ('match = "words"', 'mach = "words"', r"'when\.mach' does not exist .*\nallowed: query, match"),
        ('query = ["tv", "television"]', 'query = "tv"', r"'when\.query' is no list"),
        ("from = 2026-11-23", "from = 20261123", r"'from' is no date \(received 20261123\)\nallowed: a date such as"),
        ("from = 2026-11-23", 'from = "soon"', "'from' is no date"),
        ("from = 2026-11-23", "from = 2026-11-23T08:00:00", "'from' is no date"),
        ("priority = 10", "priority = true", "'priority' is no whole number"),
        ('"/campaign', '"javascript:alert(1)//', "'redirect' cannot be used .*\nallowed: a path"),
        ('"/campaign', '"//elsewhere.example', "'redirect' cannot be used"),
        ('"/campaign', '"/\\\\elsewhere.example', "'redirect' cannot be used"),
        ("telly, tv", "telly", r"rule 'black-week-tvs': setting 'synonyms\.0', line 1: 'telly' has one name"),
        ('block = ["666"]', 'block = "666"', "'block' is no list"),
        (
            '["pipe bomb"',
            '["—"',
            r"\[safety\]: setting 'queries\.0': '—' has no letters or digits, so it refuses nothing",
        ),
        ("UNDER 'Weapons'", "UNDER ''", r"\[safety\]: setting 'filter': filter, column 16: the category path is empty"),
        ("products", "product", r"\[safety\]: setting 'product' does not exist .*\nallowed: products, filter, queries"),
        ("Europe/Berlin", "Mars/Base", "setting 'time_zone': 'Mars/Base' is no time zone"),
        ("Europe/Berlin", "../etc", "setting 'time_zone': '../etc' is no time zone"),
        ('"Europe/Berlin"', "1", "setting 'time_zone': 1 is no time zone"),
        ("[safety]", "[safe]", "unknown setting 'safe'\nallowed: rule, safety, time_zone"),
    ],
)
def test_a_wrong_setting_is_named(old, new, says):
    assert old in FULL
    with pytest.raises(RecipeError, match=f"(?s){says}"):
        parse_rules(FULL.replace(old, new, 1), "x")


@pytest.mark.parametrize("data", [{"rule": {"name": "a"}}, {"rule": "a"}])
def test_one_rule_is_a_list_too(data):
    with pytest.raises(RecipeError, match="setting 'rule' is no list"):
        rules_of(data)


@pytest.mark.parametrize("rule", ["a", 3, None, ["name"]])
def test_a_rule_that_is_no_table(rule):
    with pytest.raises(RecipeError, match="rule number 1: is no table"):
        rules_of({"rule": [rule]})


@pytest.mark.parametrize(
    "address",
    ["/", "/sale?page=2#top", "https://shop.example", "http://shop.example/a", "/手机"],
)
def test_addresses_that_may_be_redirected_to(address):
    rules = rules_of({"rule": [{"name": "a", "when": {"match": "any"}, "redirect": address}]})
    assert rules.rules[0].redirect == address


def test_the_day_is_the_shops():
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert parse_rules(FULL).today(late) == date(2026, 11, 23)
    assert RuleSet().today(late) == date(2026, 11, 22)
