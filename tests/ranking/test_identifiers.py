import pytest

from aisle.ranking.identifiers import identifier_keys


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("LC51C", "lc51c"),
        ("brother lc-51c ink", "lc51c"),
        ("LC 51C cartridge", "lc51c"),
        ("0884420588030", "0884420588030"),
        ("884420588030", "0884420588030"),  # UPC of an EAN
        ("006R90321", "006r90321"),
        ("dv7-1211ea", "dv71211ea"),
        ("华为 P40Pro", "p40pro"),
    ],
)
def test_an_identifier_is_found_in_the_query(query, key):
    assert key in identifier_keys(query)


@pytest.mark.parametrize("query", ["", "   ", "headphones", "usb hub", "😀", "10", "a 1", "!!! ???"])
def test_words_are_no_identifiers(query):
    assert identifier_keys(query) == ()


def test_a_very_long_query_gives_few_keys():
    assert len(identifier_keys("lc51c " * 5000)) <= 100
