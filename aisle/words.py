"""The nouns of understanding a query: what a catalogue knows of words, and other names for what was asked.

Values and a protocol; nothing here reads files or knows a language.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Expansion:
    """Another name for something in a query, searched beside the query's own words.

    ``language`` is "zh", "en", "ja", "es" or "" where nothing says. ``weight`` from 0 to 1 is what the name counts
    beside the words it stands for. ``because`` is the part of the query that it is a name of; ``instead`` says that the
    catalogue lacks that.
    """

    name: str
    language: str
    weight: float
    because: str
    instead: bool = False


@dataclass(frozen=True, slots=True)
class Sounding:
    """A Chinese word of a catalogue, about how many times the catalogue has it, and whether that is often."""

    word: str
    count: int
    frequent: bool


class CatalogueWords(Protocol):
    """What a catalogue can say of its words."""

    def cut(self, text: str) -> Sequence[str]:
        """The words of Chinese text as a general dictionary cuts it; joined they are the text."""
        ...

    def has(self, text: str) -> bool:
        """Whether some product has all words, and all pairs of neighbouring Chinese characters, in one field.

        True for text without words.
        """
        ...

    def having(self, texts: Collection[str]) -> Collection[str]:
        """Those of these texts that ``has`` is true of."""
        ...

    def has_word(self, word: str) -> bool:
        """Whether this is one of the Chinese words that ``sounding`` knows."""
        ...

    def sounding(self, sound: str, *, loosely: bool = False) -> Sequence[Sounding]:
        """The catalogue's Chinese words that sound like this, the most frequent first.

        Args:
            sound: Toneless pinyin without blanks: "shouji"; with ``loosely`` what ``loose`` makes of it.
            loosely: Compare what is left when sounds that are often confused are one.
        """
        ...
