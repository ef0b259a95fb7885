"""Devices that a text names: "HP LaserJet 1010/1012, MFC-240C" are laserjet 1010, laserjet 1012 and mfc240c.

    MF9170/9130/8450       the letters before the first number go before the others: mf9170, mf9130, mf8450
    HP Designjet 5000, 5500    the words before the first go before the others too
    LaserJet 43/51XX       series: 43xx, 51xx

Knows the form of lists of devices, not which devices there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aisle.language.identifiers import code_words, is_measure
from aisle.language.normalise import fold_identifier

MAX_CHARACTERS = 20_000
"""Of one value so much is read: the longest lists of a real catalogue have about 6,000 characters."""
MAX_MENTIONS = 500

_DIVIDES = re.compile(
    r"\\n|[\n;,|•、，；()（）]|(?:^|\s)[-–/]\s|&|\b(?:and|und|et|or|oder|ou)\b|[和及与或]", re.IGNORECASE
)
_CODE = re.compile(r"(?P<letters>[a-z]*)(?P<digits>\d+)(?P<rest>.*)")
_SERIES = re.compile(r"[a-z]*\d+x{1,3}")
_SERIES_WORD = re.compile(r"-series\b", re.IGNORECASE)
_SIZE = re.compile(r"\d+x\d")
_LONG_NUMBER = re.compile(r"\d{4,5}[a-z]")  # 7800X is a plotter, 78x a zoom
_COUNTED = frozenset(
    {"pages", "page", "sheets", "sheet", "pack", "pcs", "pieces", "pc", "years", "year", "hours", "cells"}
)
MAX_NUMBER = 5
"""A number of more digits is a part number or a GTIN, not a model beside its series' name."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A device in a text: its folded code, the folded words that say whose number it is, and the part that says so."""

    code: str
    words: tuple[str, ...]
    written: str


def mentions(text: str) -> list[Mention]:
    """The devices that a list names, in order, each once.

    Args:
        text: What a shop writes where it says what a product goes with, not running text.
    """
    found: dict[tuple[str, tuple[str, ...]], Mention] = {}
    series: tuple[str, ...] = ()
    letters = ""
    for part in _DIVIDES.split(text[:MAX_CHARACTERS]):
        words: list[str] = []
        tokens = code_words(part)
        for place, token in enumerate(tokens):
            following = tokens[place + 1].casefold() if place + 1 < len(tokens) else ""
            if "x" in (following, tokens[place - 1].casefold() if place else ""):
                continue  # 600 x 1200
            codes = list(_codes(token, letters if not (words or series) else "", following))
            if not codes:
                words += [fold(word) for word in token.split("/") if word.isalpha()]
                continue
            series, words = (tuple(words) or series), []
            letters = _letters(codes[0])
            for code in codes:
                found.setdefault((code, series), Mention(code, series, " ".join(part.split())))
        if len(found) >= MAX_MENTIONS:
            break
    return list(found.values())[:MAX_MENTIONS]


@lru_cache(maxsize=100_000)  # catalogues repeat their words
def fold(word: str) -> str:
    """A word as an identifier: without case and punctuation."""
    return fold_identifier(word)


def is_strong(code: str) -> bool:
    """Whether a code names a device by itself; a number (1010) or a short code (A51) needs its series or brand."""
    return len(code) >= 4 and not code.isdigit() and (code[0].isalpha() or sum(c.isdigit() for c in code) >= 3)


@lru_cache(maxsize=100_000)
def is_device_code(folded: str) -> bool:
    """Whether a folded word can be a device's code: at least two digits, neither measure nor size nor part number."""
    if folded.isdigit():
        return 2 <= len(folded) <= MAX_NUMBER and folded[0] != "0"
    return (
        3 <= len(folded) <= 24
        and folded.isascii()
        and sum(c.isdigit() for c in folded) >= 2
        and (not is_measure(folded) or _LONG_NUMBER.fullmatch(folded) is not None)
        and not _SIZE.match(folded)
    )


def series_of(code: str) -> tuple[str, ...]:
    """The series that a code may belong to: c524n is one of c52x and c5xx."""
    match = _CODE.fullmatch(code)
    if match is None or len(match["digits"]) < 2:
        return ()
    digits = match["digits"]
    return tuple(match["letters"] + digits[:-n] + "x" * n for n in (1, 2, 3) if len(digits) > n)


def is_series(code: str) -> bool:
    """Whether a code stands for many: c52x, 43xx."""
    return _SERIES.fullmatch(code) is not None


def base_of(code: str) -> str:
    """A code without the letters after its last digit: mfc240c and mfc240cn are variants of mfc240."""
    return re.sub(r"(?<=\d)[a-z]{1,4}$", "", code)


def _codes(token: str, letters: str, following: str) -> Iterator[str]:
    """The codes in one word; in a list with slashes they share the first one's letters and the last one's x."""
    parts = [fold(part) for part in _SERIES_WORD.sub("", token).split("/")]
    if any(c.isdigit() for c in parts[0]) and len(parts) > 1:
        parts = _completed(parts)
    elif letters and _same_length(parts[0], letters):
        parts = [letters.rstrip("0123456789") + parts[0], *parts[1:]]
    for i, part in enumerate(parts):
        if not is_device_code(part) or (i and part.isdigit() and len(part) < 3):
            continue
        if part.isdigit() and (_hyphenated(token) or _is_counted(part, following)):
            continue
        yield part


def _completed(parts: Sequence[str]) -> list[str]:
    first = _CODE.match(parts[0])
    tail = re.search(r"(?<=\d)x+$", parts[-1])
    done = [parts[0]]
    for part in parts[1:]:
        own = _CODE.match(part)
        inherits = first and own and not own["letters"] and _alike(own["digits"], first["digits"])
        done.append(first["letters"] + part if first and inherits else part)
    if tail:
        length = len(parts[-1])
        done = [part + tail[0] if part.isdigit() and len(part) + len(tail[0]) == length else part for part in done]
    return done


def _alike(one: str, other: str) -> bool:
    """Whether two numbers can be of models side by side: as long as each other, or neither short."""
    return len(one) == len(other) or min(len(one), len(other)) >= 3


def _letters(code: str) -> str:
    """What a following number without a series of its own begins with, and how long it is: "c000" after c522."""
    match = _CODE.match(code)
    return match["letters"] + "0" * len(match["digits"]) if match and match["letters"] else ""


def _same_length(part: str, letters: str) -> bool:
    own = _CODE.match(part)
    return own is not None and not own["letters"] and len(own["digits"]) == letters.count("0")


def _hyphenated(token: str) -> bool:
    return re.search(r"\d-\d", token) is not None


def _is_counted(number: str, following: str) -> bool:
    return following in _COUNTED or (len(following) > 1 and is_measure(number + following))
