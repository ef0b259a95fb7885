"""Which attributes list devices, and what running text says after "for"."""

import pytest

from aisle.knowledge.statements import Statements, after_lead_in
from aisle.types import Product


def found(products) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    statements = Statements()
    for product in products:
        statements.add(product)
    stated, attributes = statements.found()
    return {s.product_id: [mention.code for mention in s.mentions] for s in stated}, attributes


@pytest.mark.parametrize("name", ["compatibility", "Kompatibel mit", "适用机型", "対応機種", "passend_für"])
def test_an_attribute_is_known_by_its_name_in_several_languages(name):
    stated, attributes = found([Product("1", "Ink", attributes={name: "MFC-240C"})])
    assert stated == {"1": ["mfc240c"]}
    assert attributes == (name,)


@pytest.mark.parametrize("name", ["compatible_operating_systems", "electromagnetic_compatibility", "key_benefits"])
def test_other_names_are_not(name):
    assert found([Product("1", "Ink", attributes={name: "EN55022, Windows 2000"})]) == ({}, ())


def test_an_attribute_whose_values_seldom_name_devices_is_left_out():
    devices = [Product("1", "Ink", attributes={"compatibility": "MFC-240C"})]
    words = [Product(str(i), "Ink", attributes={"compatibility": "all of them"}) for i in range(2, 6)]
    assert found(devices + words[:2])[1] == ("compatibility",)  # 1 of 3
    assert found(devices + words)[1] == ()  # 1 of 5


def test_any_attribute_full_of_other_products_codes_is_found():
    printers = [Product(f"p{i}", f"Acme AB{100 + i}Z printer") for i in range(30)]
    lists = [
        Product(f"i{i}", "Acme ink", attributes={"goes in": ", ".join(f"AB{100 + 5 * i + j}Z" for j in range(5))})
        for i in range(6)
    ]
    stated, attributes = found(printers + lists)
    assert attributes == ("goes in",)
    assert stated["i1"] == ["ab105z", "ab106z", "ab107z", "ab108z", "ab109z"]
    assert found(lists) == ({}, ())  # codes, but nobody's: standards, say
    told = {p.id: str(p.attributes["goes in"]).replace(",", " and so it is with my") for p in lists}
    prose = [Product(p.id, p.title, attributes={"goes in": told[p.id]}) for p in lists]
    assert found(printers + prose) == ({}, ())


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Toner for Phaser 6125, 6128", ["6125", "6128"]),
        ("Black toner. Compatible with HP LaserJet P2035, LaserJet P2055", ["p2035", "p2055"]),
        ("Tinte für MFC-240C", ["mfc240c"]),
        ("墨盒 适用于MFC-240C", ["mfc240c"]),
        ("Cable for 42 inch monitors", []),
        ("Puzzle for ages 10 to 99", []),
        ("Backup battery for select systems (BP24V15RT2U)", []),
        ("Fax over IP kit", []),
    ],
)
def test_after_for(text, codes):
    assert [mention.code for mention in after_lead_in(text)] == codes


def test_a_products_own_number_is_not_what_it_is_for():
    assert found([Product("1", "Cable for PEX4S952", identifiers=("PEX4S952",))]) == ({}, ())
