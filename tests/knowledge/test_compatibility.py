"""What a small shop knows of devices, worked out by hand from its attributes."""

import dataclasses

import pytest

from aisle.errors import ArtifactError
from aisle.knowledge.compatibility import Compatibility, Device
from aisle.knowledge.learning import PRIOR, PRIOR_PRODUCTS, words_of
from aisle.types import Product
from tests.knowledge.shop import SHOP, ink


@pytest.fixture(scope="module")
def shop() -> Compatibility:
    return Compatibility.learn(iter(SHOP))


def fitting(shop: Compatibility, code: str, *words: str) -> dict[str, str]:
    device = shop.device(code, words)
    return {fit.product_id: fit.rule or fit.level for fit in shop.fitting(device)} if device else {}


def test_stated_and_inferred(shop):
    assert fitting(shop, "mfc240c") == {"cyan": "stated", "magenta": "stated", "yellow": "stem", "blister": "base"}
    assert fitting(shop, "mfc235c") == {"other": "stated"}
    assert fitting(shop, "xyz99") == {}


def test_a_fit_says_where_it_is_from(shop):
    device = Device("mfc240c")
    stated, inferred = shop.fits("cyan", device), shop.fits("yellow", device)
    assert (stated.level, stated.certainty, stated.field, stated.text) == (
        "stated",
        1.0,
        "attributes.compatibility",
        "MFC-240C",
    )
    assert (inferred.level, inferred.via, inferred.text) == ("inferred", "cyan", "MFC-240C")
    assert stated.told() == 'stated in attributes.compatibility: "MFC-240C"'
    assert inferred.told() == (
        f'inferred (stem, certainty {inferred.certainty:.2f}) from attributes.compatibility: "MFC-240C" of cyan'
    )
    assert shop.fits("other", device) is None
    assert shop.fits("no such product", device) is None


def test_certainty_is_measured_on_the_shop_itself(shop):
    # By stem, cyan and magenta (LC1000) say the same of each other: two of two right, and the prior.
    right = (2 + PRIOR * PRIOR_PRODUCTS) / (2 + PRIOR_PRODUCTS)
    assert shop.tables.certainties["stem"] == pytest.approx(right, abs=1e-4)
    assert shop.tables.certainties["family"] == pytest.approx(PRIOR)  # none seen
    assert shop.fits("yellow", Device("mfc240c")).certainty == pytest.approx(right, abs=1e-4)


def test_a_rule_that_is_mostly_wrong_is_not_used():
    pairs = [
        ink(f"{number}{letter}", f"Brother AB{number}{letter} ink {colour}", f"DCP-{number}{place}C")
        for number in range(100, 120)
        for place, (letter, colour) in enumerate((("C", "Cyan"), ("M", "Magenta")))
    ]
    silent = ink("silent", "Brother AB105Y ink Yellow")
    shop = Compatibility.learn([*pairs, silent])
    assert shop.tables.certainties["stem"] < 0.5  # cyan and magenta of a number are for different printers
    assert shop.fits("silent", Device("dcp1050c")) is None


def test_who_lists_devices_is_for_no_others():
    # The blister's own list is trusted before its siblings'.
    lists = [dataclasses.replace(p, attributes={"compatibility": "DCP-130C"}) if p.id == "blister" else p for p in SHOP]
    shop = Compatibility.learn(lists)
    assert "blister" not in fitting(shop, "mfc240c")
    assert fitting(shop, "dcp130c")["blister"] == "stated"
    assert shop.states("blister")
    assert not shop.states("yellow")


def test_half_of_the_siblings_must_say_so():
    names = ("C", "Cyan"), ("M", "Magenta"), ("K", "Black")
    lists = ["MFC-240C, MFC-300C", "MFC-240C", "MFC-240C"]
    shop = Compatibility.learn(
        [
            *(
                ink(letter, f"Brother AB500{letter} ink {name}", said)
                for (letter, name), said in zip(names, lists, strict=True)
            ),
            ink("Y", "Brother AB500Y ink Yellow"),
        ]
    )
    assert "Y" in fitting(shop, "mfc240c")
    assert "Y" not in fitting(shop, "mfc300c")  # one of three says so


def test_a_number_needs_its_series_or_brand(shop):
    assert fitting(shop, "1010") == {}
    assert fitting(shop, "1010", "laserjet", "hp") == {"black": "stated"}
    assert fitting(shop, "1010", "deskjet") == {"desk": "stated"}
    assert fitting(shop, "1010", "hp") == {"black": "stated", "desk": "stated"}
    assert fitting(shop, "1010", "oak", "pro") == {}


def test_series_and_variants(shop):
    assert fitting(shop, "c524") == {"series": "series"}
    assert fitting(shop, "mfc240cn") == {
        "cyan": "variant",
        "magenta": "variant",
        "yellow": "stem",
        "blister": "base",
    }
    assert shop.fits("cyan", Device("mfc240cn")).level == "inferred"


def test_a_variant_of_a_bare_number_is_not_taken():
    shop = Compatibility.learn([ink("1", "Xerox T1 toner", "Xerox 4250", brand="Xerox")])
    assert shop.device("4250dtn") is None or shop.fitting(Device("4250dtn")) == ()


def test_titles(shop):
    assert fitting(shop, "6125", "phaser") == {"title": "stated"}
    named = [*SHOP, Product("pack", "Brother ink cartridge pack MFC-240C", brand="Brother")]
    assert fitting(Compatibility.learn(named), "mfc240c")["pack"] == "named"
    assert "printer" not in fitting(Compatibility.learn(named), "mfc240c")


def test_a_code_in_many_titles_is_a_kind():
    plug = ink("plug", "Acme KX20 adapter", "AB15C, MFC-240C", brand="Acme")
    cables = [Product(f"cable{i}", f"Cable AB15C {i} m", brand="Acme") for i in range(40)]
    shop = Compatibility.learn([plug, *cables])
    assert shop.device("ab15c") is None
    assert fitting(shop, "mfc240c") == {"plug": "stated"}
    assert Compatibility.learn([plug, *cables[:5]]).device("ab15c") is not None


def test_accessories_are_told_from_devices(shop):
    assert {"ink", "cartridge"} <= shop.tables.accessories
    assert not {"chair", "brother", "laserjet", "printer", "multifunctional"} & shop.tables.accessories


def test_words():
    assert words_of("Ink MFC-ABC x12y 墨盒子 Für") == {"ink", "für", "墨盒", "盒子"}


def test_saved_and_loaded(shop, tmp_path):
    path = tmp_path / "compatibility.json"
    shop.save(path)
    assert Compatibility.load(path).tables == shop.tables
    path.write_text(path.read_text("utf-8")[:-20], "utf-8")
    with pytest.raises(ArtifactError, match="cannot read"):
        Compatibility.load(path)
    with pytest.raises(ArtifactError, match="cannot read"):
        Compatibility.load(tmp_path / "none.json")
    path.write_text('{"format": 99}', "utf-8")
    with pytest.raises(ArtifactError, match="another format"):
        Compatibility.load(path)


def test_a_shop_without_devices():
    shop = Compatibility.learn([Product("1", "Oak chair"), Product("2", "Pine table")])
    assert shop.device("mfc240c") is None
    assert shop.tables.accessories == frozenset()
    assert Compatibility.learn([]).device("1010", ["hp"]) is None
