"""Chinese by its sound: shouji is 手机, and 首机 was meant to be 手机, where the catalogue has one and not the other.

Both come from typing Chinese on a Latin keyboard: the pinyin was left as it was, or the wrong word of the same sound
was chosen. Knows pinyin and what a catalogue says of its words, no index. Tones do not count.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache

import regex

from aisle.words import CatalogueWords, Sounding

MIN_LETTERS = 4
"""Shorter Latin words are too often an abbreviation or a syllable."""
MIN_SOUND = 3  # "erji" has four letters, "aio" none: two syllables take three
MAX_LETTERS = 48
MAX_LATIN_WORDS = 8
MAX_WORD = 4
"""Characters of the longest Chinese word that is corrected as one."""
MAX_WITNESSES = 4
"""How many other words of the query are asked whether the catalogue has them beside a word that was perhaps meant."""

_LATIN = re.compile(r"(?<![A-Za-z0-9'.-])[A-Za-z]+(?: [A-Za-z]+)*(?![A-Za-z0-9'-]|\.\w)")
_HAN = regex.compile(r"\p{Han}{2,}")
_STANDS_ALONE = frozenset(
    "的了和与及或个只双条件套把张台包盒袋瓶根块片支本对男女大小新老旧款色型号式用装不可能有无带加送买卖高低长短厚薄粗细"
    "机器具剂品板盘盒膜车床桌椅柜架衣裤裙鞋靴袜帽水油粉纸布线管电灯头口面门窗笔书本刀杯碗锅扇球石粒片花草树木皮毛果茶酒"
    "上下左右前后内外中一二三四五六七八九十两几多少全半双单黑白红绿黄灰紫粉金银年月日天春夏秋冬"
)
"""Characters that are words by themselves or end many: nothing is wrong with one that belongs to no longer word."""
_WITNESS = regex.compile(r"\p{Han}+|[\p{L}\p{N}]{2,}")
_INITIALS = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l"))
_FINALS = (("ang", "an"), ("eng", "en"), ("ing", "in"))


def syllables(word: str) -> tuple[str, ...]:
    """The toneless pinyin of a Chinese word, one syllable a character: 手机 is ("shou", "ji")."""
    from pypinyin import lazy_pinyin  # a tenth of a second; most queries never need it

    return tuple(lazy_pinyin(word))


def loose(sounds: Sequence[str]) -> str:
    """One key for sounds that speakers and typists confuse: zh and z, ch and c, sh and s, n and l, -ng and -n."""
    return "".join(map(_loose, sounds))


def correct(
    text: str, catalogue: CatalogueWords, is_word: Callable[[str], bool] = lambda _: False
) -> tuple[str, tuple[str, ...]]:
    """Put the catalogue's words where a query has their pinyin or their homophones.

    A Latin word is read as pinyin only if the catalogue does not have it and it is no word otherwise. Chinese
    characters are changed only where neither the dictionary nor the catalogue knows the word they make, and at least
    one of them stays. Either way the catalogue must bear it out: the new word stands in one product with another word
    of the query, or is frequent (a homophone only if it is the whole query).

    Args:
        text: Normalised, simplified.
        catalogue: Which words there are.
        is_word: Whether a word has a meaning of its own, whatever it sounds like.

    Returns:
        The text, and what was changed for people to read: "首机 -> 手机 (same sound)".
    """
    correction = _Correction(catalogue, is_word)
    text = _LATIN.sub(lambda match: correction.latin(match), text)
    text = _HAN.sub(lambda match: correction.han(match[0], match.start(), match.end(), match.string), text)
    return text, tuple(correction.changes)


class _Correction:
    """The correction of one query."""

    def __init__(self, catalogue: CatalogueWords, is_word: Callable[[str], bool]) -> None:
        self.catalogue = catalogue
        self.is_word = is_word
        self.changes: list[str] = []
        self._has = cache(catalogue.has)  # a search each

    # --- pinyin typed in Latin letters ---

    def latin(self, match: re.Match[str]) -> str:
        words = match[0].split(" ")
        unknown = [not (self._has(word) or self.is_word(word.lower())) for word in words[:MAX_LATIN_WORDS]]
        out: list[str] = []
        i = 0
        while i < len(words):
            end = i
            while end < len(unknown) and unknown[end]:
                end += 1
            for j in range(end, i, -1):
                rest = " ".join((match.string[: match.start()], *words[:i], *words[j:], match.string[match.end() :]))
                chinese = self._spoken("".join(words[i:j]).lower(), rest)
                if chinese is not None:
                    out.append(chinese)
                    self.changes.append(f"{' '.join(words[i:j])} -> {chinese} (pinyin)")
                    i = j
                    break
            else:
                out.append(words[i])
                i += 1
        return " ".join(out)

    def _spoken(self, letters: str, rest: str) -> str | None:
        """The fewest of the catalogue's words that letters are the pinyin of, the more frequent ones first."""
        if not MIN_LETTERS <= len(letters) <= MAX_LETTERS:
            return None
        best: dict[int, tuple[int, float, tuple[Sounding, ...]]] = {0: (0, 0.0, ())}
        for start in range(len(letters)):
            if start not in best:
                continue
            number, rarity, before = best[start]
            for end in range(start + MIN_SOUND, len(letters) + 1):
                for word in self.catalogue.sounding(letters[start:end])[:1]:
                    way = (number + 1, rarity - math.log(1 + word.count), (*before, word))
                    if end not in best or way[:2] < best[end][:2]:
                        best[end] = way
        if len(letters) not in best:
            return None
        found = best[len(letters)][2]
        phrase = "".join(word.word for word in found)
        if len(found) > 1:
            return phrase if self._has(" ".join(word.word for word in found)) else None
        return phrase if found[0].frequent or self._borne_out(found[0], rest) else None

    # --- homophones ---

    def han(self, run: str, start: int, end: int, text: str) -> str:
        """A run of Chinese characters, at this place of the text, with its misspelt words corrected."""
        edges, doubtful = self._doubts(run)
        for size in range(min(MAX_WORD, len(run)), 1, -1):
            for i in range(len(run) - size + 1):
                j = i + size
                if not (i in edges and j in edges and any(doubtful[i:j])) or _outside(doubtful, i, j) > 1:
                    continue
                written = run[i:j]
                if self.is_word(written):
                    continue
                meant = self._homophone(written, doubtful[i:j], (run[:i], run[j:]), f"{text[:start]} {text[end:]}")
                if meant is None:
                    continue
                self.changes.append(f"{_difference(written, meant[0], {edge - i for edge in edges})} ({meant[1]})")
                fixed = text[:start] + run[:i] + meant[0] + run[j:] + text[end:]
                before = self.han(run[:i], start, start + i, fixed) if i > 1 else run[:i]
                after = self.han(run[j:], start + j, end, fixed) if len(run) - j > 1 else run[j:]
                return before + meant[0] + after
        return run

    def _apart(self, run: str) -> Sequence[str]:
        return self.catalogue.cut(run) if run else ()

    def _doubts(self, run: str) -> tuple[set[int], list[bool]]:
        """Where words begin and end, and which characters belong to no word that is known."""
        edges, doubtful = {0}, [character not in _STANDS_ALONE for character in run]
        at = 0
        for word in self.catalogue.cut(run):
            if len(word) > 1:
                doubtful[at : at + len(word)] = [False] * len(word)
            at += len(word)
            edges.add(at)
        for i in range(len(run)):
            for j in range(i + 2, min(i + MAX_WORD, len(run)) + 1):
                if any(doubtful[i:j]) and (self.catalogue.has_word(run[i:j]) or self.is_word(run[i:j])):
                    doubtful[i:j] = [False] * (j - i)
        return edges, doubtful

    def _homophone(
        self, written: str, doubtful: Sequence[bool], beside: tuple[str, str], rest: str
    ) -> tuple[str, str] | None:
        """The catalogue's word of the same sound, else of a sound that is often taken for it, and which of the two.

        Only doubtful characters may differ.
        """
        before, after = beside
        sounds = syllables(written)
        for key, reason in (("".join(sounds), "same sound"), (loose(sounds), "similar sound")):
            loosely = reason == "similar sound"
            found = [
                word
                for word in self.catalogue.sounding(key, loosely=loosely)
                if len(word.word) == len(written)
                and _kept(written, word.word)
                and all(a == b or doubt for a, b, doubt in zip(written, word.word, doubtful, strict=True))
            ]
            if found and self._has(written):
                return None
            for word in sorted(found, key=lambda word: (-_kept(written, word.word), -word.count, word.word)):
                if self._continues(word, before, after):
                    return word.word, reason
                alone = not (before or after or rest.strip())
                if not loosely and self._borne_out(word, f"{before} {after} {rest}", alone=alone):
                    return word.word, reason
        return None

    def _continues(self, word: Sounding, before: str, after: str) -> bool:
        """Whether the catalogue has the word joined to the longer word before or after it."""
        last, first = [*self._apart(before)][-1:], [*self._apart(after)][:1]
        beside = [other + word.word for other in last if len(other) > 1]
        beside += [word.word + other for other in first if len(other) > 1]
        return any(map(self._has, beside))

    def _borne_out(self, word: Sounding, rest: str, *, alone: bool = True) -> bool:
        """Whether the catalogue has the word beside another one of the query.

        Where the query is the word alone: whether it has the word often.
        """
        others = [other for part in _WITNESS.findall(rest) for other in self._apart(part)]
        witnesses = [other for other in dict.fromkeys(others) if len(other) > 1 and self._has(other)]
        if alone and not witnesses:
            return word.frequent
        return any(self._has(f"{word.word} {other}") for other in witnesses[:MAX_WITNESSES])


def _outside(doubtful: Sequence[bool], start: int, end: int) -> int:
    """How many doubtful characters go on before and after: many are a name, and no misspelling."""
    before = next((n for n, doubt in enumerate(reversed(doubtful[:start])) if not doubt), start)
    after = next((n for n, doubt in enumerate(doubtful[end:]) if not doubt), len(doubtful) - end)
    return before + after


def _difference(written: str, meant: str, edges: set[int]) -> str:
    """What became what, without the longer words at either end that stayed: 首机 -> 手机 of 小米首机."""
    size = len(written)
    start = max((e for e in edges if 2 <= e <= size - 2 and written[:e] == meant[:e]), default=0)
    end = min((e for e in edges if start + 2 <= e <= size - 2 and written[e:] == meant[e:]), default=size)
    return f"{written[start:end]} -> {meant[start:end]}"


def _kept(written: str, meant: str) -> int:
    return sum(a == b for a, b in zip(written, meant, strict=True))


def _loose(sound: str) -> str:
    for strict, same in _INITIALS:
        if sound.startswith(strict):
            sound = same + sound[len(strict) :]
            break
    for strict, same in _FINALS:
        if sound.endswith(strict):
            return sound[: -len(strict)] + same
    return sound
