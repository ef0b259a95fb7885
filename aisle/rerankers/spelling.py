"""Words of a query that no text of the shop has, spelt as the shop spells them: slips, lost blanks, blanks too many.

    wireles mouse -> wireless mouse     wirelessmouse -> wireless mouse     head phones -> headphones

Knows how many texts carry each word, and nothing else: what the shop has is right, however it is spelt. Words with
digits, of other scripts, or shorter than four letters stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import regex
from rapidfuzz import process
from rapidfuzz.distance import OSA

LEAST = 4
"""Letters of a word that is corrected, and of one that is corrected to."""
TWO_EDITS = 7
"""Letters of a word that may be two edits away."""
PART = 3
"""Letters of each half of what lost its blank."""
CARRIERS = 2
"""Texts that have a word: one alone may be a slip itself."""
_LATIN = regex.compile(r"\p{Latin}+")


class Speller:
    """Corrects queries for one shop.

    Args:
        carriers: Word, in small letters, to how many texts have it.
    """

    def __init__(self, carriers: Mapping[str, int]) -> None:
        self._carriers = carriers
        self._known: dict[str, list[str]] = defaultdict(list)
        for word, count in carriers.items():
            if count >= CARRIERS and len(word) >= LEAST and _LATIN.fullmatch(word):
                self._known[word[0]].append(word)
        self._all = [word for words in self._known.values() for word in words]

    def corrected(self, query: str) -> str:
        """The query, with words that the shop lacks in its spelling where there is a near one."""
        words = query.split()
        found: list[str] = []
        at = 0
        while at < len(words):
            word = words[at]
            if at + 1 < len(words) and self._torn(word, words[at + 1]):
                found.append(word + words[at + 1])
                at += 2
                continue
            found.append(self._word(word))
            at += 1
        return " ".join(found)

    def _count(self, word: str) -> int:
        """Texts with the word, or with its singular or plural."""
        forms = [word.removesuffix("s"), word.removesuffix("es")] if word.endswith("s") else [f"{word}s", f"{word}es"]
        return max(self._carriers.get(form, 0) for form in (word, *forms))

    def _torn(self, one: str, other: str) -> bool:
        """Whether two pieces are one word of the shop, and one of them alone is none."""
        if not (_LATIN.fullmatch(one) and _LATIN.fullmatch(other)):
            return False
        pieces = min(self._count(one.lower()), self._count(other.lower()))
        return not pieces and self._count((one + other).lower()) >= CARRIERS

    def _word(self, word: str) -> str:
        small = word.lower()
        if len(small) < LEAST or not _LATIN.fullmatch(small) or self._count(small):
            return word
        halves = self._halves(small)
        near = self._near(small, 1)
        if halves and (near is None or self._count(near) < min(map(self._count, halves))):
            return " ".join(halves)
        if near is None and len(small) >= TWO_EDITS:
            near = self._near(small, 2)
        return near or word

    def _halves(self, word: str) -> tuple[str, str] | None:
        """Two words of the shop that it is without the blank; of several the split whose rarer word is commonest."""
        splits = [(word[:at], word[at:]) for at in range(PART, len(word) - PART + 1)]
        count, best = max(((min(map(self._count, split)), split) for split in splits), default=(0, ("", "")))
        return best if count >= CARRIERS else None

    def _near(self, word: str, edits: int) -> str | None:
        """The commonest word so many edits away (letters more, less, others, two swapped); the first letter counts."""
        among = self._known.get(word[0], []) if edits == 1 else self._all
        close = process.extract(word, among, scorer=OSA.distance, score_cutoff=edits, limit=20)
        if not close and edits == 1:
            close = process.extract(word, self._all, scorer=OSA.distance, score_cutoff=edits, limit=20)
        return max((name for name, _, _ in close), key=lambda name: (self._carriers[name], name), default=None)
