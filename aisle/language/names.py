"""Where a text has one of many names: the longest first, Chinese and Japanese inside a run, Latin by whole words.

Knows how names are compared (case, Spanish accents and the English plural do not count), not what they are names of.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import partial

import regex

MAX_WORDS = 6
MAX_CHARACTERS = 16

_ACCENTS = tuple(zip("áéíóúü", "aeiouu", strict=True))
_WORD = regex.compile(r"[\p{Latin}\p{M}\p{N}]+(?:['&.-][\p{Latin}\p{M}\p{N}]+)*")
_RUN = regex.compile(
    r"[\p{Latin}\p{N}]*[\p{Han}\p{Hiragana}\p{Katakana}][\p{Latin}\p{N}\p{Han}\p{Hiragana}\p{Katakana}ー]*"
)
_CJK = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_WHOLE = regex.compile(r"[\p{Latin}\p{N}]{2}|[\p{Katakana}ー]{2}")  # nothing ends between two of these


@dataclass(frozen=True, slots=True)
class Found:
    """A name in a text: where, as it is written there, and the known names that this may be, folded."""

    start: int
    written: str
    names: tuple[str, ...]


def fold_name(text: str) -> str:
    """A name as it is compared."""
    text = text.casefold()
    if not text.isascii():
        for accented, plain in _ACCENTS:  # forty times as fast as `translate` on a whole lexicon
            text = text.replace(accented, plain)
    return text


def other_numbers(name: str) -> tuple[str, ...]:
    """What may be the singular or the plural of an English name, by its -s or -es."""
    if not name.isascii() or len(name) < 3 or not name[-1].isalpha():
        return ()
    if name.endswith("es") and len(name) > 4:
        return (name[:-1], name[:-2])
    if name.endswith("s") and not name.endswith("ss"):
        return (name[:-1],)
    return (f"{name}s", f"{name}es")


def find_names(text: str, known: Container[str]) -> list[Found]:
    """The names in a text, in order and without overlap; a longer one goes before a shorter.

    Args:
        text: Normalised, simplified.
        known: Names as ``fold_name`` makes them.
    """
    found: list[Found] = []
    for match in _RUN.finditer(text):
        run = fold_name(match[0])
        if len(run) == len(match[0]):  # folding moved nothing
            for start, end in _longest(len(run), MAX_CHARACTERS, partial(_is_name, known, run)):
                found.append(Found(match.start() + start, match[0][start:end], (run[start:end],)))
    words = list(_WORD.finditer(text))
    folded = [fold_name(word[0]) for word in words]

    def forms(i: int, j: int) -> tuple[str, ...]:
        phrase = " ".join(folded[i:j])
        return tuple(form for form in (phrase, *other_numbers(phrase)) if form in known)

    for i, j in _longest(len(words), MAX_WORDS, lambda i, j: bool(forms(i, j))):
        found.append(Found(words[i].start(), text[words[i].start() : words[j - 1].end()], forms(i, j)))
    return sorted(found, key=lambda name: name.start)


def _is_name(known: Container[str], run: str, start: int, end: int) -> bool:
    """Whether a part of a run is a known name: no single character of more, no part of a Latin or Katakana word."""
    name = run[start:end]
    return (
        name in known
        and (end - start > 1 or len(run) == 1)
        and _CJK.search(name) is not None
        and not any(_WHOLE.match(run, i - 1) for i in (start, end) if 0 < i < len(run))
    )


def _longest(length: int, longest: int, fits: Callable[[int, int], bool]) -> Iterator[tuple[int, int]]:
    """Spans that fit, the longest and then the leftmost first, none overlapping."""
    taken = [False] * length
    for size in range(min(length, longest), 0, -1):
        for start in range(length - size + 1):
            if not any(taken[start : start + size]) and fits(start, start + size):
                taken[start : start + size] = [True] * size
                yield start, start + size
