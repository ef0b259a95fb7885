"""What a query means before anything is searched: one script, the catalogue's own words, other names for them.

    無線耳機 -> 无线耳机      simplified
    首机 -> 手机              the catalogue's word of that sound
    手机 + cell phone         other names, where the catalogue has them

Knows what a catalogue says of its words, no index and no encoder.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from aisle.language.chinese import simplify
from aisle.language.lexicon import Lexicon
from aisle.language.names import fold_name, other_numbers
from aisle.language.pinyin import correct
from aisle.language.script import has_han
from aisle.language.synonyms import Synonyms
from aisle.words import CatalogueWords, Expansion

MAX_CHARACTERS = 120
"""A longer text describes more than it names: it is simplified, and searched as it stands."""
MAX_EXPANSIONS = 24
"""More other names than this in one query are left out; each is searched in every field."""


@dataclass(frozen=True, slots=True)
class Understood:
    """The text to search for, what was corrected in it, and other names to search for beside it."""

    text: str
    corrections: tuple[str, ...] = ()
    expansions: tuple[Expansion, ...] = ()


class Understanding:
    """Understands queries for one catalogue.

    Args:
        words: What the catalogue says of its words.
        lexicon: Names that are general knowledge.
        synonyms: The shop's own rules; they go before the lexicon.
        pinyin: Whether words may be corrected by their sound.
        expansion_weight: What the lexicon's other names of a thing count together beside its own, where the catalogue
            has that; 0 leaves them out.
        synonym_weight: The same of the shop's own rules.
    """

    def __init__(
        self,
        words: CatalogueWords,
        lexicon: Lexicon,
        synonyms: Synonyms,
        *,
        pinyin: bool,
        expansion_weight: float,
        synonym_weight: float,
    ) -> None:
        self.words = words
        self.lexicon = lexicon
        self.synonyms = synonyms
        self.pinyin = pinyin
        self.expansion_weight = expansion_weight
        self.synonym_weight = synonym_weight

    def read(self, text: str) -> Understood:
        """Understand a normalised query."""
        text = simplify(text)
        if len(text) > MAX_CHARACTERS:
            return Understood(text)
        corrected: tuple[str, ...] = ()
        if self.pinyin:
            text, corrected = correct(text, self.words, self._has_meaning)
        return Understood(text, corrected, self._expansions(text))

    def _has_meaning(self, word: str) -> bool:
        return word in self.lexicon

    def _expansions(self, text: str) -> tuple[Expansion, ...]:
        own = self.synonyms.expansions(text) if self.synonym_weight else ()
        general = self.lexicon.expansions(text) if self.expansion_weight else ()
        ruled = {fold_name(expansion.because) for expansion in own}
        free = (expansion for expansion in general if fold_name(expansion.because) not in ruled)
        found = [
            *self._weighed(self._there(own, text), self.synonym_weight),
            *self._weighed(self._there(free, text), self.expansion_weight),
        ]
        return tuple(found[:MAX_EXPANSIONS])

    def _there(self, expansions: Iterable[Expansion], text: str) -> list[Expansion]:
        """Those that the catalogue has and the query has not, in the number (cable, cables) that it has."""
        query = f" {fold_name(text)} "
        asked: list[tuple[str, Expansion]] = []
        for expansion in expansions:
            name = expansion.name
            for form in (name, *other_numbers(name)) if expansion.language in ("en", "") else (name,):
                folded = fold_name(form)
                if (f" {folded} " if folded.isascii() else folded) not in query:
                    asked.append((folded, replace(expansion, name=form)))
        had = self.words.having({expansion.name for _, expansion in asked})
        found: dict[tuple[str, str], Expansion] = {}
        for folded, expansion in asked:
            if expansion.name in had:
                found.setdefault((folded, expansion.because), expansion)
        return list(found.values())

    def _weighed(self, expansions: list[Expansion], weight: float) -> list[Expansion]:
        """With their final weights: the other names of one thing share it, so that all of them count less than its own.

        What the catalogue has under other names only has nothing to stand above them: there they share the weight of a
        word. It has a Chinese word also where a title has its words apart (耳机 无线). The lexicon's come with the most
        usual one first, and the nth of a language counts 1/sqrt(n) of its share.
        """
        names = Counter(expansion.because for expansion in expansions)
        forms = {name: (name, *other_numbers(fold_name(name)), *self._apart(name)) for name in names}
        known = self.words.having({form for several in forms.values() for form in several})
        had = {name for name, several in forms.items() if any(form in known for form in several)}
        places: Counter[tuple[str, str]] = Counter()
        found = []
        for one in expansions:
            places[one.because, one.language] += 1
            share = (weight if one.because in had else 1.0) / names[one.because]
            place = places[one.because, one.language] if one.language else 1  # a shop's own names are all alike
            weighed = share * one.weight / math.sqrt(place)
            found.append(replace(one, weight=weighed, instead=one.because not in had))
        return found

    def _apart(self, name: str) -> tuple[str, ...]:
        """A Chinese word as the words that it is made of, where none is a single character: those find too much."""
        words = self.words.cut(name) if has_han(name) else ()
        return (" ".join(words),) if len(words) > 1 and all(len(word) > 1 for word in words) else ()


def told(expansions: Iterable[Expansion]) -> tuple[str, ...]:
    """Other names for people to read, by what they are names of: "手机 also as cell phone, mobile phone"."""
    names: dict[str, list[str]] = {}
    for expansion in expansions:
        names.setdefault(expansion.because, []).append(expansion.name)
    return tuple(f"{because} also as {', '.join(others)}" for because, others in names.items())
