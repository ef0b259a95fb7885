"""Which numbers are phone numbers: Chinese ones, those of the US, the UK and Europe, any with a country's code.

A bare number that is also a trade item (GTIN) or a book (ISBN) counts as that, unless a word before it says phone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aisle.privacy import checks

PHONE_WORDS = re.compile(
    "电话|手机|座机|热线|联系|致电|拨打|号码|短信|微信|传真|来电|打给|加我|電話|手機|聯繫"
    "|(?<![A-Za-z])(?:teléfono|telephone|telefon|tel|tél|phones?|mobile|mob|cell|call|fax|sms|text|whats ?app|wechat"
    "|wx|vx|dial|ring|contact|reach|handy|number is)(?![A-Za-z])",
    re.I,
)
_EXTENSION = re.compile(r" ?(?:转|轉|分机|ext\.?|x|#|-) ?(?P<number>\d{1,5})(?!\d)", re.I)
_MOBILE_GROUPS = {
    (11,),
    (3, 4, 4),
    (3, 8),
    (7, 4),
    (3, 3, 5),
    (5, 6),
    (4, 7),
    (4, 4, 3),
    (4, 3, 4),
    (1,) * 11,
    (5, 3, 3),
}
_AREA = re.compile(r"0(?:10|2\d|[3-9]\d\d)")
_UNITED_STATES = re.compile(r"[2-9]\d\d[2-9]\d{6}")
_TOLL_FREE = re.compile(r"[48]00\d{7}")
_FILLING = re.compile(r"(?:[\s:.#=,(]|是|为|號|号|码|no|number|nr|is|at|me|us|on)*$", re.I)


@dataclass(frozen=True, slots=True)
class Number:
    """Digits in groups, as they stand in a text: signs between, what leads, what stands before and after."""

    start: int
    end: int
    digits: str
    groups: tuple[int, ...]
    signs: tuple[str, ...]
    lead: str
    before: str
    after: str
    joined: bool
    """A sign other than blanks joins it to digits before it."""
    word_before: str
    word_after: bool

    def near(self, words: re.Pattern[str]) -> bool:
        """Whether one of these words stands shortly before, with no other digits between."""
        return words.search(re.split(r"\d", self.before)[-1]) is not None

    def directly_after(self, words: re.Pattern[str]) -> bool:
        """Whether one of these words stands before with no more than "is", "no." or a colon between."""
        return any(_FILLING.match(self.before, found.end()) for found in words.finditer(self.before))


def phone(number: Number) -> bool:
    """Whether a number is one to call."""
    named = number.near(PHONE_WORDS)
    if number.word_before and not PHONE_WORDS.search(number.word_before):
        return False
    if number.word_after and not (named or _EXTENSION.match(number.after)):
        return False
    if number.joined and not named:
        return False
    if any("," in sign for sign in number.signs):
        return False
    digits = number.digits
    if _mobile(number, named) or _landline(number, named):
        return True
    if not named and len(number.groups) == 1 and (checks.trade_item(digits) or checks.book(digits)):
        return False
    if re.match(r"[-/.]\d", number.after) and not named:
        return False
    return _coded(number) or _american(number, named) or _european(number, named) or _local(number)


def extension(number: Number) -> int:
    """How many characters after a number are its extension, such as -801 or 转 12."""
    found = _EXTENSION.match(number.after)
    return found.end() if found and not re.match(r"[-/.]?\d", number.after[found.end() :]) else 0


def _mobile(number: Number, named: bool) -> bool:
    """Chinese: eleven digits from 13 to 19, with or without 86."""
    digits, groups = number.digits, number.groups
    for code in ("0086", "086", "86", "0", ""):
        rest = digits[len(code) :]
        if digits.startswith(code) and len(rest) == 11 and rest[0] == "1" and rest[1] in "3456789":
            if code == "0" and len(groups) == 1 and not named:
                continue
            left, kept = len(code), list(groups)
            while kept and left >= kept[0]:
                left -= kept.pop(0)
            if kept and left:
                kept[0] -= left
            return named or tuple(kept) in _MOBILE_GROUPS or number.lead.startswith("+")
    return False


def _landline(number: Number, named: bool) -> bool:
    """Chinese: area code and seven or eight digits; 400 and 800 numbers."""
    digits, groups = number.digits, number.groups
    if _TOLL_FREE.fullmatch(digits) and (named or groups in ((3, 3, 4), (3, 4, 3), (4, 3, 3), (3, 7))):
        return True
    for code in ("0086", "86", ""):
        if not digits.startswith(code):
            continue
        rest = digits[len(code) :]
        area = _AREA.match(rest if rest.startswith("0") else "0" + rest if code else rest)
        if area is None:
            continue
        length = len(area.group()) - (not rest.startswith("0"))
        local = rest[length:]
        if len(local) not in (7, 8) or local[0] in "01" or (len(local) == 7 and length < 3):
            continue
        if len(groups) == 1:
            return named or not checks.trade_item(digits)
        if named or "(" in number.lead or set(groups) == {1}:
            return True
        place = _borders(groups).get(len(code) + length)
        return place is not None and min(groups[place:], default=0) >= 3
    return False


def _borders(groups: tuple[int, ...]) -> dict[int, int]:
    """How many digits stand before each group's end, and which group follows."""
    total, found = 0, {}
    for place, size in enumerate(groups):
        total += size
        found[total] = place + 1
    return found


def _coded(number: Number) -> bool:
    """With a plus or 00 and a country's code: eight to fifteen digits (E.164)."""
    digits = number.digits
    if number.lead.startswith("+") or number.lead == "(+":
        return 8 <= len(digits) <= 15 and digits[0] != "0"
    zeros = digits.startswith("00") and digits[2:3] not in ("", "0")
    return zeros and 11 <= len(digits) <= 17 and (len(number.groups) > 1 or len(digits) >= 12)


def _american(number: Number, named: bool) -> bool:
    """The US and Canada: ten digits whose area and exchange begin with 2 to 9, perhaps after a 1."""
    digits, groups = number.digits, number.groups
    if len(digits) == 11 and digits[0] == "1" and groups[0] == 1:
        digits, groups = digits[1:], groups[1:]
    elif len(digits) == 11 and digits[0] == "1" and len(groups) == 1 and named:
        digits, groups = digits[1:], (10,)
    if not _UNITED_STATES.fullmatch(digits):
        return False
    return named or groups in ((10,), (3, 3, 4), (3, 7), (6, 4))


def _european(number: Number, named: bool) -> bool:
    """National forms with a leading zero and a sign after the area, French pairs, and UK numbers."""
    digits, groups = number.digits, number.groups
    if digits[0] != "0" or not 9 <= len(digits) <= 12 or digits[1] == "0":
        return False
    if groups == (2, 2, 2, 2, 2):
        return len(set(number.signs)) == 1
    if len(groups) == 1:
        return named or (len(digits) == 11 and digits[1] in "127") or (len(digits) == 10 and digits[1] in "4567")
    if (len(digits) < 10 and groups[-1] < 3) or (groups == (5, 5) and digits[5] == "0"):
        return False  # 016-2014-00 and 05491 05492 are parts
    return 2 <= groups[0] <= 5 and min(groups) >= 2 and max(groups[1:]) >= 3


def _local(number: Number) -> bool:
    """Seven to thirteen digits directly after a word that says phone."""
    plain = len(number.groups) == 1
    return (
        7 <= len(number.digits) <= 13
        and number.directly_after(PHONE_WORDS)
        and not (plain and checks.trade_item(number.digits))
    )
