"""A text as it is read: digits and signs of other scripts as ASCII, nothing invisible, each character's place kept.

Knows no kinds of personal data.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－ー﹘"), "-")
_CHINESE = str.maketrans("〇零○一二三四五六七八九幺壹贰叁肆伍陆柒捌玖貳參陸", "0001234567891123456789236")
_SPELT = re.compile(r"(?:[\d〇零○一二三四五六七八九幺壹贰叁肆伍陆柒捌玖貳參陸][ \-.]{0,2}){7,}")
"""Seven digits and more in a row, some of them Chinese: a number read aloud, not a word such as 一次性 or 三星."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Text to search and, for each of its characters, where that stood in the source (one more for its end)."""

    text: str
    places: tuple[int, ...] | None

    def source(self, start: int, end: int) -> tuple[int, int]:
        """The span of the source that a span of ``text`` was read from."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


def read(text: str) -> Reading:
    """One character for one: compatible forms (NFKC where that is one character), ASCII digits, "-" for any dash."""
    if text.isascii():
        return Reading(text, None)
    characters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if not character.isascii():
            if unicodedata.category(character) in ("Cf", "Cs", "Mn"):
                continue
            digit = unicodedata.digit(character, None)
            character = str(digit) if digit is not None else unicodedata.normalize("NFKC", character)
            if len(character) != 1:
                character = text[place]
            character = " " if character.isspace() else character.translate(_DASHES)
        characters.append(character)
        places.append(place)
    return Reading(_SPELT.sub(_as_digits, "".join(characters)), tuple(places))


def _as_digits(found: re.Match[str]) -> str:
    """Three Chinese digits and more are part of the number; fewer stand before it, as in 张三13800138000."""
    text = found.group()
    lead = 1 if not text[0].isascii() and text[1:2].isascii() else 0
    if sum(not character.isascii() for character in text[lead:]) < 3:
        return text
    return text[:lead] + text[lead:].translate(_CHINESE)
