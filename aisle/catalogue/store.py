"""A product as JSON and back, exactly: the form in which cleaned catalogues and indexes keep products.

Knows nothing of files. Fields at their default are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aisle.errors import CatalogueError
from aisle.types import AttributeValue, Offer, Product

SCHEMA = "aisle-product-1"
"""Marks a line of a cleaned file, so that reading it back needs no guessing of columns or units."""

_TEXTS = ("title", "description", "brand", "family", "currency")
_LISTS = ("category", "images", "identifiers")
_NUMBERS = ("price", "rating")
_INTEGERS = ("rating_count", "stock")


def product_to_dict(product: Product) -> dict[str, Any]:
    """A product as plain JSON values; ``product_from_dict`` gives back an equal product."""
    data: dict[str, Any] = {"id": product.id, "title": product.title}
    for name in ("description", "brand", "family"):
        if value := getattr(product, name):
            data[name] = value
    for name in _LISTS:
        if value := getattr(product, name):
            data[name] = list(value)
    for name in ("price", "currency", "rating", "rating_count", "available", "stock"):
        if (value := getattr(product, name)) is not None:
            data[name] = value
    if product.attributes:
        data["attributes"] = _attributes_to_dict(product.attributes)
    if product.offers:
        data["offers"] = [_offer_to_dict(offer) for offer in product.offers]
    return data


def product_from_dict(data: Mapping[str, Any]) -> Product:
    """Rebuild a product from ``product_to_dict``.

    Raises:
        CatalogueError: A field is missing, unknown or of the wrong type.
    """
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name in {"id", *_TEXTS}:
            values[name] = _check(value, str, name)
        elif name in _LISTS:
            values[name] = tuple(_check(part, str, name) for part in _check(value, list, name))
        elif name in _NUMBERS:
            values[name] = _number(value, name)
        elif name in _INTEGERS:
            values[name] = _integer(value, name)
        elif name == "available":
            values[name] = _check(value, bool, name)
        elif name == "attributes":
            values[name] = _attributes_from(value)
        elif name == "offers":
            values[name] = tuple(_offer_from_dict(offer) for offer in _check(value, list, name))
        else:
            raise CatalogueError(f"a stored product has an unknown field {name!r}")
    if not values.get("id") or "title" not in values:
        raise CatalogueError("a stored product has no id or no title")
    return Product(**values)


def to_json(product: Product) -> str:
    """One line of a cleaned catalogue file, without the line break."""
    return json.dumps({"schema": SCHEMA, **product_to_dict(product)}, ensure_ascii=False, allow_nan=False)


def from_json(line: str) -> Product:
    """Read a line written by ``to_json``.

    Raises:
        CatalogueError: The line is not a stored product.
    """
    try:
        data = json.loads(line)
    except ValueError as error:
        raise CatalogueError(f"not a stored product: {error}") from None
    if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
        raise CatalogueError("not a stored product: the line has another schema", allowed=SCHEMA)
    return product_from_dict(data)


def _attributes_to_dict(attributes: Mapping[str, AttributeValue]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in attributes.items()}


def _attributes_from(value: object) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {}
    for name, part in _check(value, dict, "attributes").items():
        if isinstance(part, list):
            attributes[name] = tuple(_check(item, str, name) for item in part)
        elif isinstance(part, (str, bool)):
            attributes[name] = part
        else:
            attributes[name] = _number(part, name)
    return attributes


def _offer_to_dict(offer: Offer) -> dict[str, Any]:
    data: dict[str, Any] = {"id": offer.id}
    for name in ("price", "currency", "stock", "available"):
        if (value := getattr(offer, name)) is not None:
            data[name] = value
    if offer.attributes:
        data["attributes"] = _attributes_to_dict(offer.attributes)
    return data


def _offer_from_dict(data: object) -> Offer:
    fields = _check(data, dict, "offers")
    unknown = set(fields) - {"id", "price", "currency", "stock", "available", "attributes"}
    if unknown or "id" not in fields:
        raise CatalogueError(f"a stored offer has no id, or unknown fields: {sorted(unknown)}")
    return Offer(
        id=_check(fields["id"], str, "offer id"),
        price=None if fields.get("price") is None else _number(fields["price"], "offer price"),
        currency=None if fields.get("currency") is None else _check(fields["currency"], str, "offer currency"),
        stock=None if fields.get("stock") is None else _integer(fields["stock"], "offer stock"),
        available=None if fields.get("available") is None else _check(fields["available"], bool, "offer available"),
        attributes=_attributes_from(fields.get("attributes", {})),
    )


def _check(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise CatalogueError(f"a stored product's {name} is {value!r:.80}", allowed=kind.__name__)
    return value


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CatalogueError(f"a stored product's {name} is {value!r:.80}", allowed="a number")
    try:
        return float(value)
    except OverflowError:
        raise CatalogueError(f"a stored product's {name} is too large a number") from None


def _integer(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise CatalogueError(f"a stored product's {name} is {value!r:.80}", allowed="a whole number")
    return value
