"""Which products are the same thing in another colour or pack, and how far that is right; counted by hand."""

import pytest

from aisle.knowledge.siblings import Groups, agreement, keys, own_codes, skeleton_of, without_colour
from aisle.types import Product


def of(title: str, brand: str = "Brother", family: str = "") -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for rule, key in keys(Product("1", title, brand=brand, family=family), own_codes(title)):
        found.setdefault(rule, set()).add(key)
    return found


def test_keys_of_a_title():
    assert of("Brother LC1000M ink Magenta", family="f") == {
        "code": {"brother|lc1000m"},
        "stem": {"brother|lc1000"},
        "base": {"brother|lc1000"},
        "name": {"brother|brother lc1000 ink"},
        "number": {"brother|brother lc100_ ink"},
        "family": {"f"},
    }
    assert of("Brother chair") == {}


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        ("stem", "Brother LC1000M Magenta", "Brother LC1000Y Yellow"),
        ("base", "Brother LC-1000CBP Cyan", "Brother LC1000Y Yellow"),
        ("name", "HP 504A Original Magenta 1 pc(s)", "HP 504A Cyan 2 pc(s)"),
        ("number", "OKI 43459330 toner Magenta", "OKI 43459331 toner Cyan"),
        ("number", "Epson T602700 Black", "Epson T602100 Cyan"),
    ],
)
def test_siblings_share_a_key(rule, one, other):
    assert of(one)[rule] & of(other)[rule]
    assert not of(one, brand="Brother")[rule] & of(other, brand="Dell")[rule]


def test_a_colours_letters_go_only_where_the_title_names_it():
    assert without_colour("tk875m", "magenta toner") == "tk875"
    assert without_colour("tk875m", "toner") == "tk875m"
    assert without_colour("lc1000bkbp", "black") == "lc1000bp"
    assert without_colour("c5240ch", "cyan") == "c5240h"


def test_a_title_without_numbers_has_no_skeleton():
    assert skeleton_of("hp roller kit black") == ""
    assert skeleton_of("hp 27 2-pack black 2 pc(s)") == "hp 27"


def test_groups_are_of_two_to_sixty():
    groups = Groups()
    for place in range(61):
        groups.add(place, "code", "many")
    for place in (3, 1, 3):
        groups.add(place, "code", "two")
    groups.add(5, "code", "alone")
    assert list(groups.of("code")) == [[1, 3]]
    assert list(groups.of("family")) == []


def test_agreement_leaves_each_out_in_turn():
    groups = Groups()
    for place in (0, 1, 2, 3):
        groups.add(place, "code", "k")
    stated = {0: frozenset({"a", "b"}), 1: frozenset({"a", "b"}), 2: frozenset({"a", "c"})}
    # 0: of 1 and 2 at least half say a, b, c: two of three are its own. 1 the same. 2: a, b of 0 and 1: one of two.
    assert agreement(groups, "code", stated) == (pytest.approx((2 / 3 + 2 / 3 + 1 / 2) / 3), 3)
    assert agreement(groups, "code", {0: frozenset({"a"})}) == (0.0, 0)
    # What one of three siblings says is not guessed: of 0 only "a" is, of 3 only "a" too, which is all it says.
    stated = dict.fromkeys((0, 1, 2), frozenset({"a"})) | {3: frozenset({"a", "z"})}
    assert agreement(groups, "code", stated) == (1.0, 4)
