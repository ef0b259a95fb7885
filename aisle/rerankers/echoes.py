"""Queries that sellers set behind titles so that these are found by them, told from titles that end so by themselves.

    Logitech M185 mouse ink cartridge  ->  Logitech M185 mouse      HP 301 black ink cartridge stays

A title ends with a query by itself where the shop writes so: where the last word before it and its first word stand
side by side in other titles, too, or where no title ends with that last word. Knows words, no grades and no model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from aisle.indexes import segment

TEXTS = 2
"""Texts of the shop that must have a word, or two side by side: one alone may be the seller's doing."""


@dataclass(frozen=True)
class Echoes:
    """Takes queries off the ends of texts.

    Attributes:
        follow: Word to the words that follow it in ``TEXTS`` texts of the shop or more.
        inner: Words that as many texts have, and with which none ends.
    """

    follow: Mapping[str, frozenset[str]]
    inner: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Echoes:
        """Learn how a shop writes; a text that comes several times counts once."""
        pairs: Counter[tuple[str, str]] = Counter()
        words: Counter[str] = Counter()
        ends: set[str] = set()
        for text in dict.fromkeys(texts):
            tokens = segment.product_tokens(text)
            pairs.update(set(pairwise(tokens)))
            words.update(set(tokens))
            ends.update(tokens[-1:])
        follow = defaultdict(set)
        for (word, other), texts_with in pairs.items():
            if texts_with >= TEXTS:
                follow[word].add(other)
        inner = frozenset(word for word, texts_with in words.items() if texts_with >= TEXTS and word not in ends)
        return cls({word: frozenset(others) for word, others in follow.items()}, inner)

    def without(self, query: str, text: str) -> str:
        """The text without the query at its end, as often as it stands there; or as it is, where the shop writes so.

        What a text begins with stays, and so does a query before which no blank stands, as in Chinese: 红色手机壳 ends
        with its own noun. Blanks are made single where something is taken away.
        """
        asked, left = " ".join(query.lower().split()), " ".join(text.split())
        whole = left
        while asked and left.lower().endswith(f" {asked}") and len(left.lower()) == len(left):
            rest = left[: -len(asked)].rstrip()
            if self._usual(rest, query):
                break
            left = rest
        return text if left == whole else left

    def _usual(self, left: str, query: str) -> bool:
        """Whether the shop ends titles so; what says the query twice is not its way."""
        before, asked = segment.product_tokens(left), segment.product_tokens(query)
        if not before or not asked or set(asked) <= set(before):
            return False
        return before[-1] in self.inner or asked[0] in self.follow.get(before[-1], ())
