"""A brand left out, or another one in its place.

    brand-dropped  of a query: unknown. What fitted still fits, but products of other brands, which were wrong before,
                   may fit now, and only a judge can say which. Of a title: keeps, the product is the same.
    brand-swapped  of a query: lowers. A product of the brand that was asked for is no exact match any more. What it
                   says of a product of the new brand nobody knows: `aisle.augment.augment` leaves such pairs out.
                   A title with another brand is a lie about the product: never.

Needs the catalogue's brands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import regex

from aisle.augment.change import Effect, Side
from aisle.augment.text.words import Word, pick, replaced, without


@dataclass(frozen=True, slots=True)
class Brands:
    """Brand names of a shop; a longer one is found before a shorter one inside it.

    Attributes:
        names: As they are written.
    """

    names: Sequence[str]

    def found(self, text: str) -> list[Word]:
        """The brands in a text, whole words only, whatever the case."""
        if not self.names:
            return []
        longest = sorted(self.names, key=lambda name: (-len(name), name))
        pattern = regex.compile(
            r"(?<![\p{L}\p{N}])(?:" + "|".join(map(regex.escape, longest)) + r")(?![\p{L}\p{N}])", regex.IGNORECASE
        )
        return [Word(hit.group(), hit.start()) for hit in pattern.finditer(text)]


@dataclass(frozen=True, slots=True)
class BrandDropped:
    """The brand left out of a query or a title.

    Attributes:
        brands: Of the shop.
        side: Which of the two; it decides the effect.
    """

    brands: Brands
    side: Side
    name: str = "brand-dropped"

    @property
    def effect(self) -> Effect:
        """By the side."""
        return "unknown" if self.side == "query" else "keeps"

    @property
    def sides(self) -> frozenset[Side]:
        """The one side."""
        return frozenset({self.side})

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where there is no brand, or nothing else."""
        found = pick(self.brands.found(text), rng)
        return None if found is None else without(text, found) or None


@dataclass(frozen=True, slots=True)
class BrandSwapped:
    """Another brand of the shop in place of the one that a query asks for."""

    brands: Brands
    name: str = "brand-swapped"
    effect: Effect = "lowers"
    sides: frozenset[Side] = frozenset({"query"})

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where there is no brand, or no other."""
        found = pick(self.brands.found(text), rng)
        if found is None:
            return None
        others = [name for name in self.brands.names if name.casefold() != found.text.casefold()]
        other = pick(others, rng)
        return None if other is None else replaced(text, found, other.lower() if found.text.islower() else other)
