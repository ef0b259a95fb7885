"""Where a product's texts have the query's words: ranges, so that whoever shows them decides how. Knows no HTML."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import regex

from aisle.indexes.segment import icu_words
from aisle.language.script import has_han
from aisle.types import Product

FRAGMENT = 200
"""Characters of a description that are shown, around the first word found."""
_WORD = regex.compile(r"\p{Han}+|[\p{L}\p{N}\p{M}]+")


def words_to_mark(texts: Iterable[str]) -> frozenset[str]:
    """The words of a query and of its other names, in the form in which they are compared; Chinese as ICU cuts it."""
    found: set[str] = set()
    for text in texts:
        for match in _WORD.finditer(text):
            if has_han(match[0]):
                cut = [word for word in icu_words(match[0]) if len(word) > 1]
                found.update(cut or [match[0]])
            else:
                found.add(_folded(match[0]))
    return frozenset(found)


def highlight(product: Product, words: frozenset[str]) -> dict[str, dict[str, Any]]:
    """Title and description with the places of the words, ``[start, end)`` in characters; fields without are absent."""
    found = {}
    for name, text in (("title", product.title), ("description", product.description)):
        ranges = mark(text, words)
        if not ranges:
            continue
        start, end = (0, len(text)) if name == "title" else _fragment(text, ranges)
        inside = [[a - start, b - start] for a, b in ranges if a >= start and b <= end]
        found[name] = {"text": text[start:end], "ranges": inside, "cut": [start > 0, end < len(text)]}
    return found


def mark(text: str, words: frozenset[str]) -> list[tuple[int, int]]:
    """The places of words in a text, in order, none overlapping."""
    found: list[tuple[int, int]] = []
    chinese = sorted((word for word in words if has_han(word)), key=len, reverse=True)
    for match in _WORD.finditer(text):
        if has_han(match[0]):
            found += _in_run(match[0], match.start(), chinese)
        elif _folded(match[0]) in words:
            found.append(match.span())
    return found


def _in_run(run: str, start: int, words: Sequence[str]) -> list[tuple[int, int]]:
    found, at = [], 0
    while at < len(run):
        word = next((word for word in words if run.startswith(word, at)), None)
        if word is None:
            at += 1
            continue
        found.append((start + at, start + at + len(word)))
        at += len(word)
    return found


def _fragment(text: str, ranges: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The part of a text that is shown: from a word before the first range on."""
    if len(text) <= FRAGMENT:
        return 0, len(text)
    start = max(0, min(ranges[0][0] - FRAGMENT // 4, len(text) - FRAGMENT))
    if start:
        blank = text.find(" ", start, ranges[0][0])
        start = blank + 1 if blank >= 0 else start
    end = min(len(text), max(start + FRAGMENT, ranges[0][1]))
    if end < len(text):
        blank = text.rfind(" ", ranges[0][1], end)
        end = blank if blank > 0 else end
    return start, end


def _folded(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in plain if not unicodedata.combining(character))


def fields(product: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Any]:
    """Some fields of a product; its id always."""
    return {name: value for name, value in product.items() if name == "id" or name in wanted}
