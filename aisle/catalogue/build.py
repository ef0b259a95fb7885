"""One row to one product: values parsed, text cleaned, or the reason why the row makes no product.

Knows nothing of files or of other rows.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aisle.catalogue.columns import ColumnMap, attribute_name, is_tags
from aisle.catalogue.report import RuleCounter
from aisle.catalogue.store import SCHEMA, product_from_dict
from aisle.catalogue.text import clean_lines, clean_name, clean_text
from aisle.catalogue.values import (
    is_missing,
    to_count,
    to_currency,
    to_flag,
    to_id,
    to_list,
    to_number,
    to_price,
)
from aisle.config import CatalogueSettings
from aisle.errors import CatalogueError
from aisle.types import AttributeValue, Offer, Product

MAX_ATTRIBUTES = 2000
_MAX_ID = 512
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,12})?")
_CATEGORY_MARKS = re.compile(r"\s*[›»→]\s*")


class RowProblem(Exception):
    """A row that makes no product; the message is the reason."""


@dataclass(slots=True)
class Draft:
    """A product whose description still has its lines apart."""

    product: Product
    lines: list[str]


@dataclass(slots=True)
class Builder:
    """Makes products of rows with one column map.

    Attributes:
        columns: Of the file.
        settings: Of the cleaning.
        count: What was changed.
        numeric: Text columns that hold only numbers.
        highest_rating: Of the file's scale; a rating above it is none.
    """

    columns: ColumnMap
    settings: CatalogueSettings
    count: RuleCounter
    numeric: frozenset[str] = frozenset()
    highest_rating: float = math.inf
    _names: dict[str, str] = field(default_factory=dict)
    _tags: set[str] = field(default_factory=set)

    def draft(self, values: Mapping[str, Any], line: int) -> Draft:
        """The product of a row.

        Raises:
            RowProblem: The row has no usable id or title.
        """
        if values.get("schema") == SCHEMA:
            return self._again(values)
        self.columns.learn(values)
        product_id = self._id(values, line)
        self.count.where = product_id
        title = self._text(self._cell(values, "title"))
        if not title:
            raw = self._cell(values, "title")
            raise RowProblem("the title is missing" if is_missing(raw) else "the title is empty after cleaning")
        price, currency = self._price(self._cell(values, "price"), self._cell(values, "currency"))
        attributes = self._attributes(values)
        lines = self._lines(self._cell(values, "description"))
        product = Product(
            id=product_id,
            title=title,
            brand=self._text(self._cell(values, "brand")),
            category=self._category(self._cell(values, "category")),
            attributes=attributes,
            price=price,
            currency=currency,
            rating=self._rating(values),
            rating_count=self._parsed(values, "rating_count", to_count),
            available=self._parsed(values, "available", to_flag),
            stock=self._parsed(values, "stock", to_count),
            images=self._collected(values, "images", r"[|\s]+|,(?=\s*(?:https?:|/))"),
            identifiers=self._collected(values, "identifiers", r"[|;,]+"),
            family=to_id(self._cell(values, "family"))[:_MAX_ID],
            offers=self._offers(self._cell(values, "offers")),
        )
        return Draft(product, lines)

    def _again(self, values: Mapping[str, Any]) -> Draft:
        """A row of a file that was cleaned before: the fields are known, the text rules run once more."""
        try:
            product = product_from_dict({name: value for name, value in values.items() if name != "schema"})
        except CatalogueError as error:
            raise RowProblem(error.received) from None
        self.count.where = product.id
        title = self._text(product.title)
        if not title:
            raise RowProblem("the title is empty after cleaning")
        numbers = (product.price, product.rating, *(offer.price for offer in product.offers))
        if not all(number is None or math.isfinite(number) for number in numbers):
            raise RowProblem("a number is not finite")
        offers = tuple(
            dataclasses.replace(offer, id=to_id(offer.id), attributes=self._mapping(offer.attributes))
            for offer in product.offers
        )
        product = dataclasses.replace(
            product,
            id=self._checked_id(to_id(product.id)),
            title=title,
            description="",
            brand=self._text(product.brand),
            category=tuple(part for part in map(self._text, product.category) if part),
            attributes=self._mapping(product.attributes),
            currency=to_currency(product.currency) if product.currency else None,
            images=tuple(part for part in map(to_id, product.images) if part),
            identifiers=tuple(part for part in map(to_id, product.identifiers) if part),
            family=to_id(product.family),
            offers=offers,
        )
        return Draft(product, self._lines(values.get("description")))

    # --- single fields ---

    def _cell(self, values: Mapping[str, Any], target: str) -> Any:
        column = self.columns.column(target)
        return values.get(column) if column is not None else None

    def _id(self, values: Mapping[str, Any], line: int) -> str:
        if self.columns.column("id") is None:
            return f"row-{line}"
        return self._checked_id(to_id(self._cell(values, "id")))

    def _checked_id(self, product_id: str) -> str:
        if not product_id:
            raise RowProblem("the id is missing")
        if len(product_id) > _MAX_ID:
            raise RowProblem(f"the id is longer than {_MAX_ID} characters")
        return product_id

    def _text(self, value: Any) -> str:
        if is_missing(value):
            return ""
        if isinstance(value, list):
            value = " ".join(str(part) for part in value if isinstance(part, (str, int, float)))
        elif isinstance(value, dict):
            return ""
        elif not isinstance(value, str):
            value = to_id(value)
        return clean_text(value, self.count)

    def _lines(self, value: Any) -> list[str]:
        if is_missing(value) or isinstance(value, dict):
            return []
        if isinstance(value, list):
            value = "\n".join(str(part) for part in value if isinstance(part, (str, int, float)))
        return clean_lines(value if isinstance(value, str) else to_id(value), self.count)

    def _category(self, value: Any) -> tuple[str, ...]:
        separator = self.settings.category_separator
        if isinstance(value, str):
            text = _CATEGORY_MARKS.sub(separator, clean_text(value)) if separator.strip() == ">" else clean_text(value)
            parts: list[Any] = [part.strip() for part in text.split(separator.strip() or separator)]
        else:
            parts = [] if is_missing(value) else list(value) if isinstance(value, list) else [value]
        path = (self._text(part) for part in parts)
        return tuple(part for part in path if part)

    def _price(self, value: Any, currency_cell: Any) -> tuple[float | None, str | None]:
        default = to_currency(self.settings.currency) or ""
        price, currency = to_price(value, default)
        if price is None and not is_missing(value):
            self.count("price unreadable", _show(value), "")
        if price is not None and (self.settings.price_unit == "minor" or self.columns.price_in_cents):
            price = round(price / 100, 6)
        currency = to_currency(currency_cell) or currency or self.columns.price_currency or default or None
        return price, currency if price is not None else None

    def _rating(self, values: Mapping[str, Any]) -> float | None:
        rating: float | None = self._parsed(values, "rating", to_number)
        if rating is None or 0 <= rating <= self.highest_rating:
            return rating
        self.count("rating off the scale", _show(self._cell(values, "rating")), "")
        return None

    def _parsed(self, values: Mapping[str, Any], target: str, parse: Callable[[Any], Any]) -> Any:
        cell = self._cell(values, target)
        value = parse(cell)
        if value is None and not is_missing(cell):
            self.count(f"{target} unreadable", _show(cell), "")
        return value

    def _collected(self, values: Mapping[str, Any], target: str, separators: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for column in self.columns.fields.get(target, ()):
            cell = values.get(column)
            parts = to_list(cell, separators)
            if target == "identifiers" and isinstance(cell, str) and not all(_is_code(str(part)) for part in parts):
                parts = [cell]  # a model's name with a comma in it ("Cat6, 10ft"), not a list of codes
            for part in parts:
                if isinstance(part, dict):
                    part = part.get("src") or part.get("url") or part.get("value")
                text = to_id(part)
                if text and not is_missing(text):
                    found[text] = None
        return tuple(found)

    def _offers(self, value: Any) -> tuple[Offer, ...]:
        offers: list[Offer] = []
        for position, item in enumerate(to_list(value, ""), start=1):
            if not isinstance(item, dict):
                if not is_missing(item):
                    self.count("offer unreadable", _show(item), "")
                continue
            known = {
                "id",
                "offer_id",
                "sku",
                "price",
                "currency",
                "stock",
                "inventory_quantity",
                "quantity",
                "available",
            }
            known |= {"availability", "attributes"}
            price, currency = self._price(item.get("price"), item.get("currency"))
            stock = next((item[k] for k in ("stock", "inventory_quantity", "quantity") if k in item), None)
            inner = item.get("attributes")
            rest = {name: part for name, part in item.items() if name not in known}
            offers.append(
                Offer(
                    id=to_id(next((item[k] for k in ("id", "offer_id", "sku") if item.get(k)), position)),
                    price=price,
                    currency=currency,
                    stock=to_count(stock),
                    available=to_flag(item.get("available", item.get("availability"))),
                    attributes=self._mapping({**rest, **(inner if isinstance(inner, dict) else {})}),
                )
            )
        return tuple(offers)

    # --- attributes ---

    def _attributes(self, values: Mapping[str, Any]) -> dict[str, AttributeValue]:
        raw: dict[str, Any] = {}
        for column, value in values.items():
            role = self.columns.role(column)
            if role != "attributes" or value is None or value == "":
                continue
            name = self._names.get(column)
            if name is None:
                name = self._names[column] = attribute_name(column)
                if is_tags(column):
                    self._tags.add(column)
            if column in self.columns.fields.get("attributes", ()):
                inner = _as_mapping(value)
                if inner is not None:
                    raw.update(inner)
                    continue
            if name in raw:
                name = column  # two columns that differ only in Icecat's type prefix
            if isinstance(value, str) and column in self._tags:
                value = to_list(value, r"[|;,，、]")
            elif column in self.numeric and isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value.strip()):
                value = float(value)
            raw[name] = value
        return self._mapping(raw)

    def _mapping(self, raw: Mapping[str, Any]) -> dict[str, AttributeValue]:
        result: dict[str, AttributeValue] = {}
        for name, value in raw.items():
            self._attribute(result, name, value, depth=0)
        return result

    def _attribute(self, result: dict[str, AttributeValue], name: str, value: Any, depth: int) -> None:
        if isinstance(value, str):
            text = "" if is_missing(value) else clean_text(value, self.count)
            self._put(result, name, text or None)
        elif isinstance(value, bool):
            self._put(result, name, value)
        elif isinstance(value, (int, float)):
            number = to_number(value)
            if number is None and not is_missing(value):
                self.count("number unreadable", _show(value), "")
            self._put(result, name, number)
        elif isinstance(value, (list, tuple)):
            self._list(result, name, value, depth)
        elif isinstance(value, dict) and depth < 8:
            for inner, part in value.items():
                self._attribute(result, f"{name}.{inner}", part, depth + 1)

    def _list(self, result: dict[str, AttributeValue], name: str, value: Any, depth: int) -> None:
        texts: list[str] = []
        for part in value:
            if isinstance(part, dict) and depth < 8:
                key = part.get("name", part.get("key"))
                if isinstance(key, str) and "value" in part:  # [{"name": "colour", "value": "red"}]
                    self._attribute(result, key, part["value"], depth + 1)
                else:
                    texts.append(clean_text(json.dumps(part, ensure_ascii=False), self.count))
            elif isinstance(part, bool):
                texts.append("true" if part else "false")
            elif not isinstance(part, (list, tuple, dict)) and not is_missing(part):
                texts.append(self._text(part))
        self._put(result, name, tuple(text for text in texts if text) or None)

    def _put(self, result: dict[str, AttributeValue], name: str, value: AttributeValue | None) -> None:
        name = clean_name(str(name))
        if value is None or not name:
            return
        if len(result) >= MAX_ATTRIBUTES and name not in result:
            self.count("attribute beyond the limit", name, "")
            return
        result[name] = value


def _as_mapping(value: Any) -> dict[str, Any] | None:
    """A cell that holds an object, also as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None


def _show(value: Any) -> str:
    return (value if isinstance(value, str) else repr(value))[:200]


def _is_code(part: str) -> bool:
    return len(part) >= 5 and " " not in part and any(c.isdigit() for c in part)
