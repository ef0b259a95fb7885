"""The names by which a query can ask for a catalogue's values: brands, categories, values of attributes.

    brand "HUAWEI 华为" -> HUAWEI 华为, HUAWEI, 华为        colour "Midnight Black" -> Midnight Black, Black

Knows values and what their attributes hold, no titles and no queries.
"""

from __future__ import annotations

from collections.abc import Iterable

import regex

from aisle.filters.fields import ATTRIBUTE_PREFIX, PRODUCT_FIELDS, squeeze
from aisle.query.columns import Holds
from aisle.query.concepts import head_of, parts_of
from aisle.query.constraint import Kind
from aisle.query.keys import MAX_TOKENS, key_of, tokens_of
from aisle.query.measures import measures_in

_ALIASES = regex.compile(r"[/|()（）]|(?<=\p{Han})\s*(?=\p{Latin}{2})|(?<=\p{Latin}{2})\s*(?=\p{Han})")
_LABELS = regex.compile(r"\s*(?:[&,/|、]|\band\b)\s*", regex.IGNORECASE)
_LISTED = regex.compile(r"\s*[,/;|、]\s*")
_LETTER = regex.compile(r"\p{L}")
_SAYS_NOTHING = frozenset(
    {"yes", "no", "true", "false", "none", "na", "other", "unspecified", "是", "否", "无", "其他"}
)


def field_of(attribute: str) -> str:
    """An attribute's name as filters know it: one that is called like a product's own field has a prefix."""
    name = squeeze(attribute)
    return ATTRIBUTE_PREFIX + name if name in PRODUCT_FIELDS or name.startswith(ATTRIBUTE_PREFIX) else name


def names_of_brand(brand: str) -> tuple[str, ...]:
    """A brand, and each of the names that a brand written twice has."""
    return _useful([brand, *_ALIASES.split(brand)])


def names_of_category(label: str) -> tuple[str, ...]:
    """A category's label, and each thing that a label of several names."""
    return _useful([label, *_LABELS.split(label)])


def names_of_value(attribute: str, held: Holds, text: str) -> tuple[Kind, tuple[str, ...]]:
    """What kind of demand a text of an attribute can meet, and the names of it."""
    if held == "colour":
        return "colour", _useful(name for part in parts_of(text) for name in (part, head_of(part)))
    if held == "size":
        names = [name for name in _LISTED.split(text) if next(measures_in(name), None) is None]
        return "size", _useful(names, least=1)
    if held == "kind":
        return "compatible" if _is_compatibility(attribute) else "attribute", _useful([text, *_LISTED.split(text)])
    return "attribute", ()


def names_of_flag(attribute: str) -> tuple[str, ...]:
    """The name of what a truth value is about: ``touch_screen`` is touch screen."""
    return _useful([attribute.replace("_", " ")])


def _is_compatibility(attribute: str) -> bool:
    return any(part in attribute.casefold() for part in ("compatib", "兼容", "适用"))


def _useful(names: Iterable[str], least: int = 2) -> tuple[str, ...]:
    """Names long enough to mean something and short enough to be asked for, each once."""
    found: dict[str, str] = {}
    for name in names:
        key = key_of(name)
        if (
            len(key) >= least
            and key not in _SAYS_NOTHING
            and _LETTER.search(key)
            and len(tokens_of(name)) <= MAX_TOKENS
        ):
            found.setdefault(key, name.strip())
    return tuple(found.values())
