"""Autocomplete from the catalogue's own categories, brands, words and titles, in every script it is written in.

What was typed is cut into words; all but the last must be in a suggestion, the last may go on. Chinese is found by any
character of it, by pinyin ("shou", "shouji") and by the initials of its pinyin ("sj"). Suggestions are numbered from
the best on, so that the least numbers among the postings are the answer. Knows products, no index.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import regex
from numpy.typing import NDArray

from aisle.language.normalise import normalise
from aisle.language.pinyin import syllables
from aisle.language.script import has_han
from aisle.types import Product

Kind = Literal["category", "brand", "words", "product"]
Ids = NDArray[np.int32]
MAX_TYPED = 100
MAX_WORDS = 8
MAX_HAN = 8
"""Characters of a Chinese run that are found from any place in it; of a longer one its first places only."""
PHRASE_WORDS = (2, 3)
MIN_PHRASE = 3
"""So many titles have a phrase that is suggested."""
MAX_TITLES = 200_000
_WEIGHTS: Mapping[Kind, float] = {"category": 4.0, "brand": 3.0, "words": 1.0, "product": 0.0}
_WORD = regex.compile(r"\p{Han}+|[\p{L}\p{N}\p{M}]+")
_PLAIN = regex.compile(r"[\p{L}\p{M}]{2,}|\p{Han}+")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What may have been meant; ``count`` products are behind it, ``id`` is that of a product."""

    text: str
    kind: Kind
    count: int
    id: str = ""


class Suggestions:
    """Suggestions for what was typed so far.

    Args:
        products: The catalogue; read once.
    """

    def __init__(self, products: Iterable[Product]) -> None:
        self._all = _ordered(products)
        postings: dict[str, list[int]] = {}
        for number, suggestion in enumerate(self._all):
            for word in _keys(suggestion.text):
                postings.setdefault(word, []).append(number)
        self._words = sorted(postings)
        self._postings: list[Ids] = [np.array(postings[word], np.int32) for word in self._words]
        self._of_prefix = lru_cache(1_024)(self._find_prefix)  # short ones are asked by everybody, and have the most

    @property
    def known(self) -> Any:
        """``hits``, ``misses`` and ``currsize`` of the beginnings that are remembered."""
        return self._of_prefix.cache_info()

    def __len__(self) -> int:
        return len(self._all)

    def find(self, typed: str, limit: int = 10) -> list[Suggestion]:
        """The best suggestions for what was typed; nothing for nothing."""
        words = _words(normalise(typed[:MAX_TYPED]).casefold())[:MAX_WORDS]
        if not words or limit < 1:
            return []
        *whole, last = words
        numbers = self._of_prefix(last)
        for word in whole:
            numbers = np.intersect1d(numbers, self._exactly(word), assume_unique=True)
        found: list[Suggestion] = []
        seen: set[str] = set()
        for number in numbers.tolist():
            suggestion = self._all[number]
            key = suggestion.text.casefold()
            if key not in seen:
                seen.add(key)
                found.append(suggestion)
            if len(found) == limit:
                break
        return found

    def _exactly(self, word: str) -> Ids:
        at = bisect_left(self._words, word)
        there = at < len(self._words) and self._words[at] == word
        return self._postings[at] if there else np.empty(0, np.int32)

    def _find_prefix(self, prefix: str) -> Ids:
        start, end = bisect_left(self._words, prefix), bisect_left(self._words, prefix + "\U0010ffff")
        return np.unique(np.concatenate(self._postings[start:end])) if end > start else np.empty(0, np.int32)


def _ordered(products: Iterable[Product]) -> list[Suggestion]:
    """All suggestions, the best first: by kind, by how many products are behind them, then by text."""
    categories: Counter[str] = Counter()
    brands: Counter[str] = Counter()
    phrases: Counter[str] = Counter()
    spelt: dict[str, str] = {}
    titles: dict[str, str] = {}
    for product in products:
        for depth, name in enumerate(product.category):
            if name.strip():
                categories[name] += 1 + (depth + 1 == len(product.category))
        if product.brand.strip():
            brands[product.brand] += 1
        for phrase in set(_phrases(product.title)):
            phrases[phrase.casefold()] += 1
            spelt.setdefault(phrase.casefold(), phrase)
        if len(titles) < MAX_TITLES:
            titles.setdefault(product.title, product.id)
    found = [
        *(Suggestion(text, "category", count) for text, count in categories.items()),
        *(Suggestion(text, "brand", count) for text, count in brands.items()),
        *(Suggestion(spelt[key], "words", n) for key, n in phrases.items() if n >= MIN_PHRASE),
        *(Suggestion(text, "product", 1, product_id) for text, product_id in titles.items()),
    ]
    return sorted(found, key=lambda one: (-_WEIGHTS[one.kind] - np.log1p(one.count), len(one.text), one.text))


def _phrases(title: str) -> Iterator[str]:
    """Two and three neighbouring words of a title, without numbers: what products of a kind are called."""
    words = [match[0] for match in _WORD.finditer(title)][:16]
    for size in PHRASE_WORDS:
        for at in range(len(words) - size + 1):
            part = words[at : at + size]
            if all(_PLAIN.fullmatch(word) for word in part) and len(set(part)) == size:
                yield " ".join(part)


def _words(text: str) -> list[str]:
    return [match[0] for match in _WORD.finditer(text)]


def _keys(text: str) -> set[str]:
    """Everything that a suggestion is found by."""
    found: set[str] = set()
    for word in _words(normalise(text).casefold()):
        if not has_han(word):
            found.add(word)
            continue
        for at in range(min(len(word), MAX_HAN)):
            found.add(word[at:])
        sounds = syllables(word[: 2 * MAX_HAN])
        for at in range(min(len(sounds), MAX_HAN)):
            found.add("".join(sounds[at:]))
            found.add("".join(sound[:1] for sound in sounds[at:]))
    return found
