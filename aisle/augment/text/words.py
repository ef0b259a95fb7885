"""Words of a text with where they stand, and which of them a change may touch. Knows no change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

import regex

T = TypeVar("T")
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’.\-][\p{L}\p{M}\p{N}]+)*")
"""Letters and digits, also around a hyphen, an apostrophe or a point: "t-shirt", "men's", "2.5"."""
_LATIN = regex.compile(r"\p{Latin}+")
_SIBILANT = regex.compile(r"(?i)(?:s|x|z|ch|sh)$")
_CONSONANT_Y = regex.compile(r"(?i)[^aeiou]y$")
BINDING = frozenset(
    {"for", "with", "without", "to", "of", "from", "in", "on", "by", "and", "or", "not", "no", "non", "vs", "under"}
    | {"over", "above", "below", "between", "at", "plus", "except", "than", "like"}
)
"""Words that say how those beside them belong together: "usb to hdmi" is no "hdmi to usb"."""
FILLERS = frozenset(
    {"a", "an", "the", "some", "any", "my", "your", "please", "best", "buy", "cheap", "good", "great", "online", "new"}
    | {"sale", "shop", "store"}
)
"""Words of a query that name nothing of a product."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: its letters and where they begin."""

    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.start + len(self.text)


def words(text: str) -> list[Word]:
    """All words in their order."""
    return [Word(found.group(), found.start()) for found in WORD.finditer(text)]


def spelled(text: str, least: int) -> list[Word]:
    """Words of at least so many Latin letters and nothing else: codes, sizes and other scripts are left alone."""
    return [word for word in words(text) if len(word.text) >= least and _LATIN.fullmatch(word.text)]


def replaced(text: str, word: Word, by: str) -> str:
    """The text with another word in this place."""
    return text[: word.start] + by + text[word.end :]


def without(text: str, word: Word) -> str:
    """The text without a word, and without the blank that parted it from the one before or after."""
    before, after = text[: word.start], text[word.end :]
    if before.endswith(" ") and (not after or after.startswith(" ")):
        before = before[:-1]
    return (before + after).strip()


def pick(values: Sequence[T], rng: Random) -> T | None:
    """One of them; None of none."""
    return rng.choice(values) if values else None


def plural(word: str) -> str:
    """An English word that is no plural in the plural: battery and batteries, box and boxes."""
    if _CONSONANT_Y.search(word):
        return word[:-1] + "ies"
    return word + ("es" if _SIBILANT.search(word) else "s")
