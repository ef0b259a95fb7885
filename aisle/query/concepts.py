"""What the packaged lexicon says of colours and sizes: which words are colours, which words mean "colour" or "size".

    burgundy = 酒红色, grey = 灰色: colours; plastic = 塑料: none

No list of colours: Chinese marks nearly every colour's name with 色, the character for colour. Knows no catalogue.
"""

from __future__ import annotations

import gzip
from functools import cached_property
from pathlib import Path

import regex

from aisle.errors import ArtifactError
from aisle.language.lexicon import PACKAGED
from aisle.language.names import fold_name, other_numbers

_IN_CHINESE = regex.compile(r"\p{Han}{1,4}色")
_NO_COLOURS = regex.compile(r".*(?:角|颜|着|变|特|所有肤)色")
"""Roles, colour itself and colouring end in the same character."""
_COLOUR_ITSELF = "颜色"
_SIZE_ITSELF = frozenset({"size", "尺寸", "尺码", "码数", "大小", "鞋码", "サイズ", "talla", "tamano"})
"""The lexicon has no concept of size."""
_PARTS = regex.compile(r"\s*(?:[,/;|&+、，]|\band\b|\bwith\b)\s*", regex.IGNORECASE)


def parts_of(value: str) -> list[str]:
    """The single colours of a value: "Black/Silver" is Black and Silver."""
    return [part for part in _PARTS.split(value.strip()) if part]


def head_of(colour: str) -> str:
    """The colour that a shade is one of: "Midnight Black" is black; Chinese stays whole."""
    return colour.split()[-1] if colour.isascii() and colour.strip() else colour


class Concepts:
    """Colours and sizes in a lexicon; read when first asked.

    Args:
        path: A table as `aisle.language.lexicon` describes it; where there is none, only Chinese names are colours.
    """

    def __init__(self, path: Path = PACKAGED) -> None:
        self._path = path

    def is_colour(self, word: str) -> bool:
        """Whether a word or a phrase names a colour."""
        return _chinese_colour(word) or fold_name(word) in self._colours

    def is_colour_value(self, value: str) -> bool:
        """Whether an attribute's value is one colour or several, shades included."""
        parts = parts_of(value)
        return bool(parts) and all(self.is_colour(part) or self.is_colour(head_of(part)) for part in parts)

    def same_colour(self, word: str) -> tuple[str, ...]:
        """The other names of a colour, in any language, folded."""
        lines = self._colours.get(fold_name(word), ())
        return tuple(dict.fromkeys(name for line in lines for name in line if name != fold_name(word)))

    def means_colour(self, word: str) -> bool:
        """Whether a word is the word "colour", in any language of the lexicon."""
        return _any_form(word, self._colour_itself)

    def means_size(self, word: str) -> bool:
        """Whether a word is the word "size"."""
        return _any_form(word, _SIZE_ITSELF)

    @cached_property
    def _lines(self) -> list[str]:
        try:
            return fold_name(gzip.decompress(self._path.read_bytes()).decode()).splitlines()
        except FileNotFoundError:
            return []
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"cannot read the lexicon {str(self._path)!r}: {error}",
                allowed="a gzipped table in UTF-8",
                fix="install Aisle again",
            ) from None

    @cached_property
    def _colours(self) -> dict[str, list[tuple[str, ...]]]:
        """Each name of a colour with its concepts, each as all of its names."""
        found: dict[str, list[tuple[str, ...]]] = {}
        for line in self._lines:
            chinese, *_ = line.split("\t", 1)
            if "色" in chinese and any(_chinese_colour(name) for name in chinese.split("|")):
                names = _names(line)
                for name in names:
                    found.setdefault(name, []).append(names)
        return found

    @cached_property
    def _colour_itself(self) -> frozenset[str]:
        lines = (line for line in self._lines if _COLOUR_ITSELF in line.split("\t", 1)[0].split("|"))
        return frozenset({_COLOUR_ITSELF, *(name for line in lines for name in _names(line))})


def _chinese_colour(name: str) -> bool:
    return _IN_CHINESE.fullmatch(name) is not None and _NO_COLOURS.fullmatch(name) is None


def _names(line: str) -> tuple[str, ...]:
    return tuple(filter(None, line.replace("\t", "|").split("|")))


def _any_form(word: str, known: frozenset[str]) -> bool:
    folded = fold_name(word).replace("colour", "color")  # the lexicon spells as Americans do
    return any(form in known for form in (folded, *other_numbers(folded)))
