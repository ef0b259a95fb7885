"""Sizes that a query asks for: measures ("15.6 inch", 2米) and numbered sizes ("size 10", 42码).

A measure is looked for in the attributes that the catalogue measures with such units, within a tolerance. Knows facts
of a catalogue, no index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

from aisle.query.facts import UNCHECKABLE, CatalogueFacts, Measured
from aisle.query.measures import Measure, measures_in, window
from aisle.types import And, Compare, Filter, In, Or

NUMBERED = 0.9
"""How certain a numbered size is; set by judgement."""

_NUMBERED = regex.compile(
    r"\bsize\s(?P<number>\d{1,3}(?:\.5)?|[smlx]|x{1,4}[sl]|[2-6]xl)\b|(?<![\d.])(?P<number>\d{2,3}(?:\.5)?)\s?[码号](?!\p{Han}?机)",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Size:
    """A size, where the text says so."""

    start: int
    end: int
    filter: Filter
    certainty: float


def sizes_in(text: str, facts: CatalogueFacts) -> Iterator[Size]:
    """The sizes that a normalised text asks for."""
    for measure in measures_in(text):
        met = [(measured, part) for measured in facts.measured if (part := meets(measure, measured)) is not None]
        certainty = facts.units.get(measure.unit, max((m.agreement for m, _ in met), default=0.0))
        sure = certainty if met else UNCHECKABLE
        yield Size(measure.start, measure.end, _any([part for _, part in met]), sure)
    for match in _NUMBERED.finditer(text):
        numbered: list[Filter] = [Compare(name, "=", match["number"]) for name in facts.size_fields]
        yield Size(match.start(), match.end(), _any(numbered), NUMBERED if numbered else UNCHECKABLE)


def meets(measure: Measure, measured: Measured) -> Filter | None:
    """What an attribute's value has to be to meet a measure; None where it measures something else, or never so."""
    if measured.dimension != measure.dimension:
        return None
    low, high = window(measure, measured.unit)
    if measured.texts:
        near = tuple(text for text, number in measured.texts if low <= number <= high)
        return In(measured.field, near) if near else None
    return And((Compare(measured.field, ">=", round(low, 6)), Compare(measured.field, "<=", round(high, 6))))


def _any(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else Or(tuple(parts))
