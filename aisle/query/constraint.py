"""One demand of a query on a product's fields, and whether a product meets it.

    red shoes under 50  ->  colour = red, price < 50

Knows filters and products; how demands are found in a text is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aisle.filters.fields import field_values
from aisle.filters.matching import matches
from aisle.types import And, Compare, Exists, Filter, In, Not, Or, Product, Scalar, Under

Kind = Literal["brand", "category", "colour", "size", "price", "attribute", "compatible", "without"]
Status = Literal["satisfied", "contradicted", "unknown"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """A demand: the query's own words for it, what they mean as a filter, and how sure that reading is.

    ``certainty`` is the estimated probability that the shopper means this, 0 to 1.
    """

    kind: Kind
    text: str
    filter: Filter
    certainty: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a product meets a demand, and the product's values that say so.

    "unknown" where the product has no value in any of the fields: a catalogue that is silent contradicts nothing.
    """

    constraint: Constraint
    status: Status
    found: tuple[tuple[str, Scalar], ...]


def verdict(constraint: Constraint, product: Product) -> Verdict:
    """Judge one product by one demand."""
    fields = fields_of(constraint.filter)
    found = tuple((field, value) for field in fields for value in field_values(product, field))
    if matches(constraint.filter, product):
        return Verdict(constraint, "satisfied", found)
    return Verdict(constraint, "contradicted" if found else "unknown", found)


def fields_of(filter: Filter) -> tuple[str, ...]:
    """The fields that a filter reads, each once, in order."""
    match filter:
        case And(parts) | Or(parts):
            found = [field for part in parts for field in fields_of(part)]
        case Not(part):
            found = list(fields_of(part))
        case Under():
            found = ["category"]
        case Compare(field, _, _) | In(field, _) | Exists(field):
            found = [field]
    return tuple(dict.fromkeys(found))
