"""Which phrases a query has, among very many: found by the words they share with it, never by trying each.

Case, width, accents, hyphens, blanks, an English plural and traditional Chinese do not count: ``T-Shirts`` has
``t shirt`` and ``手 機`` has ``手机``. Words are whole: ``headphones`` does not have ``phone``. Chinese, kana and
Southeast Asian text has no blanks, so there every run of characters counts: ``红色手机壳`` has ``手机``.

Knows texts, nothing of rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Literal

import regex

from aisle.language.chinese import simplify
from aisle.language.names import fold_name, other_numbers
from aisle.language.normalise import normalise
from aisle.language.script import has_han

Match = Literal["exact", "phrase", "words", "any"]
"""The query is the phrase; has its words in a row; has all its words; any query at all."""

_CHARACTERS = r"\p{Han}\p{Hiragana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_ATOM = regex.compile(
    rf"(?P<character>[{_CHARACTERS}]\p{{M}}*)"
    r"|[\p{Katakana}ー]+"  # ケース is a word: スーツケース does not have it
    # a decimal point stays, so that 1.5 and 15 differ
    rf"|(?:[[\p{{L}}\p{{M}}\p{{N}}]--[{_CHARACTERS}\p{{Katakana}}ー]]|(?<=\p{{N}})[.,](?=\p{{N}}))+",
    regex.VERSION1,
)
_APOSTROPHE = regex.compile(r"(?<=\p{L})['’ʼ](?=\p{L})")  # men's watch is no Swatch


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase as written, how it is compared, and the number of whoever asks for it."""

    text: str
    match: Match
    owner: int


@dataclass(frozen=True, slots=True)
class Atom:
    """A word, or one character of a script without blanks; ``glued`` if it follows another such without a gap."""

    text: str
    glued: bool


Reading = tuple[Atom, ...]
"""A text as it is compared."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    units: frozenset[str]
    owner: int


class PhraseIndex:
    """Finds which of many phrases a query has.

    Args:
        phrases: A phrase without letters and digits is never found.
    """

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._always: set[int] = set()
        self._whole: dict[str, set[int]] = {}
        self._in_a_row: dict[str, set[int]] = {}
        self._aliases: dict[str, set[str]] = {}
        self._longest: dict[str, int] = {}
        wanted: list[_Wanted] = []
        for phrase in phrases:
            if phrase.match == "any":
                self._always.add(phrase.owner)
                continue
            for atoms in readings(phrase.text):
                self._add(phrase, atoms, wanted)
        # under its rarest word, so that ten thousand rules about televisions are not tried for each television
        often = Counter(unit for one in wanted for unit in one.units)
        self._by_unit: dict[str, list[_Wanted]] = {}
        for one in wanted:
            rarest = min(one.units, key=lambda unit: (often[unit], unit))
            self._by_unit.setdefault(rarest, []).append(one)

    def _add(self, phrase: Phrase, atoms: Reading, wanted: list[_Wanted]) -> None:
        key = _joined(atoms)
        self._know(key)
        if phrase.match == "exact":
            self._whole.setdefault(key, set()).add(phrase.owner)
            return
        self._in_a_row.setdefault(key, set()).add(phrase.owner)
        if phrase.match == "words":
            units = frozenset(_units(atoms))
            for unit in units:
                self._know(unit)
            wanted.append(_Wanted(units, phrase.owner))

    def _know(self, key: str) -> None:
        for alias in (key, *_numbers(key)):
            self._aliases.setdefault(alias, set()).add(key)
            self._longest[alias[0]] = max(self._longest.get(alias[0], 0), len(alias))

    def owners(self, query: Sequence[Reading]) -> set[int]:
        """Who asked for a phrase that the query has, in any of its readings."""
        found: set[str] = set()
        whole: set[str] = set()
        for atoms in query:
            found |= self._found(atoms)
            whole |= self._aliases.get(_joined(atoms), set())
        owners = set(self._always)
        for key in whole:
            owners |= self._whole.get(key, set())
        for key in found:
            owners |= self._in_a_row.get(key, set())
            owners.update(one.owner for one in self._by_unit.get(key, ()) if one.units <= found)
        return owners

    def _found(self, atoms: Reading) -> Set[str]:
        """The known keys that neighbouring atoms make together."""
        found: set[str] = set()
        for start in range(len(atoms)):
            longest = self._longest.get(atoms[start].text[0], 0)
            made = ""
            for atom in atoms[start:]:
                made = _join(made, atom.text)
                if len(made) > longest:
                    break
                found |= self._aliases.get(made, set())
        return found


def readings(*texts: str) -> tuple[Reading, ...]:
    """The ways to read texts, each as its words and characters; empty for a text without letters and digits.

    Chinese is simplified in its context (行動電源 is 移动电源) and also character by character: a phrase alone and the
    same phrase in a query may get different words, their characters do not.
    """
    forms: list[str] = []
    for text in texts:
        plain = normalise(text)
        forms.append(simplify(plain))
        if has_han(plain):
            forms.append("".join(map(simplify, plain)))
    atoms = (tuple(_atoms(form)) for form in dict.fromkeys(forms))
    return tuple(dict.fromkeys(one for one in atoms if one))


def has_words(text: str) -> bool:
    """Whether there is anything in a text to compare."""
    return bool(readings(text))


def _atoms(text: str) -> Iterator[Atom]:
    end = -1
    for match in _ATOM.finditer(_APOSTROPHE.sub("", fold_name(text))):
        character = match["character"] is not None
        yield Atom(match[0], character and match.start() == end)
        end = match.end() if character else -1


def _units(atoms: Reading) -> Iterator[str]:
    """The words; of characters, each run."""
    made = ""
    for atom in atoms:
        if atom.glued:
            made += atom.text
            continue
        if made:
            yield made
        made = atom.text
    if made:
        yield made


def _joined(atoms: Reading) -> str:
    made = ""
    for atom in atoms:
        made = _join(made, atom.text)
    return made


def _join(left: str, right: str) -> str:
    """Two neighbours without the blank between them, unless both are numbers there: 12 5 is not 125."""
    return f"{left} {right}" if left and left[-1].isdigit() and right[0].isdigit() else left + right


def _numbers(key: str) -> tuple[str, ...]:
    return (f"{key}s",) if len(key) == 2 and key.isascii() and key.isalpha() else other_numbers(key)
