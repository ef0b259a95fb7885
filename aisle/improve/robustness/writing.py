"""Other ways to write the same: a shopper's, and what a catalogue's export leaves in a title. Each keeps the grade.

    case          usb hub -> USB HUB               plural      wine rack -> wine racks
    joined        usb hub -> usbhub                parted      手机壳 -> 手 机壳
    full-width    usb hub -> ｕｓｂ　ｈｕｂ           mixed       red sofa -> red 沙发
    around        usb hub -> looking for usb hub   html        A & B -> <b>A</b> &amp; B

Slips of the hand, word order, units, synonyms and cuts are those of ``aisle.augment.text``. Words around and HTML are
written anew, so that training on the ones there is not tested on the same words. Knows texts only.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random

import regex

from aisle.augment.change import BOTH, Effect, Side
from aisle.augment.text.words import BINDING, pick, plural, replaced, words
from aisle.language.lexicon import Lexicon
from aisle.language.script import has_han


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A change that is one function of text and chance.

    Attributes:
        name: By which reports call it.
        function: The changed text; None or the text itself where there is nothing to change.
    """

    name: str
    function: Callable[[str, Random], str | None]
    sides: frozenset[Side] = BOTH
    effect: Effect = "keeps"

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where there is nothing to change."""
        found = self.function(text, rng)
        return None if found is None or found == text or not found.strip() else found


# --- letters and blanks ------------------------------------------------------------------------------------


def upper(text: str, rng: Random) -> str:
    """All capitals."""
    return text.upper()


def joined(text: str, rng: Random) -> str | None:
    """One blank lost."""
    return _without_blank(text, [place for place, letter in enumerate(text) if letter == " "], rng)


def parted(text: str, rng: Random) -> str | None:
    """One blank too much between two Chinese characters."""
    place = pick([found.end() for found in _INSIDE_HAN.finditer(text)], rng)
    return None if place is None else f"{text[:place]} {text[place:]}"


def full_width(text: str, rng: Random) -> str:
    """Latin letters, digits and blanks as wide as Chinese characters, as input methods leave them."""
    return "".join(_wide(letter) for letter in text)


_INSIDE_HAN = regex.compile(r"\p{Han}(?=\p{Han})")


def _without_blank(text: str, places: list[int], rng: Random) -> str | None:
    place = pick(places, rng)
    return None if place is None else text[:place] + text[place + 1 :]


def _wide(letter: str) -> str:
    if letter == " ":
        return "\u3000"
    return chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter


# --- number ------------------------------------------------------------------------------------------------

_NO_PLURAL = frozenset((
    "furniture", "clothing", "jewelry", "jewellery", "equipment", "software", "hardware", "luggage", "makeup",
    "perfume", "underwear", "footwear", "bedding", "lingerie", "lighting", "flooring", "paint", "paper", "glass",
    "wood", "steel", "leather", "cotton", "wool", "silk", "denim", "gold", "silver", "water", "coffee", "tea", "rice",
    "food", "milk", "wifi", "memory", "storage", "music", "news", "series", "species", "scissors", "pants", "jeans",
    "shorts", "trousers", "glasses", "canvas", "sunglasses", "headphones", "earphones", "binoculars", "tweezers",
    "pajamas", "pyjamas", "leggings", "tights", "goggles", "men", "women", "children", "people", "feet", "mens",
    "womens", "kids", "christmas", "atlas", "lens", "wireless", "dress", "less", "plus", "gas", "bus", "usb", "dvd",
    "gps", "hdmi", "led", "lcd", "tv", "xbox", "ipad", "iphone", "adidas", "asus", "stainless",
))  # fmt: skip
"""Words without another number, and names that end like a plural."""


def other_number(text: str, rng: Random) -> str | None:
    """The thing asked for in the plural, or in the singular: the last word before one such as "for" or "with"."""
    head = None
    for word in words(text):
        if word.text.casefold() in BINDING:
            break
        head = word
    if head is None or not regex.fullmatch(r"[A-Za-z][a-z]{2,}", head.text) or head.text.lower() in _NO_PLURAL:
        return None
    found = _singular(head.text) if head.text.endswith("s") else plural(head.text)
    return None if found is None else replaced(text, head, found)


def _singular(word: str) -> str | None:
    if regex.search(r"(?:ss|us|is|'s)$", word) or len(word) < 4:
        return None
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if regex.search(r"(?:sh|ch|ss|x|zz)es$", word):
        return word[:-2]
    return word[:-1]


# --- other names -------------------------------------------------------------------------------------------

_LEAST = 4
"""Letters of an English name: shorter ones are too often something else (mac, led)."""
_LETTERS = regex.compile(r"[a-z][a-z '\-]*|\p{Han}+", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OtherLanguage:
    """One thing of a text under its name in the other language: Chinese within English, English within Chinese.

    Attributes:
        lexicon: Where the names are from. Search with an index knows the packaged one too: there such names measure no
            more than whether it is used.
    """

    lexicon: Lexicon
    name: str = "mixed"
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where the lexicon has no name of it, or where a name means several things."""
        chinese = has_han(text)
        others = [
            other
            for other in self.lexicon.expansions(text)
            if other.language == ("en" if chinese else "zh")
            and other.weight == 1
            and _LETTERS.fullmatch(other.name)
            and (chinese or len(other.because) >= _LEAST)
            and other.because in text
        ]
        because = pick(list(dict.fromkeys(other.because for other in others)), rng)
        if because is None:
            return None
        name = rng.choice([other.name for other in others if other.because == because])
        before, after = text.split(because, 1)
        return " ".join(f"{before} {name} {after}".split()) if chinese else f"{before}{name}{after}"


# --- words around ------------------------------------------------------------------------------------------

_BEFORE = ("looking for", "i want to buy a", "where can i find", "show me", "i need a", "please find", "search for")
_AFTER = ("for sale", "online", "please", "in stock", "free shipping", "with fast delivery", "buy now")
_BEFORE_ZH = ("我想买", "求推荐", "哪里有", "找一个", "请问有没有")
_AFTER_ZH = ("包邮", "现货", "哪里买", "求推荐", "官网", "多少钱")


def around(text: str, rng: Random) -> str:
    """Words before or after it, or both, that ask for nothing."""
    chinese = has_han(text)
    before, after = (_BEFORE_ZH, _AFTER_ZH) if chinese else (_BEFORE, _AFTER)
    blank = "" if chinese else " "
    kind = rng.randrange(3)
    head = rng.choice(before) + blank if kind != 1 else ""
    tail = blank + rng.choice(after) if kind != 0 else ""
    return f"{head}{text}{tail}"


# --- what exports leave in -----------------------------------------------------------------------------------


def with_html(text: str, rng: Random) -> str:
    """Marks of a web page left in: entities, one word in bold or a link, a break and no-break blanks."""
    pieces = [html.escape(piece) for piece in text.split()]
    if not pieces:
        return text
    place = rng.randrange(len(pieces))
    opening, closing = rng.choice(
        (("<b>", "</b>"), ("<strong>", "</strong>"), ('<span class="title">', "</span>"), ('<a href="#">', "</a>"))
    )
    pieces[place] = f"{opening}{pieces[place]}{closing}"
    at = rng.randrange(1, len(pieces)) if len(pieces) > 1 else 1
    head, tail = " ".join(pieces[:at]), " ".join(pieces[at:])
    return f"<p>{head}&nbsp;{tail}<br/></p>" if tail else f"<p>{head}<br/></p>"


@cache
def packaged_lexicon() -> Lexicon:
    """The lexicon inside the package; read when first asked."""
    return Lexicon()
