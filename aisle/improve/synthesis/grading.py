"""What grade a product deserves for a made query, by rules that anybody can check; None where none of them is sure.

    "nike shoes" made from a Nike shoe:    itself 3, another Nike shoe 3, an Adidas shoe 1 (changed: brand), a rack 0

Knows names and words of titles; no index and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from aisle.augment.change import Effect
from aisle.improve.synthesis.parts import Names
from aisle.improve.synthesis.templates import Made
from aisle.improve.synthesis.titles import TitleStatistics, Word
from aisle.language.names import other_numbers
from aisle.query.constraint import Kind
from aisle.types import Product

TOP = 3.0
"""The grade of the product that a query was made from."""
LOWERED: Mapping[Kind, float] = MappingProxyType(
    {"brand": 2.0, "colour": 1.0, "size": 1.0, "attribute": 1.0, "compatible": 3.0, "category": 2.0}
)
"""By how much the grade falls where a product of the right kind is another in this. What does not fit is of no use."""
_SOME = 0.5
"""Of the words' rarity so much makes a product related, and less than 1 - `_SOME` of it unrelated."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A product for a query.

    Attributes:
        place: Of the product.
        grade: From 0 to `TOP`.
        how: Which rule gave it: "own", "meets", "changed:brand", "partial", "unrelated".
        effect: On the grade, beside that of the product that the query was made from.
    """

    place: int
    grade: float
    how: str
    effect: Effect


class Grader:
    """Grades products for made queries.

    Args:
        products: Of the catalogue.
        titles: Their words.
        names: Of the catalogue's values.
        statistics: Of the titles.
    """

    def __init__(
        self,
        products: Sequence[Product],
        titles: Sequence[Sequence[Word]],
        names: Names,
        statistics: TitleStatistics,
    ) -> None:
        self.products, self.names, self.statistics = products, names, statistics
        self._keys = [frozenset(word.key for word in title) for title in titles]

    def grade(self, made: Made, place: int) -> Graded | None:
        """Grade a product; None where it is not known whether it is what the query names."""
        if place == made.place:
            return Graded(place, TOP, "own", "keeps")
        share = self._share(made, place)
        verdicts = [(part, self.names.has(self.products[place], part)) for part in made.parts]
        others = [part for part, has in verdicts if has is False]
        if share == 1.0:
            if any(has is None for _, has in verdicts):
                return None
            if not others:
                return Graded(place, TOP, "meets", "keeps")
            if len(others) == 1:
                kind = others[0].kind
                return Graded(place, max(0.0, TOP - LOWERED.get(kind, 1.0)), f"changed:{kind}", "lowers")
            return Graded(place, 0.0, "changed:several", "lowers")
        if share >= _SOME and not others:
            return Graded(place, 1.0, "partial", "lowers")
        if share < 1 - _SOME and (others or not made.parts):
            return Graded(place, 0.0, "unrelated", "lowers")
        return None

    def _share(self, made: Made, place: int) -> float:
        """How much of the words' rarity a product's title has; 1 where the query has no words but names."""
        keys = self._keys[place]
        total = found = 0.0
        for key in dict.fromkeys(made.words):
            rarity = self.statistics.rarity(key)
            total += rarity
            found += rarity if key in keys or any(form in keys for form in other_numbers(key)) else 0.0
        return found / total if total else 1.0
