"""Whether two titles name the same product or its variants: the pair decision behind families.

Knows titles (and brands) only. Model codes decide first, then words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapidfuzz import fuzz

from aisle.language.normalise import fold_identifier

THRESHOLD = 84.0
"""Least similarity (0 to 100) of two titles without a common model code; measured on Abt-Buy, see docs."""
THRESHOLD_WITH_CODE = 50.0
"""Least similarity when a model code is common: the same code in unlike titles may be an accessory's target."""

_SPECIFICATION = re.compile(
    r"\d+(?:p|x|k|bit|st|nd|rd|th|pk|pcs|pack)|\d+x\d+.*|802.*|ddr\d.*|cat\d.*|rj\d+|usb\d.*|mp[34]"
)
_DIGIT = re.compile(r"\d")
_WORD = re.compile(r"[a-z0-9一-鿿぀-ヿ가-힯]+(?:[-./'][a-z0-9]+)*", re.IGNORECASE)
_MEASURE = re.compile(
    r"(?<!\w)\d+(?:[./]\d+)?(?:\s?x\s?\d+(?:\.\d+)?)* "
    r"(?:inch|mm|cm|m|km|ft|yd|kg|g|mg|lb|oz|ml|L|cl|TB|GB|MB|KB)(?![A-Za-z0-9])"
)
_COLOURS_WORDS = """
    black white red blue green yellow grey gray silver gold pink purple orange brown beige cyan magenta cream navy
    ivory khaki teal turquoise violet maroon burgundy charcoal rose titanium graphite multicolor multicolour
    transparent clear light dark matte glossy xs s m l xl xxl xxxl 2xl 3xl 4xl small medium large
"""
_COLOURS = frozenset(_COLOURS_WORDS.split())


@dataclass(frozen=True, slots=True)
class Signature:
    """What of a title counts when titles are compared.

    ``core`` is the words without colours, clothing sizes and measures, which tell variants of one product apart;
    ``codes`` are folded model codes; ``numbers`` the other words with digits, which often tell models apart ("HP 15",
    "HP 85"; "Cat5e", "Cat6"). ``brand`` may be unknown ("").
    """

    core: tuple[str, ...]
    codes: frozenset[str]
    numbers: frozenset[str]
    brand: str = ""

    @property
    def text(self) -> str:
        """The core as one string."""
        return " ".join(self.core)


def signature(title: str) -> Signature:
    """Take a normalised title apart."""
    words = _WORD.findall(_MEASURE.sub(" ", title).casefold())
    return core_signature(tuple(word for word in words if word not in _COLOURS))


def core_signature(core: tuple[str, ...], common: frozenset[str] = frozenset(), brand: str = "") -> Signature:
    """The signature of words that are already a core; ``common`` folded words are no codes, however they look."""
    codes: set[str] = set()
    numbers: set[str] = set()
    for word in core:
        if _DIGIT.search(word):
            folded = fold_identifier(word)
            if is_code(word, folded) and folded not in common:
                codes.add(folded)
            else:
                numbers.add(folded.lstrip("0") or "0")
    return Signature(core, frozenset(codes), frozenset(numbers), brand)


def is_code(word: str, folded: str) -> bool:
    """Whether a word looks like a model code: five digits or more, or four letters and digits with two digits."""
    if folded.isdigit():
        return len(folded) >= 5 and word == folded  # 62.5/125 is a measure
    if not folded.isascii() or _SPECIFICATION.fullmatch(folded):
        return False
    digits = sum(c.isdigit() for c in folded)
    return (len(folded) >= 4 and digits >= 2) or (len(folded) >= 5 and digits >= 1 and len(folded) - digits >= 3)


def similarity(one: Signature, other: Signature) -> float:
    """0 to 100: how alike the cores are, word order aside."""
    if one.core == other.core:
        return 100.0
    return float(fuzz.token_sort_ratio(one.text, other.text))


def same_product(one: Signature, other: Signature) -> bool:
    """Whether two titles are one product or variants of one."""
    if one.brand and other.brand and one.brand != other.brand:
        return False
    common = shared_code(one.codes, other.codes)
    if common:
        return float(fuzz.token_set_ratio(one.text, other.text)) >= THRESHOLD_WITH_CODE
    if one.codes and other.codes:
        return False  # two models
    if one.numbers != other.numbers:
        return False
    return similarity(one, other) >= THRESHOLD


def shared_code(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether a code occurs in both; also with another ending (a colour or country) or without its beginning."""
    if one & other:
        return True
    return any(_same_code(*sorted((a, b), key=len)) for a in one for b in other)


def _same_code(short: str, long: str) -> bool:
    if len(short) < 5:
        return False
    if long.startswith(short):
        return len(long) - len(short) <= 2 and (long[len(short) :].isalpha() or not short[-1].isdigit())
    return long.endswith(short) and len(short) >= 6
