"""Shopify's product export: one row per variant, of which only the first names the product.

Knows this one layout; rows of any other file pass through untouched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from aisle.catalogue.rows import Row

_LAYOUT = ("Handle", "Title", "Variant Price")
_OF_THE_VARIANT = ("Variant ", "Option", "Image ")


def complete(rows: Iterator[Row]) -> Iterator[Row]:
    """Give further variants the title and the other fields of their product, and every variant the handle as family.

    A variant without an SKU gets its handle and options for one. A row that only adds an image has a problem.
    """
    product: dict[str, str] = {}
    for row in rows:
        values = row.values
        if values is None or not all(name in values for name in _LAYOUT):
            yield row
            continue
        values = dict(values)
        values["item_group_id"] = values["Handle"]
        if values["Title"]:
            product = values
        elif product and values["Handle"] == product["Handle"]:
            if not values["Variant Price"]:
                reason = f"only a further image of {values['Handle']!r}: no variant"
                yield dataclasses.replace(row, values=None, problem=reason, raw=values.get("Image Src", ""))
                continue
            for name, value in product.items():
                if not name.startswith(_OF_THE_VARIANT) and not values[name]:
                    values[name] = value
        if "Variant SKU" in values and not values["Variant SKU"]:
            options = (values.get(f"Option{number} Value", "") for number in (1, 2, 3))
            values["Variant SKU"] = "-".join([values["Handle"], *(option for option in options if option)])
        yield dataclasses.replace(row, values=values)
