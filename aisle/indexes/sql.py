"""Filters as conditions in LanceDB's SQL. Every text passes through ``quote``; nothing a user wrote is SQL.

Three-valued logic is kept out: NOT is pushed down to the conditions, and each says itself what a missing value means.
"""

from __future__ import annotations

from collections.abc import Sequence

from aisle.errors import FilterError
from aisle.filters.fields import BOOL_FIELDS, NUMBER_FIELDS, check_value, resolve, value_key
from aisle.indexes.schema import attribute_token, path_token
from aisle.types import And, Compare, Exists, Filter, In, Not, Or, Scalar, Under

EVERYTHING = "id IS NOT NULL"
NOTHING = "id IS NULL"
MAX_DEPTH = 60
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def quote(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def one_of(column: str, texts: Sequence[str]) -> str:
    """The column holds one of the texts."""
    return f"{column} IN ({', '.join(quote(text) for text in texts)})" if texts else NOTHING


def has_any(column: str, texts: Sequence[str]) -> str:
    """The list in the column holds one of the texts."""
    if not texts:
        return NOTHING
    if len(texts) == 1:
        return f"array_has({column}, {quote(texts[0])})"
    return f"array_has_any({column}, [{', '.join(quote(text) for text in texts)}])"


def where(filter: Filter) -> str:
    """A filter as an SQL condition.

    Raises:
        FilterError: A value does not suit its field, or the filter is nested too deep.
    """
    return _where(filter, negated=False, depth=0)


def _where(filter: Filter, negated: bool, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise FilterError("the filter is nested too deep", allowed=f"{MAX_DEPTH} levels", fix="simplify the filter")
    match filter:
        case Not(part):
            return _where(part, not negated, depth + 1)
        case And(parts) | Or(parts):
            both = isinstance(filter, And) != negated
            if not parts:
                return EVERYTHING if both else NOTHING
            return "(" + (" AND " if both else " OR ").join(_where(p, negated, depth + 1) for p in parts) + ")"
        case Under(path):
            return _sign(has_any("tokens", [path_token(path)]), negated)
        case Exists(field):
            return _exists(field, negated)
        case In(field, values):
            return _equal(field, values, negated)
        case Compare(field, op, value):
            return _compare(field, op, value, negated)


def _sign(condition: str, negated: bool) -> str:
    return f"NOT {condition}" if negated else condition


def _exists(field: str, negated: bool) -> str:
    attribute, name = resolve(field)
    if attribute:
        return _sign(has_any("tokens", [attribute_token(name)]), negated)
    return f"{_column(name)} IS {'' if negated else 'NOT '}NULL"


def _compare(field: str, op: str, value: Scalar, negated: bool) -> str:
    if op == "=":
        return _equal(field, (value,), negated)
    if op == "!=":
        different = _equal(field, (value,), negated=not negated)
        return f"({_exists(field, negated)} {'OR' if negated else 'AND'} {different})"
    number = check_value(field, op, value)
    attribute, name = resolve(field)
    # any value may meet the condition: the lowest meets it if one is to be below, the highest if above
    values = "number_lows" if op in {"<", "<="} else "number_highs"
    at = f"CAST(array_position(number_names, {quote(name)}) AS BIGINT)"  # NULL where the name is missing
    column = f"array_element({values}, {at})" if attribute else name
    if negated:
        return f"({column} IS NULL OR {column} {_OPPOSITE[op]} {_number(number)})"
    return f"{column} {op} {_number(number)}"  # NULL counts as false, as there is no NOT around it


def _equal(field: str, values: Sequence[Scalar], negated: bool) -> str:
    wanted = [check_value(field, "=", value) for value in values]
    attribute, name = resolve(field)
    if attribute:
        return _sign(has_any("tokens", [attribute_token(name, value) for value in wanted]), negated)
    column = _column(name)
    if name in NUMBER_FIELDS:
        literals = [_number(value) for value in wanted]
    elif name in BOOL_FIELDS:
        literals = [value_key(value) for value in wanted]
    elif name == "id":
        literals = [quote(value if isinstance(value, str) else value_key(value)) for value in wanted]
    else:
        literals = [quote(value_key(value)) for value in wanted]
    if not literals:
        return EVERYTHING if negated else NOTHING
    many = len(literals) > 1
    test = f"IN ({', '.join(literals)})" if many else f"= {literals[0]}"
    if negated:
        return f"({column} IS NULL OR {column} {'NOT ' + test if many else '!= ' + literals[0]})"
    return f"{column} {test}"


def _column(name: str) -> str:
    return name if name in {"id", *NUMBER_FIELDS, *BOOL_FIELDS} else f"{name}_key"


def _number(value: Scalar) -> str:
    return repr(float(value))


def both(first: str | None, second: str) -> str:
    """A condition that meets two, the first of which may be none."""
    return f"({first}) AND {second}" if first else second
