"""What a field name means, which values a product has for it, and when two values are equal.

Knows nothing of the filter language's text.
"""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache

import regex

from aisle.errors import FilterError
from aisle.types import AttributeValue, Offer, Product, Scalar

NUMBER_FIELDS = ("price", "rating", "rating_count", "stock")
TEXT_FIELDS = ("id", "title", "brand", "category", "currency", "family")
BOOL_FIELDS = ("available",)
PRODUCT_FIELDS = (*TEXT_FIELDS, *NUMBER_FIELDS, *BOOL_FIELDS)

CATEGORY_SEPARATOR = " > "
ATTRIBUTE_PREFIX = "attributes."

# 15 digits are exact in a float; a leading zero is part of a code, not of a number
_PLAIN_NUMBER = regex.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,14})?")


def resolve(field: str) -> tuple[bool, str]:
    """Whether a field name is an attribute, and its name: ``attributes.price`` is an attribute, ``price`` is not."""
    if field.startswith(ATTRIBUTE_PREFIX):
        return True, squeeze(field[len(ATTRIBUTE_PREFIX) :])
    name = squeeze(field)
    return name not in PRODUCT_FIELDS, name


def squeeze(text: str) -> str:
    """Single blanks, none at the ends. Also removes the separators U+001C to U+001F, which indexes build on."""
    return " ".join(text.split())


@lru_cache(maxsize=100_000)  # catalogues repeat their values
def fold(text: str) -> str:
    """Text without case, width and surplus blanks: what equality of text compares."""
    return squeeze(unicodedata.normalize("NFKC", text).casefold())


def value_key(value: Scalar) -> str:
    """The form in which values are compared for equality.

    Text ignores case, width and surplus blanks; a number equals the same number written as text (``2``, ``"2.0"``),
    and true and false equal the words.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    number = number_of(value)
    return fold(value) if number is None else number_text(number)


def number_of(value: Scalar) -> float | None:
    """The number that a value is compared as; text that is a plain number counts, as catalogues often quote them."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = fold(value)
        return float(text) if _PLAIN_NUMBER.fullmatch(text) else None
    return float(value)


def number_text(number: float) -> str:
    """A number in its shortest exact form, whole ones without a point."""
    if math.isfinite(number) and number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return repr(float(number))


def path_key(path: tuple[str, ...]) -> tuple[str, ...]:
    """A category path as UNDER compares it."""
    return tuple(fold(part) for part in path if part.strip())


def field_values(product: Product, field: str) -> tuple[Scalar, ...]:
    """The values a product has for a field; none where it is missing, several for an attribute with many.

    An empty text is missing. The category is the whole path, joined by `` > ``. A product without a price of its own
    has its cheapest offer's, with that offer's currency; stock is the sum and availability any of the offers', again
    only where the product says nothing itself.
    """
    attribute, name = resolve(field)
    value: AttributeValue | None
    if attribute:
        return tuple(
            part
            for key, found in product.attributes.items()
            if key == name or squeeze(key) == name
            for part in attribute_values(found)
        )
    if name == "category":
        value = CATEGORY_SEPARATOR.join(product.category)
    elif name == "price":
        value = offer.price if (offer := _cheapest(product)) else product.price
    elif name == "currency":
        value = offer.currency if product.currency is None and (offer := _cheapest(product)) else product.currency
    elif name == "stock":
        stocks = [offer.stock for offer in product.offers if offer.stock is not None]
        value = sum(stocks) if product.stock is None and stocks else product.stock
    elif name == "available":
        known = [offer.available for offer in product.offers if offer.available is not None]
        value = any(known) if product.available is None and known else product.available
    else:
        value = getattr(product, name)
    return () if value is None else attribute_values(value)


def attribute_values(value: AttributeValue) -> tuple[Scalar, ...]:
    """One value or many as many, without empty texts and numbers that are not finite."""
    if isinstance(value, tuple):
        return tuple(part for part in value if _present(part))
    return (value,) if _present(value) else ()


def _present(value: Scalar) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, bool) or math.isfinite(value)


def _cheapest(product: Product) -> Offer | None:
    """The offer that gives a product without a price its price."""
    if product.price is not None:
        return None
    priced = [offer for offer in product.offers if offer.price is not None]
    return min(priced, key=lambda offer: (offer.price, offer.id), default=None)


def check_value(field: str, op: str, value: Scalar) -> Scalar:
    """The value in the type a field compares with.

    Raises:
        FilterError: The field holds numbers, truth values or text, and the value or the comparison is of another kind.
    """
    attribute, name = resolve(field)
    ordered = op in {"<", "<=", ">", ">="}
    if not attribute and name in TEXT_FIELDS and ordered:
        raise FilterError(
            f"{name} {op} {_show(value)}: {name} holds text, which has no order in filters",
            allowed=f"{name} = ..., {name} != ..., {name} IN (...), EXISTS {name}",
            fix="sort by it instead, or compare a field that holds numbers: price < 500",
        )
    if ordered or (not attribute and name in NUMBER_FIELDS):
        number = _as_number(value)
        if number is None:
            raise FilterError(
                f"{name} {op} {_show(value)}: {_show(value)} is not a number",
                allowed="a number with a point for decimals, without unit or currency sign",
                fix=f"write {name} {op} 500",
            )
        return number
    if not attribute and name in BOOL_FIELDS and not isinstance(value, bool):
        word = value_key(value)
        if word not in {"true", "false"}:
            raise FilterError(f"{name} {op} {_show(value)}", allowed="true, false", fix=f"write {name} = true")
        return word == "true"
    return value


def _as_number(value: Scalar) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _show(value: Scalar) -> str:
    text = value_key(value) if not isinstance(value, str) else value
    return repr(text[:60]) if isinstance(value, str) else text
