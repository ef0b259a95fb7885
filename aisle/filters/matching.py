"""What a filter means, said once, slowly and plainly. Indexes must agree with it; tests hold them to it."""

from __future__ import annotations

from aisle.filters.fields import check_value, field_values, number_of, path_key, resolve, value_key
from aisle.types import And, Compare, Exists, Filter, In, Not, Or, Product, Scalar, Under


def matches(filter: Filter, product: Product) -> bool:
    """Whether a product passes a filter.

    Raises:
        FilterError: A comparison's value does not suit its field.
    """
    match filter:
        case And(parts):
            return all(matches(part, product) for part in parts)
        case Or(parts):
            return any(matches(part, product) for part in parts)
        case Not(part):
            return not matches(part, product)
        case Exists(field):
            return bool(field_values(product, field))
        case Under(path):
            wanted = path_key(path)
            return path_key(product.category)[: len(wanted)] == wanted
        case In(field, values):
            return any(_compare(field, "=", value, product) for value in values)
        case Compare(field, op, value):
            return _compare(field, op, value, product)


def _compare(field: str, op: str, value: Scalar, product: Product) -> bool:
    wanted = check_value(field, op, value)
    found = field_values(product, field)
    if op == "=":
        return any(_equal(field, one, wanted) for one in found)
    if op == "!=":
        return bool(found) and not any(_equal(field, one, wanted) for one in found)
    return any(_in_order(one, op, wanted) for one in found)


def _equal(field: str, found: Scalar, wanted: Scalar) -> bool:
    if resolve(field) == (False, "id"):
        return found == wanted
    return value_key(found) == value_key(wanted)


def _in_order(found: Scalar, op: str, wanted: Scalar) -> bool:
    number, bound = number_of(found), number_of(wanted)
    if number is None or bound is None:
        return False
    match op:
        case "<":
            return number < bound
        case "<=":
            return number <= bound
        case ">":
            return number > bound
        case _:
            return number >= bound
