"""Which device a query asks something for, by hand."""

import pytest

from aisle.knowledge.asked import asked_devices, constraint_of, device_keys, verdict_of
from aisle.knowledge.compatibility import Compatibility
from aisle.language.lexicon import Lexicon
from aisle.ranking.identifiers import identifier_keys
from aisle.types import In
from tests.knowledge.shop import SHOP

LEXICON = Lexicon()


@pytest.fixture(scope="module")
def shop() -> Compatibility:
    return Compatibility.learn(SHOP)


@pytest.mark.parametrize(
    ("text", "code", "written"),
    [
        ("ink for MFC-240C", "mfc240c", "MFC-240C"),
        ("mfc240c ink", "mfc240c", "mfc240c"),
        ("ink mfc 240c", "mfc240c", "mfc 240c"),
        ("MFC240C 墨盒", "mfc240c", "MFC240C"),
        ("适用于 MFC-240C", "mfc240c", "MFC-240C"),
        ("MFC-240C用的", "mfc240c", "MFC-240C"),
        ("Tinte für MFC-240C", "mfc240c", "MFC-240C"),
        ("toner hp 1010", "1010", "hp 1010"),
        ("1010 toner hp", "1010", "1010"),
        ("cartridge for laserjet 1010", "1010", "laserjet 1010"),
        ("LC1000C for MFC-240C", "mfc240c", "MFC-240C"),
    ],
)
def test_a_device_that_something_is_asked_for(shop, text, code, written):
    (asked,) = asked_devices(text, shop, LEXICON)
    assert (asked.device.code, asked.text) == (code, written)


@pytest.mark.parametrize(
    "text",
    [
        "MFC-240C",
        "brother mfc-240c",
        "hp laserjet 1010",
        "LC1000C ink",
        "ink",
        "oak chair 1010",
        "cable for 42 inch monitor",
        "MFC-240C for home",
    ],
)
def test_no_device_is_asked_for(shop, text):
    assert asked_devices(text, shop, LEXICON) == ()


def test_two_devices(shop):
    assert [asked.device.code for asked in asked_devices("ink for MFC-240C or DCP-130C", shop)] == [
        "mfc240c",
        "dcp130c",
    ]


def test_for_is_surer_than_a_word_beside(shop):
    (explicit,), (implicit,) = asked_devices("ink for MFC-240C", shop), asked_devices("ink MFC-240C", shop)
    assert explicit.certainty > implicit.certainty


def test_the_own_kind_of_a_product_is_no_accessory_to_it():
    # A cartridge that others name as what they go with, asked for by its own kind and by theirs.
    pump = [SHOP[0].__class__(f"pump{i}", f"Acme pump P{i}", attributes={"compatibility": "LC1000C"}) for i in range(3)]
    shop = Compatibility.learn([*SHOP, *pump])
    assert asked_devices("ink LC1000C", shop) == ()
    assert [asked.device.code for asked in asked_devices("pump LC1000C", shop)] == ["lc1000c"]


def test_the_devices_identifiers_are_not_lifted(shop):
    for text in ("ink for MFC-240C", "ink mfc 240c", "LC1000C for MFC-240C", "ink for XYZ-9999"):
        keys = device_keys(asked_devices(text, shop))
        left = {key for key in identifier_keys(text) if key not in keys}
        assert not left & {"mfc240c", "xyz9999"}
        assert ("lc1000c" in left) == text.startswith("LC1000C")


def test_an_unknown_device_is_still_not_what_is_wanted(shop):
    (asked,) = asked_devices("ink for XYZ-9999", shop)
    assert asked.device is None
    assert asked.keys == {"xyz9999"}
    assert constraint_of(asked, shop).filter == In("id", ())


def test_verdicts(shop):
    (asked,) = asked_devices("ink for MFC-240C", shop)
    by_id = {product.id: product for product in SHOP}
    verdicts = {id: verdict_of(asked, by_id[id], shop) for id in ("cyan", "yellow", "other", "chair1", "printer")}
    assert {id: verdict.status for id, verdict in verdicts.items()} == {
        "cyan": "satisfied",
        "yellow": "satisfied",
        "other": "contradicted",
        "chair1": "unknown",
        "printer": "unknown",
    }
    assert verdicts["cyan"].found == (("attributes.compatibility", "MFC-240C"),)
    constraint = constraint_of(asked, shop)
    assert (constraint.kind, constraint.text, constraint.certainty) == ("compatible", "MFC-240C", asked.certainty)
    assert constraint.filter == In("id", ("blister", "cyan", "magenta", "yellow"))
