"""The Chinese words of a catalogue with their pinyin, so that a query can be compared with them by sound.

A file beside the table, only ever appended to, as the file of the other words is. One line a word, ``手机<TAB>shou
ji``, and the same line again whenever the word's count has doubled: lines say how frequent a word is, and stay few.
Words are what ICU's dictionary cuts, and two to four characters of neighbouring words that a catalogue repeats (手机
and 壳 are 手机壳, 珂 and 润 a brand). Knows words, no products and no table.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import regex

from aisle.indexes.appended import AppendedLines
from aisle.indexes.segment import icu_words
from aisle.language.chinese import simplify
from aisle.language.pinyin import loose, syllables
from aisle.language.script import has_han
from aisle.words import Sounding

MAX_WORD = 4
MIN_REPEATED, FEW_TEXTS = 3, 500
"""How often a write must have a piece that no dictionary has, before it is a word; up to so many texts, once is enough,
from twice as many on ``MIN_REPEATED`` times."""
RARE = 5_000
"""A word is frequent when at least one of so many words of the catalogue is it."""

_HAN = regex.compile(r"\p{Han}{2,}")


class ChineseWords:
    """The words in a file, by themselves and by their sound."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: Counter[str] = Counter()
        self._counts: dict[str, int] = {}
        self._sounds: dict[str, str] = {}
        self._by_sound: dict[bool, dict[str, list[Sounding]]] = {}
        self._file = AppendedLines(path)
        self._reading = threading.RLock()

    def add(self, texts: Iterable[str]) -> None:
        """Count the words of these texts. Call with the writer's lock held, before the products are written."""
        self._follow()
        words, pieces, texts_counted = _count(texts)
        least = min(MIN_REPEATED, 1 + texts_counted // FEW_TEXTS)
        for piece, count in pieces.items():
            if piece not in words and (count >= least or piece in self._sounds):
                words[piece] = count
        fresh: list[str] = []
        for word, count in words.items():
            sounds = self._sounds.get(word) or " ".join(syllables(word))
            line = f"{word}\t{sounds}"
            before = self._counts.get(word, _about(self._lines[line]))
            self._counts[word] = before + count
            fresh += [line] * (self._counts[word].bit_length() - before.bit_length())
        if not fresh:
            return
        self._file.append(fresh)
        self._follow()

    def __contains__(self, word: str) -> bool:
        self._follow()
        return word in self._sounds

    def __len__(self) -> int:
        self._follow()
        return len(self._sounds)

    def sounding(self, sound: str, *, loosely: bool) -> Sequence[Sounding]:
        """The words of this sound, the most frequent first; see `aisle.words.CatalogueWords`."""
        self._follow()
        with self._reading:
            if loosely not in self._by_sound:
                self._by_sound[loosely] = self._ordered(loosely=loosely)
            return self._by_sound[loosely].get(sound, ())

    def _ordered(self, *, loosely: bool) -> dict[str, list[Sounding]]:
        counts = {word: _about(self._lines[f"{word}\t{sounds}"]) for word, sounds in self._sounds.items()}
        often = sum(counts.values()) / RARE
        found: dict[str, list[Sounding]] = {}
        for word, sounds in self._sounds.items():
            key = loose(sounds.split(" ")) if loosely else sounds.replace(" ", "")
            found.setdefault(key, []).append(Sounding(word, counts[word], counts[word] >= often))
        for words in found.values():
            words.sort(key=lambda word: (-word.count, word.word))
        return found

    def _follow(self) -> None:
        """Read what was appended since the last time, whole lines only."""
        with self._reading:  # searches run in many threads
            fresh = Counter(self._file.fresh())
            if not fresh:
                return
            self._lines.update(fresh)
            parts = (line.partition("\t") for line in fresh)
            self._sounds.update((word, sounds) for word, tab, sounds in parts if sounds.count(" ") == len(word) - 1)
            self._by_sound.clear()


def _about(lines: int) -> int:
    """The count that a number of lines stands for: the least one that has so many binary digits."""
    return 1 << (lines - 1) if lines else 0


def _count(texts: Iterable[str]) -> tuple[Counter[str], Counter[str], int]:
    """How often texts have words of ICU's dictionary, and pieces of neighbouring ones; and how many are Chinese."""
    words: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    counted = 0
    for text in texts:
        if not has_han(text):
            continue
        counted += 1
        for run in _HAN.findall(simplify(text)):
            cut = icu_words(run)
            words.update(word for word in cut if 1 < len(word) <= 2 * MAX_WORD)
            for start in range(len(cut)):
                piece = cut[start]
                for word in cut[start + 1 : start + MAX_WORD]:
                    piece += word
                    if len(piece) > MAX_WORD:
                        break
                    pieces[piece] += 1
    return words, pieces, counted
