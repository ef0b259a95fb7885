"""A small shop written by hand, and the first real rows of the Icecat sample."""

import gzip
import json
from itertools import islice
from pathlib import Path

from aisle.types import Product

SAMPLE = Path(__file__).parent.parent.parent / "samples" / "icecat" / "products.jsonl.gz"


def shop() -> list[Product]:
    """Sixteen products: brands, colours, lengths in metres that only titles give a unit, a price each."""
    rows = [
        ("Acme HDMI cable 1 m black", "Acme", {"jacket_colour": "Black", "length": 1.0}, 9.0),
        ("Acme HDMI cable 2 m black", "Acme", {"jacket_colour": "Black", "length": 2.0}, 12.0),
        ("Acme HDMI cable 3 m white", "Acme", {"jacket_colour": "White", "length": 3.0}, 15.0),
        ("Acme HDMI cable 6 ft grey", "Acme", {"jacket_colour": "Grey", "length": 1.8}, 11.0),
        ("Case Logic sleeve red", "Case Logic", {"jacket_colour": "Red"}, 25.0),
        ("Case Logic sleeve blue", "Case Logic", {"jacket_colour": "Blue/Grey"}, 26.0),
        ("Case for phone, midnight blue", "Bolt", {"jacket_colour": "Midnight Blue"}, 5.0),
        ("Case for tablet gray", "Bolt", {"jacket_colour": "Gray"}, 7.0),
        ("Case with handle green", "Case", {"jacket_colour": "Green", "handle": True}, 8.0),
        ("Bolt USB cable 0.5 m red", "Bolt", {"jacket_colour": "Red", "length": 0.5}, 4.0),
        ("Bolt USB cable 5 m", "Bolt", {"length": 5.0, "handle": False}, 14.0),
        ("Bolt mug with handle", "Bolt", {"handle": True}, 6.0),
        ("Bolt mug without handle", "Bolt", {"handle": False}, 6.5),
        ("Bolt travel mug with handle", "Bolt", {"handle": True}, 16.5),
        ("华为手机 黑色", "HUAWEI 华为", {"jacket_colour": "Black"}, 300.0),
        ("小米手机 红色", "小米", {"jacket_colour": "Red", "size": "42"}, 200.0),
    ]
    paths = [("Cables",), ("Cases",), ("Kitchen", "Mugs"), ("Phones",)]
    places = [0] * 4 + [1] * 5 + [0] * 2 + [2] * 3 + [3] * 2
    return [
        Product(str(i), title, brand=brand, attributes=attributes, price=price, currency="USD", category=paths[place])
        for i, ((title, brand, attributes, price), place) in enumerate(zip(rows, places, strict=True))
    ]


def icecat(count: int) -> list[Product]:
    """The first products of the sample, as they stand in the file."""
    with gzip.open(SAMPLE, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(file, count)]
    return [
        Product(row["id"], row["title"], brand=row["brand"], attributes=row["attributes"], price=row["price"])
        for row in rows
    ]
