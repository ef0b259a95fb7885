"""The device that a query asks something for: "ink for MFC-240C", "toner hp 1010", "MFC240C 墨盒", "适用于 MFC-240C".

A device with "for" before it is asked for; so is one beside a word for accessories, unless that word is in the device's
own title: who writes "battery AXXRSBBU3" wants that battery. Whoever asks for something for a device does not want the
device, so its identifier must not come first. Knows queries and devices, no ranking.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from aisle.knowledge.compatibility import Compatibility, Device
from aisle.knowledge.devices import Mention, is_strong, mentions
from aisle.knowledge.learning import words_of
from aisle.knowledge.statements import LEAD_IN
from aisle.language.identifiers import code_words
from aisle.language.lexicon import Lexicon
from aisle.query.constraint import Constraint, Verdict
from aisle.types import In, Product, Scalar

EXPLICIT, IMPLICIT = 0.95, 0.8
"""How sure it is that something for the device is wanted: with "for" before it, or beside a word for accessories."""

_AFTER = re.compile(r"\s*(?:系列)?\s*(?:专用|适用|可用|用|的|対応|用の|の|互換)")
"""What stands after a device that something is for, in Chinese and Japanese."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A device that a query asks something for.

    ``device`` is None where the catalogue knows nothing of it. ``text`` is the query's own words for it; ``keys`` are
    the identifiers, folded, that these words could be taken for and that must not be lifted.
    """

    text: str
    device: Device | None
    keys: frozenset[str]
    certainty: float


def asked_devices(text: str, compatibility: Compatibility, lexicon: Lexicon | None = None) -> tuple[Asked, ...]:
    """The devices that a query asks something for, in order; none where it asks for none, or for devices themselves.

    Args:
        text: Normalised, simplified.
        compatibility: What the catalogue knows of devices.
        lexicon: Says that 墨盒 is an ink cartridge, where the catalogue has only the English word.
    """
    if not any(c.isdigit() for c in text):
        return ()
    lead_in = LEAD_IN.search(text)
    before, after = (text[: lead_in.start()], text[lead_in.end() :]) if lead_in else (text, "")
    found: dict[str, Asked] = {}
    beside = frozenset(word.casefold() for word in code_words(text) if word.isalpha())
    for part, explicit in ((after, True), (before, False)):
        for mention in mentions(part):
            asked = _asked(mention, part, explicit, beside, compatibility)
            if asked is None or (asked.certainty < EXPLICIT and not _accessory(asked, text, compatibility, lexicon)):
                continue
            found.setdefault(asked.device.code if asked.device else asked.text, asked)
    return tuple(found.values())


def device_keys(asked: Iterable[Asked]) -> frozenset[str]:
    """The identifier keys of devices that something is asked for: products that carry them must not come first."""
    return frozenset(key for one in asked for key in one.keys)


def constraint_of(asked: Asked, compatibility: Compatibility) -> Constraint:
    """The demand as a constraint, whose filter names the products known to fit; judge it by ``verdict_of``."""
    ids = tuple(sorted(fit.product_id for fit in compatibility.fitting(asked.device))) if asked.device else ()
    return Constraint("compatible", asked.text, In("id", ids), asked.certainty)


def verdict_of(asked: Asked, product: Product, compatibility: Compatibility) -> Verdict:
    """Whether a product meets the demand.

    "satisfied" where something says that it fits, "contradicted" where the product lists devices and this one is not
    among them, else "unknown".
    """
    constraint = Constraint("compatible", asked.text, In("id", (product.id,)), asked.certainty)
    fit = compatibility.fits(product.id, asked.device) if asked.device else None
    if fit is not None:
        found: tuple[tuple[str, Scalar], ...] = ((fit.field, fit.text),)
        return Verdict(constraint, "satisfied", found)
    contradicted = asked.device is not None and compatibility.states(product.id)
    return Verdict(constraint, "contradicted" if contradicted else "unknown", ())


def _asked(
    mention: Mention, part: str, explicit: bool, beside: frozenset[str], compatibility: Compatibility
) -> Asked | None:
    """The device of a mention as a demand; of an unknown one only where it has the form of one and "for" before it."""
    last = mention.words[-1] if mention.words else ""
    written = _written(mention.code, part)
    explicit = explicit or (written is not None and _AFTER.match(part, written.end()) is not None)
    said = written[0] if written else mention.code
    certainty = EXPLICIT if explicit else IMPLICIT
    keys = frozenset({mention.code, last + mention.code, "".join(mention.words) + mention.code})
    for code in dict.fromkeys((last + mention.code, mention.code)):  # "MFC 240C" may be mfc240c
        device = compatibility.device(code, (*mention.words, *beside))
        if device is not None:
            joined = code != mention.code or (device.word and device.word == last)
            return Asked(f"{last} {said}" if joined else said, device, keys, certainty)
    if explicit and is_strong(mention.code):
        return Asked(said, None, keys, certainty)
    return None


def _written(code: str, part: str) -> re.Match[str] | None:
    """A folded code as the query writes it."""
    return re.search(r"[-/ ]?".join(map(re.escape, code)), part, re.IGNORECASE)


def _accessory(asked: Asked, text: str, compatibility: Compatibility, lexicon: Lexicon | None) -> bool:
    """Whether the query has a word for accessories that the device's own title has not."""
    tables = compatibility.tables
    own = frozenset(tables.own.get(asked.device.code, ())) if asked.device else frozenset()
    return any(words & tables.accessories - own for words in _readings(text, lexicon))


def _readings(text: str, lexicon: Lexicon | None) -> Iterator[frozenset[str]]:
    yield words_of(text)
    if lexicon is not None and not text.isascii():
        for expansion in lexicon.expansions(text):
            yield words_of(expansion.name.casefold())
