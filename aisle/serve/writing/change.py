"""One change of a catalogue: put a product, change some fields of one, delete one; and what became of it.

Changes travel between processes as JSON. Knows products, no index.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from aisle.catalogue.store import product_from_dict, product_to_dict
from aisle.errors import RequestError
from aisle.types import Product

Status = Literal["created", "replaced", "updated", "unchanged", "deleted", "missing", "refused"]
MAX_ID = 256
GONE = "gone: changes are not taken, searches are"
"""What is said of a writer that does not answer."""
PATCHABLE = (
    "title", "description", "brand", "category", "attributes", "price", "currency", "rating", "rating_count",
    "available", "stock", "images", "identifiers", "family", "offers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Put:
    """Add a product, or replace the one of its id."""

    product: Product

    @property
    def id(self) -> str:
        """Of the product."""
        return self.product.id


@dataclass(frozen=True, slots=True)
class Patch:
    """Change some fields: each to a new value, None to nothing; attributes one by one in the same way."""

    id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delete:
    """Take a product out."""

    id: str


Change = Put | Patch | Delete


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change.

    Attributes:
        id: Of the product.
        status: What was done.
        reason: Why it was refused.
        before: Hash of the product as it was.
        after: Hash of the product as it is now.
    """

    id: str
    status: Status
    reason: str = ""
    before: str = ""
    after: str = ""


class Writer(Protocol):
    """Who makes changes."""

    @property
    def waiting(self) -> int:
        """Changes that were taken and are not durable yet."""
        ...

    async def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """Make changes in their order; returns when they are durable and searches of any process find them.

        Raises:
            Busy: Too many changes are waiting.
            WriterGone: There is no writer at the moment; the changes may have been made or not.
        """
        ...

    async def trouble(self) -> str:
        """Why changes cannot be made at the moment, for strangers too; "" where nothing is known of that."""
        ...

    async def close(self) -> None:
        """Finish what was taken."""
        ...


class WriterGone(Exception):
    """The writer cannot be reached, or gave up."""


def checked_id(product_id: str) -> str:
    """An id that products may have.

    Raises:
        RequestError: It is empty, too long, has control characters or blanks at its ends.
    """
    bad = any(unicodedata.category(character) in ("Cc", "Cs") for character in product_id)
    if not product_id or len(product_id) > MAX_ID or bad or product_id != product_id.strip():
        raise RequestError(
            f"product id {product_id[:80]!r}",
            allowed=f"1 to {MAX_ID} characters, no control characters, no blanks at the ends",
        )
    return product_id


def checked_product(product: Product) -> Product:
    """A product that may be written; one alone is its own family.

    Raises:
        RequestError: Its id or a number cannot be.
    """
    checked_id(product.id)
    if not product.title.strip():
        raise RequestError(f"product {product.id!r} has no title", allowed="a text that is not blank")
    for name in ("price", "rating", "rating_count", "stock"):
        value = getattr(product, name)
        if value is not None and not (math.isfinite(value) and 0 <= value < 2**53):
            raise RequestError(f"product {product.id!r}: {name} is {value!r}", allowed="a number, 0 or more")
    finite(product_to_dict(product), product.id)
    return product if product.family else replace(product, family=product.id)


def finite(value: Any, product_id: str) -> None:
    """Refuse what JSON has no number for, wherever it stands.

    Raises:
        RequestError: A number is infinite or none.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise RequestError(f"product {product_id!r}: {value!r} is no number", allowed="finite numbers")
    if isinstance(value, Mapping):
        for one in value.values():
            finite(one, product_id)
    elif isinstance(value, list | tuple):
        for one in value:
            finite(one, product_id)


def patched(product: Product, fields: Mapping[str, Any]) -> Product:
    """The product with some fields changed.

    Raises:
        CatalogueError: A field is of the wrong type.
        RequestError: A field does not exist or cannot be changed, or a value cannot be.
    """
    data = product_to_dict(product)
    for name, value in fields.items():
        if name not in PATCHABLE:
            raise RequestError(f"a product's field {name!r} cannot be changed", allowed=", ".join(PATCHABLE))
        if name == "attributes" and isinstance(value, Mapping):
            merged = {**data.get("attributes", {}), **value}
            data["attributes"] = {key: one for key, one in merged.items() if one is not None}
        elif value is None:
            data.pop(name, None)
        else:
            data[name] = value
    return checked_product(product_from_dict(data))


def change_to_dict(change: Change) -> dict[str, Any]:
    """A change as plain data."""
    match change:
        case Put(product):
            return {"op": "put", "product": product_to_dict(product)}
        case Patch(product_id, fields):
            return {"op": "patch", "id": product_id, "fields": dict(fields)}
        case Delete(product_id):
            return {"op": "delete", "id": product_id}


def change_from_dict(data: Mapping[str, Any]) -> Change:
    """Rebuild a change from ``change_to_dict``."""
    if data["op"] == "put":
        return Put(product_from_dict(data["product"]))
    if data["op"] == "patch":
        return Patch(data["id"], data["fields"])
    return Delete(data["id"])
