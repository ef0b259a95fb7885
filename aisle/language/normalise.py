"""One form for text: the same for products and for queries, so that they meet.

Knows nothing of products, HTML or languages' words. Case stays: folding it is the index's matter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import regex

from aisle.language.units import unify_units

NORMALISER_VERSION = "2"
"""Part of every index's fingerprint; raise it whenever ``normalise`` or ``fold_identifier`` changes its output."""

_MARKS = regex.compile(r"[™®©℠]+")
_MARKS_INSIDE = regex.compile(r"(?<=\w)[™®©℠]+(?=\w)")  # Core™2 is Core 2
_VULGAR = regex.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")  # 5½ is 5 1/2, not 51/2
_INVISIBLE = regex.compile(
    r"[\p{Cc}--\s]"  # control characters
    r"|[\u00AD\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF\uFFF9-\uFFFB]|\p{Cs}"
    r"|(?<![^\x00-\x7F])[\u200C\u200D]|[\u200C\u200D](?![^\x00-\x7F])",  # joiners matter in scripts other than Latin
    regex.VERSION1,
)
_NOT_ALPHANUMERIC = regex.compile(r"[^\p{L}\p{N}]+")


def compatible(text: str) -> str:
    """NFKC, with trade marks removed first ("Core™2" must not become "CoreTM2") and fractions kept apart."""
    if text.isascii():
        return text
    text = _VULGAR.sub(" ", _MARKS.sub("", _MARKS_INSIDE.sub(" ", text)))
    return unicodedata.normalize("NFKC", text).replace("\u2044", "/")


def visible(text: str) -> str:
    """Without control characters, zero-width characters and halves of surrogate pairs; white space stays."""
    return _INVISIBLE.sub("", text)


def single_blanks(text: str) -> str:
    """White space of any kind to single blanks, none at the ends."""
    return " ".join(text.split())


STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("unicode", compatible),
    ("invisible", visible),
    ("white space", single_blanks),
    ("units", unify_units),
)
"""The parts of ``normalise`` in order, each with the name a cleaning report gives it."""

_ROUNDS = 8


def normalise(text: str) -> str:
    """NFKC without trade marks, nothing invisible, single blanks, units in one form; idempotent."""
    if text.isascii() and text.isalpha():
        return text
    for _ in range(_ROUNDS):
        before = text
        for _, step in STEPS:
            text = step(text)
        if text == before:
            break
    return text


def fold_identifier(text: str) -> str:
    """An identifier without case, blanks and punctuation: "LC-51 c" and "LC51C" become "lc51c"."""
    text = single_blanks(visible(compatible(text)))
    return _NOT_ALPHANUMERIC.sub("", text.casefold())
