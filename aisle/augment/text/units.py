"""Sizes and packing words as other people write them: 10 inch, 10in and 10", 1 TB and 1TB, with and w/.

Nothing is converted: the number stays, only what follows it is written otherwise. So the grade keeps. Both directions:
from any form to any other of the same list. Knows no catalogue. The engine's own normaliser undoes most of it for
numbers (`aisle/language/units.py`); text that goes to a model without it, and words such as "w/", it does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import regex

from aisle.augment.change import Effect, Side
from aisle.language.script import has_han
from aisle.language.units import unify_units

_FORMS: tuple[tuple[str, ...], ...] = (
    ("inch", "inches", "in", '"', "英寸", "寸"),
    ("ft", "feet", "foot", "'"),
    ("yd", "yard", "yards"),
    ("mm", "millimeter", "毫米"),
    ("cm", "centimeter", "厘米"),
    ("m", "meter", "meters", "米"),
    ("kg", "kilogram", "公斤", "千克"),
    ("g", "gram", "grams", "克"),
    ("lb", "lbs", "pound", "pounds"),
    ("oz", "ounce", "ounces"),
    ("ml", "milliliter", "毫升"),
    ("L", "l", "liter", "liters", "升"),
    ("gal", "gallon", "gallons"),
    ("TB", "tb", "terabyte"),
    ("GB", "gb", "gigabyte"),
    ("MB", "mb", "megabyte"),
    ("mAh", "mah", "毫安"),
    ("W", "w", "watt", "watts", "瓦"),
    ("V", "v", "volt", "volts", "伏"),
    ("A", "amp", "amps"),
    ("GHz", "ghz"),
    ("MHz", "mhz"),
    ("pk", "pack", "-pack"),
    ("pcs", "pc", "pieces", "件"),
    ("ct", "count"),
)
"""Forms that mean the same after a number."""
_WORDS: tuple[tuple[str, ...], ...] = (
    ("with", "w/"), ("without", "w/o"), ("and", "&"), ("square feet", "sq ft", "sq. ft.", "sqft"), ("television", "tv"),
    ("refrigerator", "fridge"), ("stainless steel", "ss"), ("package", "pkg"), ("quantity", "qty"),
    ("diameter", "dia"), ("galvanized", "galv"), ("microphone", "mic"), ("replacement", "repl"),
    ("pieces", "pcs"), ("pair", "pr"), ("approximately", "approx"), ("international", "intl"), ("black", "blk"),
    ("white", "wht"), ("brown", "brn"), ("assorted", "asst"), ("adjustable", "adj"), ("mount", "mnt"),
)  # fmt: skip
"""Words that are written short; the first is whole."""
_FORM = {form.lower(): forms for forms in _FORMS for form in forms}
_UNIT = "|".join(sorted(map(regex.escape, _FORM), key=len, reverse=True))
_MEASURE = regex.compile(
    r"(?<![\p{L}\p{N}.,/$€£¥-])(?P<number>\d+(?:[.,]\d+)?(?:/\d+)?)(?P<blank>[ -]?)"
    rf"(?P<unit>{_UNIT})(?![\p{{Latin}}\p{{N}}/\"']|-\w)(?:(?<=\p{{Latin}})\.(?= ))?",
    regex.IGNORECASE,
)
_SHORT = {form: words for words in _WORDS for form in words}
_WORD = regex.compile(
    r"(?<![\p{L}\p{N}/&.-])(?:" + "|".join(sorted(map(regex.escape, _SHORT), key=len, reverse=True))
    + r")(?![\p{L}\p{N}&-]|/\p{L}|\.\p{L})",
    regex.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Units:
    """One number with its unit written otherwise."""

    name: str = "units"
    effect: Effect = "keeps"
    sides: frozenset[Side] = frozenset(("query", "title"))

    def apply(self, text: str, rng: Random) -> str | None:
        """The text with one unit in another form; None where no number has one."""
        found = [match for match in _MEASURE.finditer(text) if _is_unit(match)]
        if not found:
            return None
        match = rng.choice(found)
        others = [form for form in _written(match, chinese=has_han(text)) if form.lower() != match[0].lower()]
        return text[: match.start()] + rng.choice(others) + text[match.end() :] if others else None


@dataclass(frozen=True, slots=True)
class Abbreviations:
    """One word written short, or one that is short written out."""

    name: str = "abbreviations"
    effect: Effect = "keeps"
    sides: frozenset[Side] = frozenset(("query", "title"))

    def apply(self, text: str, rng: Random) -> str | None:
        """The text with one word in another form; None where it has none that is written short."""
        found = list(_WORD.finditer(text))
        if not found:
            return None
        match = rng.choice(found)
        other = rng.choice([form for form in _SHORT[match[0].lower()] if form != match[0].lower()])
        return text[: match.start()] + other + text[match.end() :]


def _is_unit(match: regex.Match[str]) -> bool:
    """Whether what follows the number is a unit, and not "size 10 in black", "4g" or "2 in 1"."""
    unit, blank = match["unit"], match["blank"]
    if unit.lower() == "in" and (blank != "" or match.string[match.end() :][:1] == " "):
        return unify_units(match.string[match.start() :]).startswith(f"{match['number']} inch")
    if len(unit) == 1 and unit.isascii() and unit.isalpha():
        return unify_units(match[0]) != match[0] or (unit in "mgVWL" and blank == " ")
    return not (unit in {'"', "'"} and blank)


def _written(match: regex.Match[str], *, chinese: bool) -> Iterator[str]:
    """The measure in all forms, each with the blanks that people write before it."""
    number, unit = match["number"], match["unit"]
    one = number == "1"
    for form in _FORM[unit.lower()]:
        if not form.isascii() and not chinese:
            continue
        if len(form) > 2 and form.endswith("s") and one:
            continue
        if form == "in":
            yield f"{number}in"  # apart it is a word
        elif form in {'"', "'"} or form.startswith("-") or not form.isascii():
            yield number + form
        elif len(form) > 3:
            yield f"{number} {form}"
        else:
            yield from (number + form, f"{number} {form}")
