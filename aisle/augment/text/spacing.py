"""Blanks lost and blanks too many: "wirelessmouse", "head phones". Codes and other scripts are left alone.

The grade keeps. Knows no dictionary: which words people write as one it cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from random import Random

from aisle.augment.change import BOTH, Effect, Side
from aisle.augment.text.words import Word, pick, replaced, spelled, words

LEAST = 2
"""Letters of a word that is run into the next one."""
PART = 3
"""Letters of each half of a word that is torn apart."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The blank between two words lost, or all of them, once in three times."""

    name: str = "joined"
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where no two words stand beside one another."""
        found = words(text)
        pairs = [(one, other) for one, other in pairwise(found) if _beside(text, one, other)]
        chosen = pick(pairs, rng)
        if chosen is None:
            return None
        if rng.random() < 1 / 3 and len(pairs) == len(found) - 1 and len(found) <= 4:
            return "".join(word.text for word in found)
        one, other = chosen
        return text[: one.end] + text[other.start :]


@dataclass(frozen=True, slots=True)
class Torn:
    """A long word in two: "headphones" -> "head phones", "headp hones"."""

    name: str = "torn"
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where no word is long enough."""
        word = pick(spelled(text, 2 * PART), rng)
        if word is None:
            return None
        at = rng.randrange(PART, len(word.text) - PART + 1)
        return replaced(text, word, f"{word.text[:at]} {word.text[at:]}")


def _beside(text: str, one: Word, other: Word) -> bool:
    apart = text[one.end : other.start]
    return apart == " " and all(len(word.text) >= LEAST and word.text.isalpha() for word in (one, other))
