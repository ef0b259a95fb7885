"""Products that go with the same devices because they are the same thing: another colour, pack or yield of a cartridge.

    code     the same model code in the title: LC1000BK twice
    stem     the code without the letters of the colour that the title names: LC1000M magenta, LC1000Y yellow
    base     the code up to its number: LC-1000CBP, LC1000M
    name     the same title but for colours and counts: HP 504A Original Magenta, HP 504A Original Cyan
    number   the same title of a coloured thing but for one digit: OKI 43459330 magenta, OKI 43459331 cyan
    family   the catalogue's own group of variants

Knows keys that siblings share; how far each of them is right is measured elsewhere, on the shop's own products.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, get_args

import numpy as np

from aisle.knowledge.devices import fold, is_device_code
from aisle.language.identifiers import code_words
from aisle.types import Product

Rule = Literal["code", "stem", "name", "number", "family", "base"]
RULES: tuple[Rule, ...] = get_args(Rule)

COLOURS: dict[str, tuple[str, ...]] = {
    "black": ("bk", "k"),
    "cyan": ("c",),
    "magenta": ("m",),
    "yellow": ("y",),
    "red": ("r",),
    "green": ("g",),
    "blue": ("b",),
    "grey": ("gy",),
    "gray": ("gy",),
    "white": ("w",),
    "schwarz": ("bk", "s"),
    "gelb": ("y", "g"),
    "noir": ("bk", "n"),
    "negro": ("bk", "n"),
    "黑": ("bk", "k"),
    "青": ("c",),
    "红": ("m", "r"),
    "黄": ("y",),
}
"""Names of colours that consumables come in, with the letters that codes write for them."""

_SAID = frozenset(
    {"light", "photo", "matte", "matt", "vivid", "original", "genuine", "pc", "s", "pcs", "pack", "packs", "value"}
    | {"multipack", "singlepack", "single", "blister", "pages", "page", "standard", "high", "capacity", "yield"}
    | {"ml", "xl", "and"}
)
_LETTERS_AFTER_DIGIT = re.compile(r"(?<=\d)[a-z]+")
_WORD = re.compile(r"[^\W_]+")
_LAST_DIGIT = re.compile(r"(?<=\d{3})\d(?=[a-z]*(?: |$))")
_DIGIT_BEFORE_ZEROS = re.compile(r"(?<=\d{3})[1-9](?=0+[a-z]*(?: |$))")  # T602100 cyan, T602700 light black
_BASE = re.compile(r"[a-z]+\d{3,}|\d{4,}")
_MAX_KEYS = 8
MAX_GROUP = 60
"""More products with one key than this are a kind of product, not siblings."""


def keys(product: Product, codes: tuple[str, ...]) -> Iterator[tuple[Rule, str]]:
    """What a product shares with its siblings, by rule.

    Args:
        product: Any product.
        codes: Its own folded codes, without those of devices that it names.
    """
    brand = fold(product.brand)
    title = product.title.casefold()
    for code in codes[:_MAX_KEYS]:
        yield "code", f"{brand}|{code}"
        stem = without_colour(code, title)
        yield "stem", f"{brand}|{stem}"
        if base := _BASE.match(stem):
            yield "base", f"{brand}|{base[0]}"
    if skeleton := skeleton_of(title):
        yield "name", f"{brand}|{skeleton}"
        if any(name in title for name in COLOURS):
            for digit in (_LAST_DIGIT, _DIGIT_BEFORE_ZEROS):
                if (numbered := digit.sub("_", skeleton)) != skeleton:
                    yield "number", f"{brand}|{numbered}"
    if product.family and product.family != product.id:
        yield "family", product.family


def own_codes(title: str) -> tuple[str, ...]:
    """The folded codes with letters and at least three digits in a title."""
    if not any(c.isdigit() for c in title):
        return ()
    found = dict.fromkeys(fold(word) for word in code_words(title))
    return tuple(
        code
        for code in found
        if is_device_code(code) and not code.isdigit() and len(code) >= 4 and sum(c.isdigit() for c in code) >= 2
    )


def without_colour(code: str, title: str) -> str:
    """A code without the letters of a colour that the title names: "lc1000cbp" of a cyan one is "lc1000bp"."""
    for name, letters in COLOURS.items():
        if name not in title:
            continue
        for run in _LETTERS_AFTER_DIGIT.finditer(code):
            for form in letters:
                if run[0].startswith(form):
                    return code[: run.start()] + code[run.start() + len(form) :]
    return code


def skeleton_of(title: str) -> str:
    """A folded title without colours, counts and kinds of packing; "" where no word with a digit is left."""
    kept = []
    words = title.split()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        folded = fold(word)
        parts = _WORD.findall(word)
        if not folded or folded in _SAID or folded in COLOURS or any(name in folded for name in _CJK_COLOURS):
            continue
        if all(part in _SAID or part in COLOURS or (part.isdigit() and len(parts) > 1) for part in parts):
            continue  # "black,cyan,magenta", "2-pack", "pc(s)"
        if folded.isdigit() and following.startswith(("pc", "pack", "page", "\u00d7", "x ")):
            continue
        kept.append(without_colour(folded, title) if is_device_code(folded) else folded)
    return " ".join(kept) if any(c.isdigit() for word in kept for c in word) else ""


_CJK_COLOURS = tuple(name for name in COLOURS if not name.isascii())


@dataclass
class Groups:
    """Which products share a key: 16 bytes for each key of a product, whatever the catalogue's size."""

    _hashes: dict[Rule, array[int]] = field(default_factory=dict)
    _places: dict[Rule, array[int]] = field(default_factory=dict)

    def add(self, place: int, rule: Rule, key: str) -> None:
        """The product at a place has this key."""
        number = int.from_bytes(
            blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), "little", signed=True
        )
        self._hashes.setdefault(rule, array("q")).append(number)
        self._places.setdefault(rule, array("q")).append(place)

    def of(self, rule: Rule) -> Iterator[list[int]]:
        """The groups of two to ``MAX_GROUP`` products that share a key."""
        hashes = np.array(self._hashes.get(rule, array("q")), dtype=np.int64)
        places = np.array(self._places.get(rule, array("q")), dtype=np.int64)
        order = np.lexsort((places, hashes))
        hashes, places = hashes[order], places[order]
        edges = np.flatnonzero(np.diff(hashes)) + 1
        for group in np.split(places, edges):
            if 2 <= len(group) <= MAX_GROUP:
                members = sorted(set(group.tolist()))
                if len(members) > 1:
                    yield members


def agreement(groups: Groups, rule: Rule, stated: Mapping[int, frozenset[str]]) -> tuple[float, int]:
    """How far a rule is right on products that state devices themselves: each is inferred from its siblings.

    Args:
        groups: Who is whose sibling.
        rule: By which rule.
        stated: By product, the codes that it states.

    Returns:
        Of the codes that at least half of a product's siblings state, the share that it states too, averaged over
        products; and how many products that is the mean of.
    """
    shares: list[float] = []
    for members in groups.of(rule):
        telling = [member for member in members if member in stated]
        for member in telling:
            votes = Counter(code for other in telling if other != member for code in stated[other])
            guessed = {code for code, count in votes.items() if 2 * count >= len(telling) - 1}
            if guessed:
                shares.append(len(guessed & stated[member]) / len(guessed))
    return (sum(shares) / len(shares), len(shares)) if shares else (0.0, 0)
