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
        ("hp 51645AE", "51645ae"),
        ("12345", "12345"),
        ("Cat6, 10ft", "cat610ft"),  # the whole query may be a model's name
        ("dv7-1211ea", "dv71211ea"),
        ("华为 P40Pro", "p40pro"),
    ],
)
def test_an_identifier_is_found_in_the_query(query, key):
    assert key in identifier_keys(query)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "headphones",
        "usb hub",
        "😀",
        "10",
        "a 1",
        "!!! ???",
        "365",
        "1080",
        "2060",
        "10 ft",
        "2GB",
        "cat5e",
        "1080p",
        "ddr4",
        "usb 3.0",
        "10000mAh",
    ],
)
def test_words_are_no_identifiers(query):
    assert identifier_keys(query) == ()


def test_a_very_long_query_gives_few_keys():
    assert len(identifier_keys("lc51c " * 5000)) <= 100


@pytest.mark.parametrize(
    "query",
    ["10 ft hdmi cable", "cat6 3m cable", "14ft ethernet cable", "256MB memory card", "laptop 16 gb ddr4", "aa 4 pack"],
)
def test_measures_and_kinds_in_a_query_are_no_identifiers(query):
    whole = "".join(c for c in query.casefold() if c.isalnum())
    assert set(identifier_keys(query)) <= {whole}
