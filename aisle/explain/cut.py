"""A text in words that can be taken out of it, with their places. Knows text only.

Chinese is cut by ICU's dictionary; single characters that it leaves side by side are one word (鼠标, which it does not
know). Everything else is cut at what is neither letter nor digit; what is written in one piece, such as ``LC-51C`` or
``14.5``, stays one word.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import regex

from aisle.indexes.segment import icu_words

_WORD = regex.compile(
    r"(?P<han>\p{Han}+)|[[\p{L}\p{M}\p{N}]--\p{Han}]+(?:['’.,+\-][[\p{L}\p{M}\p{N}]--\p{Han}]+)*", regex.V1
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word at one place: ``text[start:end]``. ``key`` is the same for the same word in another case or width."""

    start: int
    end: int
    key: str


def words_of(text: str) -> list[Word]:
    """The words of a text in order."""
    found: list[Word] = []
    for match in _WORD.finditer(text):
        at = match.start()
        for piece in _han_words(match[0]) if match["han"] else [match[0]]:
            found.append(Word(at, at + len(piece), word_key(piece)))
            at += len(piece)
    return found


def word_key(text: str) -> str:
    """A word without case and width."""
    return unicodedata.normalize("NFKC", text).casefold()


def without(text: str, keys: Iterable[str]) -> str:
    """The text without these words, wherever they stand in it; a blank keeps their neighbours apart."""
    gone = set(keys)
    kept, last = [], 0
    for word in words_of(text):
        if word.key in gone:
            kept.append(text[last : word.start])
            last = word.end
    return " ".join(" ".join([*kept, text[last:]]).split())


def _han_words(run: str) -> list[str]:
    pieces = icu_words(run)
    if "".join(pieces) != run:
        return list(run)
    found: list[str] = []
    alone = False
    for piece in pieces:
        if found and alone and len(piece) == 1:
            found[-1] += piece
        else:
            found.append(piece)
        alone = len(piece) == 1
    return found
