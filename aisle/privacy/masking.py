"""Personal data in free text, found and replaced: before a query, an event or a log line is written anywhere.

Rules with check digits and context words, no model: the same text gives the same result on every machine. What each
kind covers and how often it errs: docs/privacy.md.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Mapping

from aisle.privacy.addresses import postal
from aisle.privacy.documents import documents
from aisle.privacy.finding import KINDS, Finding
from aisle.privacy.internet import addresses_of_machines, emails
from aisle.privacy.numbers import numbers
from aisle.privacy.reading import read

_SOURCES = (emails, documents, numbers, addresses_of_machines, postal)
_PIECE = 4_000
_OVERLAP = 200


def find_personal(text: str) -> tuple[Finding, ...]:
    """All personal data in a text, in order, without overlaps; spans count the characters of ``text`` as given."""
    if len(text) > _PIECE:
        return _in_pieces(text)
    return _without_overlaps(_found(text))


def mask(text: str) -> str:
    """The text with each finding replaced by its kind in angle brackets, such as ``<email>``."""
    parts, place = [], 0
    for found in find_personal(text):
        parts += [text[place : found.start], f"<{found.kind}>"]
        place = found.end
    return "".join([*parts, text[place:]])


def mask_values(value: object) -> object:
    """The same JSON-like value with every string in it masked; keys, numbers and the rest stay."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: mask_values(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [mask_values(entry) for entry in value]
    return value


def _found(text: str) -> Iterable[Finding]:
    reading = read(text)
    for source in _SOURCES:
        for found in source(reading.text):
            start, end = reading.source(found.start, found.end)
            yield Finding(start, end, found.kind)


def _in_pieces(text: str) -> tuple[Finding, ...]:
    """A long text piece by piece, so that the time grows with its length; pieces overlap by more than any finding."""
    found: list[Finding] = []
    for begin in range(0, len(text), _PIECE - _OVERLAP):
        found += [Finding(begin + one.start, begin + one.end, one.kind) for one in _found(text[begin : begin + _PIECE])]
    return _without_overlaps(found)


def _without_overlaps(found: Iterable[Finding]) -> tuple[Finding, ...]:
    starts: list[int] = []
    kept: list[Finding] = []
    for one in sorted(set(found), key=lambda one: (KINDS.index(one.kind), one.start - one.end, one.start)):
        place = bisect(starts, one.start)
        free = (place == 0 or kept[place - 1].end <= one.start) and (place == len(kept) or one.end <= starts[place])
        if free:
            starts.insert(place, one.start)
            kept.insert(place, one)
    return tuple(kept)
