"""Mistakes that people make when they type Chinese, one a text.

    same-sound         手机壳 -> 手鸡壳      another character of the same toneless pinyin, the usual ones first
    near-sound         手机壳 -> 手机课      of a sound that speakers confuse: zh and z, n and l, -ng and -n
    like-shape         手机壳 -> 毛机壳      that looks like it
    missing-character  保温杯 -> 保杯        one less
    doubled-character  手机壳 -> 手机机壳    one twice
    swapped-characters 录音笔 -> 录笔音      two side by side the other way round
    chinese-errors     one of these, as often as in real queries (docs/augmentation_chinese.md)
    pinyin-letters     手机壳 -> shouji壳    a word of the lexicon as it sounds
    traditional        手机壳 -> 手機殼      the whole text in traditional characters: no mistake, another habit

The grade keeps: the shopper meant what was there. Where the new characters make a word of the lexicon, the mistake is
not made: it would be another thing. Numbers, negations and sizes are left alone; what is missing or swapped is so
inside a name that the lexicon has. Knows no catalogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING

import regex

from aisle.augment.change import BOTH, QUERIES, Effect, Side
from aisle.augment.text.characters import characters
from aisle.augment.text.synonyms import NAMES
from aisle.language.names import find_names
from aisle.language.pinyin import loose, syllables
from aisle.language.script import has_kana

if TYPE_CHECKING:
    from opencc import OpenCC

MEANING = frozenset("零〇一二两三四五六七八九十百千万亿半双单不无非没免未勿男女左右上下前后大中小长短新旧")
"""Characters that are never changed nor put in: another one is another quantity, size, side or the opposite."""
_RUN = regex.compile(r"\p{Han}{2,}")
TRIES = 8

Mistake = Callable[[str, int, Random], str | None]
"""A run of Chinese characters and a place in it to the run with a mistake there, None where none can be made."""


def same_sound(run: str, at: int, rng: Random) -> str | None:
    """Another character of the same sound in its place, drawn by how usual it is."""
    found = characters()
    return _other(run, at, found.same.get(syllables(run)[at], ""), rng)


def near_sound(run: str, at: int, rng: Random) -> str | None:
    """A character of a sound that is confused with it, drawn by how usual it is."""
    found = characters()
    spoken = syllables(run)[at]
    others = found.near.get(loose([spoken]), "")
    return _other(run, at, "".join(other for other in others if found.sound[other] != spoken), rng)


def like_shape(run: str, at: int, rng: Random) -> str | None:
    """A character that looks like it; the more alike the likelier: with weights of 1, 1/2, 1/3 and so on."""
    others = [other for other in characters().alike.get(run[at], "") if other not in MEANING]
    if not others:
        return None
    return run[:at] + rng.choices(others, [1 / (rank + 1) for rank in range(len(others))])[0] + run[at + 1 :]


def missing(run: str, at: int, rng: Random) -> str | None:
    """Without it, inside a longer name of the lexicon and not at its end: 手机壳 without 壳 is another thing."""
    start, name = _around(run, at)
    return None if len(name) < 3 or at + 1 == start + len(name) else run[:at] + run[at + 1 :]


def doubled(run: str, at: int, rng: Random) -> str | None:
    """With it twice."""
    return run[: at + 1] + run[at:]


def swapped(run: str, at: int, rng: Random) -> str | None:
    """With the one after it before it, inside a name of the lexicon."""
    start, name = _around(run, at)
    if at + 1 >= start + len(name) or run[at] == run[at + 1] or run[at + 1] in MEANING:
        return None
    return run[:at] + run[at + 1] + run[at] + run[at + 2 :]


def _around(run: str, at: int) -> tuple[int, str]:
    """Where the name of the lexicon that has this place begins, and the name; "" where none has it."""
    for name in find_names(run, NAMES):
        if name.start <= at < name.start + len(name.written):
            return name.start, name.written
    return at, ""


def _other(run: str, at: int, others: str, rng: Random) -> str | None:
    counts = characters().counts
    usable = [other for other in others if other != run[at] and other not in MEANING]
    if not usable:
        return None
    return run[:at] + rng.choices(usable, [counts[other] for other in usable])[0] + run[at + 1 :]


TYPED: tuple[tuple[Mistake, float], ...] = (
    (same_sound, 0.50),
    (swapped, 0.14),
    (missing, 0.11),
    (like_shape, 0.13),
    (near_sound, 0.06),
    (doubled, 0.06),
)
"""Mistakes, each with its share of those found in real queries (`benchmarks/chinese_errors.py`)."""


@dataclass(frozen=True, slots=True)
class ChineseMistake:
    """A text with one character mistyped.

    Attributes:
        name: By which recipes and provenance call it.
        mistakes: Which, each with its weight.
    """

    name: str
    mistakes: tuple[tuple[Mistake, float], ...]
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The text with one mistake; None where no Chinese run can take one."""
        if has_kana(text):
            return None
        places = [(run, at) for run in _RUN.finditer(text) for at in range(len(run[0])) if run[0][at] not in MEANING]
        weights = [weight for _, weight in self.mistakes]
        for _ in range(min(TRIES, 2 * len(places))):
            run, at = rng.choice(places)
            ((mistake, _),) = rng.choices(self.mistakes, weights)
            changed = mistake(run[0], at, rng)
            if changed is not None and changed != run[0] and not _another_word(run[0], changed):
                return text[: run.start()] + changed + text[run.end() :]
        return None


@dataclass(frozen=True, slots=True)
class PinyinLetters:
    """A word of the lexicon in the letters that it is typed with."""

    name: str = "pinyin-letters"
    effect: Effect = "keeps"
    sides: frozenset[Side] = QUERIES

    def apply(self, text: str, rng: Random) -> str | None:
        """The text with one Chinese word in Latin letters; None where it has no word that is known."""
        if has_kana(text):
            return None
        words = [word for word in find_names(text, NAMES) if _RUN.fullmatch(word.written)]
        if not words:
            return None
        word = rng.choice(words)
        before, after = text[: word.start], text[word.start + len(word.written) :]
        left = " " if before[-1:].isascii() and before[-1:].isalnum() else ""
        right = " " if after[:1].isascii() and after[:1].isalnum() else ""
        return before + left + "".join(syllables(word.written)) + right + after


@dataclass(frozen=True, slots=True)
class Traditional:
    """Simplified Chinese in traditional characters, word by word as OpenCC does it."""

    name: str = "traditional"
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The text in traditional characters; None where it is the same in both, or Japanese."""
        if has_kana(text):
            return None
        changed = str(_traditional().convert(text))
        return changed if changed != text else None


def _another_word(run: str, changed: str) -> bool:
    """Whether a part of the changed run that was not there before is a name in the lexicon."""
    size = len(changed)
    return any(
        (part := changed[i:j]) not in run and part in NAMES
        for i in range(size)
        for j in range(i + 2, min(i + 4, size) + 1)
    )


@cache
def _traditional() -> OpenCC:
    from opencc import OpenCC  # here, so that text without Chinese never waits for it

    return OpenCC("s2t")
