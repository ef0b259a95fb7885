"""One name in a text by another name of the same thing: 手机壳 -> 手机保护壳, lawn mower -> lawnmower.

Names come from whatever expands a text: a packaged table (`scripts/build_synonyms.py`), a shop's own rules, or the
lexicon, which is made for finding more and so is too loose for keeping grades. Only a name that means one thing is
replaced, only by one in the same language unless ``translated``, never one with a digit in it, and never where the
other name is in the text already. Knows no catalogue.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Protocol

import regex

from aisle.augment.change import BOTH, Effect, Side
from aisle.augment.text.words import plural
from aisle.errors import ArtifactError
from aisle.language.lexicon import Lexicon
from aisle.language.names import fold_name
from aisle.language.script import language_of
from aisle.language.synonyms import Synonyms
from aisle.words import Expansion

PACKAGED = Path(__file__).parent / "synonyms.tsv.gz"
_HAN = regex.compile(r"\p{Han}{2}")
_WORDS = regex.compile(r"\p{Latin}+")
_DIGIT = regex.compile(r"\p{N}")
_PLURAL = regex.compile(r"(?i)\p{Latin}{2}(?<![siu])s$")
OTHER = {"zh": "en", "en": "zh"}


class Expands(Protocol):
    """What knows other names: `Lexicon`, `Synonyms`."""

    def expansions(self, text: str) -> Sequence[Expansion]:
        """Other names for what a text names, in the order of the text."""
        ...


@dataclass(frozen=True, slots=True)
class Renamed:
    """One name replaced by another.

    Attributes:
        name: By which recipes and provenance call it.
        names: Where other names come from.
        translated: The name in the other language instead, Chinese for English and English for Chinese.
        effect: "keeps" where both names always mean the same; a rule with an arrow narrows or widens what is asked.
    """

    name: str
    names: Sequence[Expands]
    translated: bool = False
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The text with one name replaced; None where none has another name."""
        found = [other for source in self.names for other in source.expansions(text) if self.fits(other, text)]
        if not found:
            return None
        because = rng.choice(list(dict.fromkeys(other.because for other in found)))
        other = rng.choice([other.name for other in found if other.because == because])
        at = text.find(because)
        if at < 0 or _across(text, at, because):
            return None
        new = _numbered(other, because)
        before, after = text[:at], text[at + len(because) :]
        left = " " if _joins(before[-1:], new[:1]) else ""
        right = " " if _joins(new[-1:], after[:1]) else ""
        return before + left + new + right + after

    def fits(self, other: Expansion, text: str) -> bool:
        """Whether another name may take the place of what it is a name of."""
        written = language_of(other.because)
        wanted = OTHER.get(written) if self.translated else written
        language = other.language or language_of(other.name)
        return (
            other.weight == 1.0
            and language == wanted
            and len(other.because) > 1
            and fold_name(other.name) not in fold_name(text)
            and fold_name(other.because) not in fold_name(other.name)
            and _DIGIT.search(other.name + other.because) is None
            and not _said_twice(text, other)
        )


def _numbered(name: str, like: str) -> str:
    """An English name in the plural where the one that it replaces is."""
    if not name.isascii() or not _PLURAL.search(like) or not name[-1:].isalpha() or name[-1:].lower() == "s":
        return name
    return plural(name)


def _across(text: str, at: int, name: str) -> bool:
    """Whether a short Chinese name may be the end of one word and the beginning of the next: 家电 in 宜家电池."""
    if len(name) != 2 or _HAN.fullmatch(name) is None:
        return False
    return any(
        _HAN.fullmatch(pair) is not None and pair in NAMES
        for pair in (text[max(0, at - 1) : at + 1], text[at + 1 : at + 3])
    )


def _said_twice(text: str, other: Expansion) -> bool:
    """Whether a word that the other name brings is in the text already: high heels -> high-heeled shoes shoes."""
    brought = set(_WORDS.findall(fold_name(other.name))) - set(_WORDS.findall(fold_name(other.because)))
    return bool(brought & set(_WORDS.findall(fold_name(text))))


def _joins(one: str, other: str) -> bool:
    """Whether two neighbours would become one word."""
    return all(character.isascii() and character.isalnum() for character in (one, other) if character) and bool(
        one and other
    )


@dataclass(frozen=True, slots=True)
class Synonym:
    """One name replaced by another of the packaged table; the table is read when first asked.

    Attributes:
        name: By which recipes and provenance call it.
    """

    name: str = "synonyms"
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The text with one name replaced; None where none has a synonym."""
        return Renamed(self.name, (packaged(),)).apply(text, rng)


@dataclass(frozen=True, slots=True)
class Translated:
    """One name by its name in the other language; the lexicon is read when first asked.

    Names of the lexicon are looser from one language to the other than within one: nobody has said that a grade stays.
    """

    name: str = "mixed-language"
    effect: Effect = "unknown"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The text with one name in the other language; None where none has one."""
        return Renamed(self.name, (lexicon(),), translated=True).apply(text, rng)


@cache
def lexicon() -> Lexicon:
    """The lexicon that comes with Aisle."""
    return Lexicon()


class LexiconNames:
    """All names of the lexicon that comes with Aisle."""

    def __contains__(self, name: object) -> bool:
        """Whether it is one, in singular or plural."""
        return isinstance(name, str) and name in lexicon()


NAMES = LexiconNames()


@cache
def packaged(path: Path = PACKAGED) -> Synonyms:
    """Pairs of names that are safe to exchange: those of the lexicon that the embedded encoder puts together.

    Raises:
        ArtifactError: The table is missing or damaged.
    """
    try:
        pairs = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().split("\n")]
        return Synonyms([(name, (other,)) for name, other in pairs])
    except (OSError, EOFError, ValueError) as error:
        raise ArtifactError(
            f"cannot read the table of synonyms {str(path)!r}: {error}",
            allowed="a gzipped table in UTF-8",
            fix="install Aisle again",
        ) from None
