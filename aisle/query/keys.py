"""Where a text may have a catalogue's names: spans of words, each with the key under which the names are known.

A key has no case, accents, blanks and punctuation: "TP-Link", "tp link" and "TPLINK" are one, as are "Levi's" and
"levis". Chinese and Japanese are looked at character by character, since they have no blanks. Knows no catalogue.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from aisle.language.names import other_numbers

MAX_TOKENS = 10
"""No name is longer, in Latin words or Chinese characters."""

_TOKEN = regex.compile(
    r"[\p{Katakana}ー]+|[\p{Han}\p{Hiragana}]|[\p{L}\p{M}\p{N}--\p{Han}--\p{Hiragana}--\p{Katakana}]+", regex.VERSION1
)
_CJK = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")


@dataclass(frozen=True, slots=True)
class Token:
    """A Latin word or number, a run of Katakana, or one Chinese character: its place in the text and its key."""

    start: int
    end: int
    key: str


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring tokens ``first`` to ``last`` (not included) with the key of their text."""

    first: int
    last: int
    key: str


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text."""
    return [Token(match.start(), match.end(), _fold(match[0])) for match in _TOKEN.finditer(text)]


def key_of(text: str) -> str:
    """The key of a whole text."""
    return "".join(token.key for token in tokens_of(text))


@lru_cache(maxsize=100_000)  # titles repeat their words
def _fold(word: str) -> str:
    if word.isascii() or _CJK.search(word):
        return word.casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))


def spans(tokens: Sequence[Token], longest: int = MAX_TOKENS) -> list[Span]:
    """All spans of up to ``longest`` tokens, the longest and then the leftmost first."""
    found = []
    for size in range(min(len(tokens), longest), 0, -1):
        for first in range(len(tokens) - size + 1):
            key = "".join(token.key for token in tokens[first : first + size])
            if size > 1 or len(key) > 1 or not _CJK.match(key) or _alone(tokens, first):
                found.append(Span(first, first + size, key))
    return found


def _alone(tokens: Sequence[Token], place: int) -> bool:
    """Whether a Chinese character stands by itself: within a longer word it says little."""
    here = tokens[place]
    before = place > 0 and tokens[place - 1].end == here.start and _CJK.match(tokens[place - 1].key)
    after = place + 1 < len(tokens) and tokens[place + 1].start == here.end and _CJK.match(tokens[place + 1].key)
    return not before and not after


def known_forms(key: str, known: Container[str]) -> tuple[str, ...]:
    """The key, its singular and its plural, as far as they are known."""
    return tuple(form for form in (key, *other_numbers(key)) if form in known)


def all_forms(known: Iterable[str]) -> dict[str, str]:
    """Every key and its singular or plural to the key itself, the first of ``known_forms`` for many lookups."""
    own = {key: key for key in known}
    return {form: key for key in own for form in other_numbers(key)} | own


def longest_matches(candidates: Iterable[Span], fits: Callable[[Span], bool]) -> list[Span]:
    """Spans that fit, without overlap, in the order of ``candidates`` (the longest first), sorted by place."""
    taken: set[int] = set()
    found = []
    for span in candidates:
        if taken.isdisjoint(range(span.first, span.last)) and fits(span):
            taken.update(range(span.first, span.last))
            found.append(span)
    return sorted(found, key=lambda span: span.first)
