"""Numbers of several groups of digits: cards, identity numbers and phones among them.

A run is digits with single signs or blanks between; any window of its groups may be one number. Knows the text around
a number; the phone formats are in ``phones.py``, the check digits in ``checks.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aisle.privacy import checks
from aisle.privacy.finding import Finding
from aisle.privacy.phones import PHONE_WORDS, Number, extension, phone

_RUN = re.compile(r"[+(]{0,2}\d+(?:[ ./()·,-]{1,3}\d+)*")
_GROUP = re.compile(r"\d+")
_LONGEST = 19
_LOOK_BACK = 24

_CARD_WORDS = re.compile(
    r"卡号|银行卡|信用卡|借记卡|储蓄卡|账号|帐号|\b(?:credit|debit|bank|visa|mastercard|amex|card|pan|cc)\b", re.I
)
_ID_WORDS = re.compile(r"身份证|证件号|公民身份|\b(?:id (?:card|no|number)|sfz|idcard|identity card)\b", re.I)
_SSN_WORDS = re.compile(r"社会安全|社安号|\b(?:ssn|social security|tax ?id|itin)\b", re.I)


@dataclass(frozen=True, slots=True)
class _Group:
    start: int
    end: int
    digits: str


def numbers(text: str) -> Iterator[Finding]:
    """Cards, identity numbers and phones in a text as read; none overlaps another."""
    free = 0  # what was found before has taken the characters up to here
    for run in _RUN.finditer(text):
        groups = [_Group(found.start(), found.end(), found.group()) for found in _GROUP.finditer(text, *run.span())]
        place = 0
        while place < len(groups):
            found = _longest(text, groups, place, free)
            if found is None:
                place += 1
                continue
            yield found
            free = found.end
            while place < len(groups) and groups[place].start < free:
                place += 1


def _longest(text: str, groups: Sequence[_Group], place: int, free: int) -> Finding | None:
    """The personal number that begins with a group and is the longest to do so."""
    last, digits = place, 0
    while last < len(groups) and digits + len(groups[last].digits) <= _LONGEST:
        digits += len(groups[last].digits)
        last += 1
    if digits < 7:
        return None
    for stop in range(last, place, -1):
        if digits < 7:
            return None
        digits -= len(groups[stop - 1].digits)
        if not _plausible(groups, place, stop):
            continue
        number = _number(text, groups, place, stop, free)
        found = _document(text, number) or _phone(text, number)
        if found is not None:
            return found
    return None


def _plausible(groups: Sequence[_Group], place: int, stop: int) -> bool:
    """Not a stretch from the middle of a list: few groups, or digit by digit from the first."""
    if stop - place <= 8:
        return True
    alone = all(len(group.digits) == 1 for group in groups[place:stop])
    return alone and (place == 0 or len(groups[place - 1].digits) > 1)


def _number(text: str, groups: Sequence[_Group], place: int, stop: int, free: int) -> Number:
    start, end = groups[place].start, groups[stop - 1].end
    while start > free and text[start - 1] in "+(" and not (start > 1 and text[start - 2] in "+(" and start - 2 < free):
        start -= 1
    window = groups[place:stop]
    return Number(
        start=start,
        end=end,
        digits="".join(group.digits for group in window),
        groups=tuple(len(group.digits) for group in window),
        signs=tuple(text[left.end : right.start] for left, right in pairwise(window)),
        lead=text[start : groups[place].start],
        before=text[max(free, start - _LOOK_BACK) : start],
        after=text[end : end + 12],
        joined=place > 0 and groups[place - 1].start >= free and " " not in text[groups[place - 1].end : start],
        word_before=_word(text, start, free),
        word_after=end < len(text) and text[end].isascii() and text[end].isalpha(),
    )


def _word(text: str, start: int, free: int) -> str:
    """ASCII letters and digits directly before a number, such as "tel" in tel138 or "MX" in MX138."""
    place = start
    while place > max(free, start - 12) and text[place - 1].isascii() and text[place - 1].isalnum():
        place -= 1
    return text[place:start]


def _document(text: str, number: Number) -> Finding | None:
    """A card, resident ID or social security number."""
    digits, plain = number.digits, len(number.groups) == 1
    if number.word_before and not PHONE_WORDS.search(number.word_before) and not number.near(_CARD_WORDS):
        return None
    if len(set(number.signs)) > 1 or any(sign not in (" ", "-", ".", "  ", " - ") for sign in number.signs):
        return None
    if len(digits) == 17 and number.after[:1] in ("X", "x") and not number.after[1:2].isalnum():
        end = number.end + 1
        if checks.resident_shape(digits + "X"):  # whatever the check says: a typing error is still somebody's number
            return Finding(number.start, end, "id")
    if number.word_after or number.joined:
        return None
    if len(digits) == 18 and (checks.resident(digits) or (number.near(_ID_WORDS) and checks.resident_shape(digits))):
        return Finding(number.start, number.end, "id")
    old = len(digits) == 15 and plain and checks.resident_shape(digits)
    if old and (number.near(_ID_WORDS) or not checks.luhn(digits)):  # a device's IMEI has Luhn's check digit
        return Finding(number.start, number.end, "id")
    if _is_card(number, plain):
        return Finding(number.start, number.end, "card")
    return Finding(number.start, number.end, "id") if _is_social(number) else None


def _is_social(number: Number) -> bool:
    digits, groups = number.digits, number.groups
    if groups not in ((3, 2, 4), (9,)) or not checks.social_security(digits[:3], digits[3:5], digits[5:]):
        return False
    return set(number.signs) == {"-"} or number.near(_SSN_WORDS)


def _is_card(number: Number, plain: bool) -> bool:
    digits = number.digits
    if not 13 <= len(digits) <= 19 or (not plain and max(number.groups) > 15):
        return False
    named = number.near(_CARD_WORDS)
    if plain and checks.trade_item(digits) and not named:
        return False
    if not plain and not named and not _card_groups(number.groups):
        return False
    return checks.card(digits) or (named and len(digits) >= 15)


def _card_groups(groups: tuple[int, ...]) -> bool:
    """Fours with a rest, 4-6-5 and 4-6-4, or digit by digit: not the numbers of a size table that add up to sixteen."""
    return (
        groups in ((4, 6, 5), (4, 6, 4), (6, 13), (6, 10), (8, 8), (4, 4, 4, 4, 3), (6, 6, 7))
        or set(groups) == {1}
        or (set(groups[:-1]) == {4} and groups[-1] <= 4)
        or (set(groups) == {2} and len(groups) == 8)
    )


def _phone(text: str, number: Number) -> Finding | None:
    if not phone(number):
        return None
    return Finding(number.start, number.end + extension(number), "phone")
