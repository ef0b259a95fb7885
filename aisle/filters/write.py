"""Filters as text that parses back to the same filter."""

from __future__ import annotations

from aisle.filters.fields import ATTRIBUTE_PREFIX, CATEGORY_SEPARATOR, PRODUCT_FIELDS, number_text, resolve
from aisle.types import And, Compare, Exists, Filter, In, Not, Or, Scalar, Under


def format_filter(filter: Filter) -> str:
    """Write a filter so that ``parse_filter`` reads it back."""
    match filter:
        case And(()):
            return "*"
        case Or(()):
            return "NOT *"
        case And(parts):
            return " AND ".join(_operand(part) for part in parts)
        case Or(parts):
            return " OR ".join(_operand(part) for part in parts)
        case Not(part):
            return f"NOT {_operand(part)}"
        case Exists(field):
            return f"EXISTS {_name(field)}"
        case Under(path):
            escaped = CATEGORY_SEPARATOR.join(part.replace("\\", "\\\\").replace(">", "\\>") for part in path)
            return f"category UNDER {_quoted(escaped)}"
        case In(field, values):
            return f"{_name(field)} IN ({', '.join(_value(value) for value in values)})"
        case Compare(field, op, value):
            return f"{_name(field)} {op} {_value(value)}"


def _operand(part: Filter) -> str:
    text = format_filter(part)
    return f"({text})" if isinstance(part, And | Or) and len(part.parts) > 1 else text


def _name(field: str) -> str:
    attribute, name = resolve(field)
    if not attribute:
        return name
    prefix = ATTRIBUTE_PREFIX if name in PRODUCT_FIELDS or name.startswith(ATTRIBUTE_PREFIX) else ""
    plain = name.isidentifier() and name.casefold() not in _RESERVED
    return prefix + name if plain else _backquoted(prefix + name)


def _backquoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _value(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quoted(value) if isinstance(value, str) else number_text(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


_RESERVED = {"and", "or", "not", "in", "under", "exists", "between", *PRODUCT_FIELDS}
