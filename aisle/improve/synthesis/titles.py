"""What a catalogue's titles say of their words: how many have each, where in a title it stands.

    "Cuisinart Coffee Maker, 12 Cups"    maker ends a piece of the title, cuisinart begins it

Knows titles, no queries and no model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import regex
from numpy.typing import NDArray

from aisle.indexes.segment import icu_words
from aisle.language.script import has_han
from aisle.query.keys import key_of

_PIECES = regex.compile(r"[,;:|/()\[\]{}，；：、（）【】。!！]+|\s[-–—]+\s|[-–—]+(?=\s|$)")
FEATURES = ("rarity", "rarity^2", "ends", "begins", "number", "letters")
"""What is known of a word, beside a constant."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a title: folded, with its key, and whether it begins or ends a piece between punctuation marks."""

    text: str
    key: str
    begins: bool
    ends: bool


def words_in(text: str) -> list[Word]:
    """The words of a title or a query, in order; single Latin letters are none."""
    found = []
    for piece in _PIECES.split(text):
        words = [(word, key) for word in icu_words(piece) if (key := key_of(word)) and (len(key) > 1 or has_han(key))]
        last = len(words) - 1
        found += [Word(word, key, place == 0, place == last) for place, (word, key) in enumerate(words)]
    return found


@dataclass(frozen=True, slots=True)
class TitleStatistics:
    """Counts over titles, each distinct one once.

    Attributes:
        titles: How many.
        carriers: Titles that have a word, by key.
        ends: Of its occurrences, how many end a piece of a title.
        begins: How many begin the title.
        occurrences: How many there are.
        beside: How often two words follow each other.
    """

    titles: int
    carriers: Counter[str]
    ends: Counter[str]
    begins: Counter[str]
    occurrences: Counter[str]
    beside: Counter[tuple[str, str]]

    @classmethod
    def of(cls, titles: Iterable[list[Word]]) -> TitleStatistics:
        """Count the words of titles."""
        carriers, ends, begins, occurrences = (Counter[str]() for _ in range(4))
        beside: Counter[tuple[str, str]] = Counter()
        many = 0
        for words in titles:
            many += 1
            carriers.update({word.key for word in words})
            occurrences.update(word.key for word in words)
            ends.update(word.key for word in words if word.ends)
            begins.update(word.key for word in words[:1])
            beside.update((one.key, other.key) for one, other in pairwise(words) if not one.ends)
        return cls(many, carriers, ends, begins, occurrences, beside)

    def features(self, key: str) -> NDArray[np.float64]:
        """What is known of a word, ``(len(FEATURES),)``; shares are drawn to a half of what few occurrences say."""
        count = self.occurrences[key]
        rarity = math.log((self.titles + 1) / (self.carriers[key] + 0.5)) / math.log(self.titles + 2)
        digits = sum(letter.isdigit() for letter in key) / len(key)
        return np.array(
            [
                rarity,
                rarity**2,
                (self.ends[key] + 0.5) / (count + 2),
                (self.begins[key] + 0.5) / (count + 2),
                digits,
                min(len(key), 12) / 12,
            ]
        )

    def rarity(self, key: str) -> float:
        """Inverse document frequency, above 0."""
        return math.log1p((self.titles - self.carriers[key] + 0.5) / (self.carriers[key] + 0.5))
