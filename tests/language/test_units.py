"""Each unit rule against written-out expectations, and the words that only look like units."""

from __future__ import annotations

import pytest

from aisle.language.units import unify_units


@pytest.mark.parametrize(
    "text",
    [
        '10"',
        "10 in",
        "10in",
        "10-in",
        "10-inch",
        "10 inches",
        "10Inch",
        '10 "',
        "10''",
        "10”",
        "10英寸",
        "10 寸",
        "10 in.",
    ],
)
def test_inches_have_one_form(text: str) -> None:
    assert unify_units(text).rstrip(".") == "10 inch"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Laptop 43.2 cm (17") black', "Laptop 43.2 cm (17 inch) black"),
        ("5' 10\"", "5 ft 10 inch"),
        ("6' cable", "6 ft cable"),
        ("60 in x 100 ft", "60 inch x 100 ft"),
        ("10 in monitor arm", "10 inch monitor arm"),
        ('10" x 12"', "10 inch x 12 inch"),
        ("1/4in jack", "1/4 inch jack"),
        ("1,000mAh", "1000 mAh"),
        ("3,5 mm", "3.5 mm"),
        ("2x4GB 2.4GHz/5GHz", "2x4 GB 2.4 GHz/5 GHz"),
        ("1TB 500 gb 16 mb", "1 TB 500 GB 16 MB"),
        ("10Gb Ethernet", "10 Gb Ethernet"),
        ("5 kgs 3 pounds 2 ounces 750 grams", "5 kg 3 lb 2 oz 750 g"),
        ("12-megapixel", "12 MP"),
        ("1200万像素", "12 MP"),
        ("5升 电饭煲 750瓦", "5 L 电饭煲 750 W"),
        ("60w bulb 12v", "60 W bulb 12 V"),
        ("10,000 pages", "10000 pages"),
        ("30fps 300 DPI 60hz", "30 fps 300 dpi 60 Hz"),
        ("10MB/s 54 Mbit/s", "10 MB/s 54 Mbps"),
    ],
)
def test_units(text: str, expected: str) -> None:
    assert unify_units(text) == expected
    assert unify_units(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "LC51C", "10W-40", "4G", "2in1", "3 in 1", "3-in-1", "all-in-one 2 in one", "size 10 in black", "5W30",
        "5g phone",
        'the "best" case', 'the "size 10" case', 'model 10 "gold"', "60's", "AT-12V", "5M", "3-V", "M8x10",
        "$10 in total",
        "100,200,300", "1.2.3 mm", "3升级版", "2克拉", "Windows 10", "B 5 m2", "10 lbX", "the '90s 5",
    ],
)  # fmt: skip
def test_what_is_no_unit_stays(text: str) -> None:
    assert unify_units(text) == text
