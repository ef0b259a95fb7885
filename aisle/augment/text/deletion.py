"""Words left out. What that does to a grade depends on where: a shorter title is the same product.

filler     the best usb hub -> usb hub             keeps: the word named nothing
deletion   red usb hub -> usb hub                  unknown: the shopper asks for more than before, or for another thing
dropped    a tenth or more of a title's words      keeps: the grade is the product's, whatever its title leaves out
truncated  the end of a title cut off              keeps, for the same reason
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from aisle.augment.change import QUERIES, TITLES, Effect, Side
from aisle.augment.text.words import FILLERS, Word, pick, without, words

LEFT = 0.4
"""At least such a share of a title's words is left by `Truncated`."""
SHARE = 0.15
"""Of a title's words that `Dropped` leaves out, in the mean."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """One word left out, where at least one is left; a filler alone, where only those may go."""

    name: str = "deletion"
    effect: Effect = "unknown"
    sides: frozenset[Side] = QUERIES
    fillers: bool = False

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where no word can go."""
        found = words(text)
        if len(found) < 2:
            return None
        free = [word for word in found if (word.text.casefold() in FILLERS) == self.fillers]
        if self.fillers and len(free) == len(found):
            return None
        chosen: Word | None = pick(free, rng)
        return None if chosen is None else without(text, chosen)


@dataclass(frozen=True, slots=True)
class Dropped:
    """Some words of a title left out, one at least."""

    name: str = "dropped"
    effect: Effect = "keeps"
    sides: frozenset[Side] = TITLES

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where there are fewer than three words."""
        pieces = text.split()
        if len(pieces) < 3:
            return None
        gone = {at for at in range(len(pieces)) if rng.random() < SHARE} or {rng.randrange(len(pieces))}
        left = [piece for at, piece in enumerate(pieces) if at not in gone]
        return " ".join(left) or None


@dataclass(frozen=True, slots=True)
class Truncated:
    """The end of a title cut off at a blank, as pages and feeds do."""

    name: str = "truncated"
    effect: Effect = "keeps"
    sides: frozenset[Side] = TITLES

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where there are fewer than four words."""
        pieces = text.split()
        if len(pieces) < 4:
            return None
        least = max(2, round(LEFT * len(pieces)))
        return " ".join(pieces[: rng.randrange(least, len(pieces))])
