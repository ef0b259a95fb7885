"""The highest rating that a catalogue's own scale can have, from its first rows. Knows rows and columns only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aisle.catalogue.columns import ColumnMap
from aisle.catalogue.rows import Row
from aisle.catalogue.values import to_number

SCALES = (5.0, 10.0, 100.0)
"""Usual ends of a scale of ratings."""
STRAY = 0.02
"""So large a share of the ratings may be slips, and one in any case where three others are for it."""


def highest_rating(columns: ColumnMap, sample: Sequence[Row]) -> float:
    """The end of the least usual scale that all ratings but a few slips keep to; infinite where none is.

    Args:
        columns: Of the file.
        sample: Its first rows.
    """
    column = columns.column("rating")
    found = [to_number(row.values.get(column)) for row in sample if row.values] if column is not None else []
    ratings = [rating for rating in found if rating is not None and rating >= 0]
    for highest in SCALES:
        above = sum(rating > highest for rating in ratings)
        if above <= max(1, STRAY * len(ratings)) and 4 * above <= len(ratings):
            return highest if ratings else math.inf
    return math.inf
