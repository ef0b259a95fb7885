"""Filters as JSON, for programs that would rather not write the filter language.

    {"and": [F, ...]}   {"or": [F, ...]}   {"not": F}
    {"field": "price", "op": "<", "value": 500}             = != < <= > >=
    {"field": "brand", "op": "in", "value": ["HP", "Dell"]}
    {"field": "category", "op": "under", "value": ["Computers", "Notebooks"]}
    {"field": "rating", "op": "exists"}

Knows the filters, no index.
"""

from __future__ import annotations

from typing import cast

from aisle.errors import FilterError
from aisle.filters import parse_filter
from aisle.filters.fields import ATTRIBUTE_PREFIX, PRODUCT_FIELDS, check_value, squeeze
from aisle.types import And, Compare, Comparison, Exists, Filter, In, Not, Or, Scalar, Under

MAX_DEPTH = 50
MAX_CONDITIONS = 2_000
OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "in", "under", "exists")
EXAMPLE = '{"field": "price", "op": "<", "value": 500}, or {"and": [...]}, {"or": [...]}, {"not": {...}}'


def read_filter(given: object) -> Filter | None:
    """A filter of a request: text of the filter language, JSON as above, or nothing.

    Raises:
        FilterError: It is neither.
    """
    if given is None or given == "":
        return None
    if isinstance(given, str):
        return parse_filter(given)
    left = [MAX_CONDITIONS]
    return _filter(given, 0, left)


def _filter(given: object, depth: int, left: list[int]) -> Filter:
    left[0] -= 1
    if depth > MAX_DEPTH or left[0] < 0:
        raise FilterError("the filter is too large", allowed=f"{MAX_CONDITIONS:,} parts, {MAX_DEPTH} levels")
    if not isinstance(given, dict) or not given:
        raise FilterError(f"the filter has {_shown(given)} where an object is expected", allowed=EXAMPLE)
    names = set(given)
    if names == {"and"} or names == {"or"}:
        (name,) = names
        parts = given[name]
        if not isinstance(parts, list) or not parts:
            raise FilterError(f"the filter's {name!r} is {_shown(parts)}", allowed="a list of filters, not empty")
        found = tuple(_filter(part, depth + 1, left) for part in parts)
        return And(found) if name == "and" else Or(found)
    if names == {"not"}:
        return Not(_filter(given["not"], depth + 1, left))
    if not {"field", "op"} <= names or names - {"field", "op", "value"}:
        raise FilterError(f"a filter has the members {', '.join(map(str, given))[:200]}", allowed=EXAMPLE)
    return _condition(_field(given["field"]), given["op"], given.get("value"), "value" in given)


def _field(given: object) -> str:
    name = squeeze(given) if isinstance(given, str) else ""
    if not name or name == ATTRIBUTE_PREFIX.rstrip("."):
        raise FilterError(f"a filter's field is {_shown(given)}", allowed="the name of a field or an attribute")
    if name.casefold() in PRODUCT_FIELDS:
        return name.casefold()
    bare = name.removeprefix(ATTRIBUTE_PREFIX).strip()
    if not bare:
        raise FilterError(f"a filter's field is {_shown(given)}", allowed="the name of a field or an attribute")
    return name if bare in PRODUCT_FIELDS or bare.startswith(ATTRIBUTE_PREFIX) else bare


def _condition(field: str, op: object, value: object, given: bool) -> Filter:
    if op not in OPERATORS:
        raise FilterError(f"a filter's op is {_shown(op)}", allowed=", ".join(OPERATORS))
    if op == "exists":
        if given and value is not True:
            raise FilterError(f"exists with the value {_shown(value)}", allowed="no value")
        return Exists(field)
    if op == "under":
        path = [value] if isinstance(value, str) else value
        if field != "category" or not isinstance(path, list) or not path:
            raise FilterError(f"{field} under {_shown(value)}", allowed="category, and a path as a list of names")
        parts = tuple(squeeze(part) if isinstance(part, str) else "" for part in path)
        if not all(parts):
            raise FilterError(f"category under {_shown(value)}", allowed="names that are not empty")
        return Under(parts)
    if op == "in":
        if not isinstance(value, list) or not value:
            raise FilterError(f"{field} in {_shown(value)}", allowed="a list of values, not empty")
        return In(field, tuple(check_value(field, "=", _scalar(field, part)) for part in value))
    return Compare(field, cast(Comparison, op), check_value(field, str(op), _scalar(field, value)))


def _scalar(field: str, value: object) -> Scalar:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            raise FilterError(f"{field} is compared with {_shown(value)}", allowed="numbers below 1e308") from None
    raise FilterError(f"{field} is compared with {_shown(value)}", allowed="a text, a number, true or false")


def _shown(value: object) -> str:
    return repr(value)[:80]
