"""Prices that a query asks for: "under 50", "$20-30", "between 50 and 100 euros", 200元以内, 一百到两百块.

    under $50 -> price < 50        200元左右 -> 160 <= price <= 240        cheap -> nothing: it names no price

"Under 50" without a currency is a price only where no unit follows: "under 50 inch" is a size, and "air max 90" or
"up to 8 players" are no prices. How certain each form is was set by judgement, not estimated. Knows text, no catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass

import regex

from aisle.query.measures import DIMENSIONS
from aisle.types import And, Compare, Comparison, Filter

ABOUT = 0.2
"""A price of about 200 is within 20% of it."""
CERTAIN, LIKELY, POSSIBLE = 0.95, 0.8, 0.5

_CURRENCIES = {
    "$": "USD", "us$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "bucks": "USD",
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "£": "GBP", "gbp": "GBP", "quid": "GBP",
    "¥": "CNY", "cny": "CNY", "rmb": "CNY", "yuan": "CNY", "元": "CNY", "块": "CNY", "块钱": "CNY", "圆": "CNY",
    "人民币": "CNY", "₹": "INR", "inr": "INR",
}  # fmt: skip
_HAN_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_HAN_POWERS = {"十": 10, "百": 100, "千": 1_000, "万": 10_000}

_SIGN = r"(?:us\$|[$€£¥₹]|(?:usd|eur|gbp|rmb|cny|inr)\s?)\s?"
_NAME = (
    r"\s?(?:(?:dollars?|bucks|usd|euros?|eur|quid|gbp|rmb|cny|yuan|inr)\b|[$€£¥](?!\s?\d)"
    r"|元(?!宝|素|旦|件)|块钱|块(?!装|头|状)|圆(?!形)|人民币)"
)
_NUMBER = (
    r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?:k\b|[千万百])?"
    r"|[一二两三四五六七八九][一二两三四五六七八九十百千万零]*[十百千万]|[十百千万]"
)
_UNITS = "|".join(sorted(map(regex.escape, DIMENSIONS), key=len, reverse=True))
# A bare number that more follows is a count, a measure or a model: 50%, 50 inch, 2x, 16:9, 2-pack
_BARE = rf"(?![\w.,:/%\"'+]*[\w%/:\"'+])(?!\s?-\s?\w)(?!\s?(?:{_UNITS})(?![A-Za-z]))"


def _amount(name: str) -> str:
    """A number with a currency on either side or none."""
    return rf"(?P<sign_{name}>{_SIGN})?(?P<number_{name}>{_NUMBER})(?P<name_{name}>{_NAME})?"


_PRICE_WORD = r"(?:\b(?:price[ds]?|costs?|costing)\s(?:of\s|at\s|is\s)?|价格|售价|价位)?"
_BELOW = r"\b(?:under|below|less than|lower than|cheaper than)\s|<(?!=)\s?|低于|少于|小于|不到"
_AT_MOST = (
    r"\b(?:up to|at most|no more than|not more than|not over|max(?:imum)?|within)\s|<=\s?|≤\s?|不超过|不过|最多|不高于"
)
_ABOVE = r"\b(?:over|above|more than|higher than)\s|>(?!=)\s?|高于|超过|大于"
_AT_LEAST = r"\b(?:at least|from|starting at|no less than|min(?:imum)?)\s|>=\s?|≥\s?|不低于|至少|最少"
_AROUND = r"\b(?:around|about|approx(?:imately)?\.?|circa)\s|~\s?|大约|大概|约"
_OR_LESS = r"\s?(?:(?:or|and)\s(?:less|under|below|cheaper)\b|max\b)|\s?(?:以内|以下|之内|之下|内)"
_OR_MORE = r"\s?(?:(?:or|and)\s(?:more|up|above|over)\b)|\s?(?:以上|之上|起)"
_OR_SO = r"\s?(?:or so\b)|\s?(?:左右|上下|附近|前后)"

_RANGE = regex.compile(
    rf"{_PRICE_WORD}(?P<between>\bbetween\s|\bfrom\s|介于)?(?<![A-Za-z0-9.,/-]){_amount('a')}"
    rf"\s?(?:-|–|—|~|到|至|\bto\b|\band\b|(?<=\d)一(?=\d))\s?{_amount('b')}(?P<among>之间)?(?P<bare>{_BARE})?",
    regex.IGNORECASE,
)
_BOUND = regex.compile(
    rf"{_PRICE_WORD}(?:(?P<below>{_BELOW})|(?P<at_most>{_AT_MOST})|(?P<above>{_ABOVE})|(?P<at_least>{_AT_LEAST})"
    rf"|(?P<around>{_AROUND}))?(?<![A-Za-z0-9.,/-]){_amount('a')}"
    rf"(?:(?P<or_less>{_OR_LESS})|(?P<or_more>{_OR_MORE})|(?P<or_so>{_OR_SO}))?(?P<bare>{_BARE})?",
    regex.IGNORECASE,
)
_NEEDS_CURRENCY = regex.compile(r"max|min|from|within|starting|up to", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Price:
    """A price asked for, where the text says so, and in which currency (None where it does not say)."""

    start: int
    end: int
    filter: Filter
    currency: str | None
    certainty: float


def prices_in(text: str) -> list[Price]:
    """The prices that a normalised text asks for, in order."""
    found = [price for match in _RANGE.finditer(text) if (price := _range(match)) is not None]
    for match in _BOUND.finditer(text):
        if not any(price.start < match.end() and match.start() < price.end for price in found):
            price = _bound(match)
            if price is not None:
                found.append(price)
    return sorted(found, key=lambda price: price.start)


def _range(match: regex.Match[str]) -> Price | None:
    low, high = _value(match["number_a"]), _value(match["number_b"])
    currency = _currency(match, "a") or _currency(match, "b")
    if not low < high or ("and" in match[0].casefold() and not match["between"]):
        return None
    if currency is None:
        if match["bare"] is None or "." in match["number_a"] or match.end() < len(match.string.rstrip()):
            return None
        certainty = LIKELY if (match["between"] or match["among"]) else POSSIBLE
    else:
        certainty = CERTAIN
    return _price(match, [(">=", low), ("<=", high)], currency, certainty)


def _bound(match: regex.Match[str]) -> Price | None:
    amount, currency = _value(match["number_a"]), _currency(match, "a")
    before = match["below"] or match["at_most"] or match["above"] or match["at_least"]
    after = match["or_less"] or match["or_more"]
    about = match["around"] or match["or_so"]
    if currency is None:
        if match["bare"] is None or not (before or after) or (before and _NEEDS_CURRENCY.match(before.strip())):
            return None
        ends = match.end() == len(match.string.rstrip())
        if match["above"] and not ends:  # "over 60 gifts"
            return None
        certainty = LIKELY if (after or match["below"]) and ends else POSSIBLE
    else:
        certainty = CERTAIN if before or after else LIKELY if about else POSSIBLE
    if amount <= 0 or (match["name_a"] == "块" and not (before or after or about) and match.end() < len(match.string)):
        return None  # 块 is a piece as often as a yuan
    bounds: list[tuple[Comparison, float]]
    if match["below"]:
        bounds = [("<", amount)]
    elif match["above"]:
        bounds = [(">", amount)]
    elif match["at_most"] or match["or_less"]:
        bounds = [("<=", amount)]
    elif match["at_least"] or match["or_more"]:
        bounds = [(">=", amount)]
    else:
        bounds = [(">=", amount * (1 - ABOUT)), ("<=", amount * (1 + ABOUT))]
    return _price(match, bounds, currency, certainty)


def _price(
    match: regex.Match[str], bounds: list[tuple[Comparison, float]], currency: str | None, certainty: float
) -> Price:
    parts = tuple(Compare("price", op, round(value, 2)) for op, value in bounds)
    start = match.start() + len(match[0]) - len(match[0].lstrip())
    return Price(start, match.end(), parts[0] if len(parts) == 1 else And(parts), currency, certainty)


def _currency(match: regex.Match[str], name: str) -> str | None:
    written = match[f"sign_{name}"] or match[f"name_{name}"]
    return _CURRENCIES.get(written.strip().casefold()) if written else None


def _value(written: str) -> float:
    """A number in digits or in Chinese: "1,200", "2k", 1.5万, 三百五十."""
    plain = written.casefold().replace(",", "")
    if plain[0].isdigit():
        power = {"k": 1_000.0, **_HAN_POWERS}.get(plain[-1])
        return float(plain[:-1]) * power if power else float(plain)
    total, section, digit = 0, 0, 0
    for character in plain:
        power = _HAN_POWERS.get(character)
        if power is None:
            digit = _HAN_DIGITS[character]
        elif power == 10_000:
            total, section, digit = total + (section + digit) * power or power, 0, 0
        else:
            section, digit = section + (digit or 1) * power, 0
    return float(total + section + digit)
