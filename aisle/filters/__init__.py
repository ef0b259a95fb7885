"""The filter language: text to filters and back, and what a filter means.

``price < 500 AND brand IN ("HP", Dell)`` becomes a value of `aisle.types.Filter`; indexes translate that value, never
the text. Knows products, no index. The language is described in docs/filters.md.
"""

from aisle.filters.fields import field_values, resolve, value_key
from aisle.filters.matching import matches
from aisle.filters.parse import parse_field, parse_filter, parse_sort
from aisle.filters.write import format_filter

__all__ = [
    "parse_filter",
    "parse_sort",
    "parse_field",
    "format_filter",
    "matches",
    "field_values",
    "resolve",
    "value_key",
]
