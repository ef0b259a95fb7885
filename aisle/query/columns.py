"""What each attribute of a catalogue holds: colours, sizes, truth values, a few kinds of thing, or free text.

Told by its values first and its name second. Knows counts of values, no titles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import regex

from aisle.query.concepts import Concepts
from aisle.types import Scalar

Holds = Literal["colour", "size", "flag", "kind", "other"]

MAX_VALUES = 2_000
"""Of one attribute so many different texts are counted; beyond it only the more frequent half goes on."""
MAX_LENGTH = 60
MAX_KINDS = 300
"""An attribute of more different texts than this does not say what kind a product is."""
BY_NAME, BY_VALUES = 0.2, 0.5
"""Shares of products whose value is a colour from which an attribute holds colours: one named so, any other."""
MIN_COLOURS = 4

_WORD = regex.compile(r"\p{Han}+|\p{Latin}+")
_LETTER = regex.compile(r"\p{L}")


@dataclass(slots=True)
class Column:
    """Counts over the products that have an attribute."""

    products: int = 0
    numbers: int = 0
    true: int = 0
    false: int = 0
    long: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    overflown: bool = False

    def add(self, values: Iterable[Scalar]) -> None:
        """Count one product's values."""
        self.products += 1
        for value in values:
            if isinstance(value, bool):
                self.true += value
                self.false += not value
            elif not isinstance(value, str):
                self.numbers += 1
            elif len(value) > MAX_LENGTH:
                self.long += 1
            else:
                self.texts[value] += 1
        if len(self.texts) > MAX_VALUES:
            self.texts = Counter(dict(self.texts.most_common(MAX_VALUES // 2)))
            self.overflown = True


def holds(name: str, column: Column, concepts: Concepts) -> Holds:
    """What an attribute of this name with these values holds."""
    if column.true + column.false > column.products / 2:
        return "flag"
    words = name_words(name)
    texts = {text: n for text, n in column.texts.items() if _LETTER.search(text)}
    total = sum(texts.values())
    if total <= column.products / 2 and not any(map(concepts.means_size, words)):
        return "other"
    colours = {text: n for text, n in texts.items() if concepts.is_colour_value(text)}
    share = sum(colours.values()) / total if total else 0.0
    if any(map(concepts.means_colour, words)) and share >= BY_NAME:
        return "colour"
    if share >= BY_VALUES and len(colours) >= max(MIN_COLOURS, BY_VALUES * len(texts)):
        return "colour"
    if any(map(concepts.means_size, words)):
        return "size"
    free = column.overflown or len(texts) > MAX_KINDS or column.long > total
    return "other" if free else "kind"


def name_words(name: str) -> list[str]:
    """The words of an attribute's name: ``product_colour`` is product and colour."""
    return _WORD.findall(name.replace("_", " "))
