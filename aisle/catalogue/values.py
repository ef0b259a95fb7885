"""Cells to values: prices with their currency, numbers, yes and no, lists, ids.

Knows nothing of columns or products. A cell that cannot be read gives None, and the caller counts it.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Any

from aisle.language.normalise import visible

MAX_PRICE = 1e9
_MISSING = frozenset({"", "null", "nan", "n/a", "#n/a", "undefined", "-", "--"})
_SYMBOLS: dict[str, str] = {
    "€": "EUR", "£": "GBP", "¥": "CNY", "元": "CNY", "人民币": "CNY", "RMB": "CNY", "円": "JPY", "₹": "INR", "₩": "KRW",
    "₽": "RUB", "₺": "TRY", "zł": "PLN", "Kč": "CZK", "R$": "BRL", "US$": "USD", "$": "USD", "A$": "AUD", "C$": "CAD",
    "CA$": "CAD", "AU$": "AUD", "HK$": "HKD", "NT$": "TWD", "NZ$": "NZD", "S$": "SGD", "₫": "VND", "฿": "THB",
}  # fmt: skip
_DOLLARS = frozenset({"USD", "CAD", "AUD", "NZD", "HKD", "SGD", "TWD", "MXN", "CLP", "COP", "ARS"})
_CODES_WORDS = """
    USD EUR GBP CNY JPY CAD AUD CHF SEK NOK DKK PLN CZK HUF INR BRL KRW RUB TRY HKD TWD SGD NZD MXN ZAR THB VND IDR
    MYR PHP AED SAR ILS RON BGN UAH CLP COP ARS PEN EGP PKR
"""
_CODES = frozenset(_CODES_WORDS.split())
_DOT_THOUSANDS = frozenset({"EUR", "BRL", "DKK", "TRY", "IDR", "VND", "CLP", "COP", "ARS", "NOK", "SEK", "RON"})
_AMOUNT = re.compile(r"[-−]?\s*(?:\d{1,3}(?:[ '’]\d{3})+(?!\d)(?:[.,]\d+)?|\d(?:[\d.,]*\d)?)")
_EXPONENT = re.compile(r"([-−]?\s*\d*)(?:[.,](\d+))?[eE]([+-]?\d{1,4})(?!\w)")
_SIGN = r"(?:[^\W\d_]{0,2}[$€£¥₹₩₽₺₫฿]|[^\W\d_]{1,3})?"
_MINUS_BEFORE = re.compile(rf"\s*[-−]\s*{_SIGN}\s*\d")
_BOOKED = re.compile(rf"\s*{_SIGN}\s*\(\s*{_SIGN}\s*[\d.,' ]+{_SIGN}\s*\)\s*{_SIGN}\s*")
_MINUS_AFTER = re.compile(rf"\s*[-−]\s*{_SIGN}\s*$")
_NO_NUMBER = re.compile(r"_\d|(?<=(?<![\d.,])0)[xX][0-9a-fA-F]|[eE][+-]?\d")
_FRACTION = re.compile(rf"\s*{_SIGN}\s*\d+\s*[/⁄]\s*\d+\s*{_SIGN}\s*")
_NOW = re.compile(
    r"(?:现售价|现价|特价|促销价|活动价|折后价|券后价|到手价|秒杀价|现|(?<![A-Za-z])(?:now|sale)(?![A-Za-z]))"
    rf"(?:仅售|仅|为|是)?[\s:=]*(?:(?:price|only|just|at|-\s)[\s:]*)*{_SIGN}\s*(?=[-−]?\d)",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"(?:原价|(?<![A-Za-z])was(?![A-Za-z]))[^\d]{0,12}$", re.IGNORECASE)
_TIMES = {"k": 1_000, "m": 1_000_000, "万": 10_000, "千": 1_000}
_YES_WORDS = """
    true yes y 1 t in_stock instock available on_hand preorder pre_order backorder limited_availability
    limitedavailability in_store_only online_only 有货 现货 有库存 有 是 在售 上架 可售
"""
_YES = frozenset(_YES_WORDS.split())
_NO_WORDS = """
    false no n 0 f out_of_stock outofstock sold_out soldout unavailable not_available discontinued
    无货 缺货 无库存 无 否 售罄 下架 已下架 停产 售完
"""
_NO = frozenset(_NO_WORDS.split())


def is_missing(value: Any) -> bool:
    """Whether a cell says nothing: null, NaN, blank or a placeholder such as "N/A"."""
    if value is None or (isinstance(value, (list, dict)) and not value):
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and len(value) < 32 and value.strip().casefold() in _MISSING


def to_id(value: Any) -> str:
    """An id as text: "00123" keeps its zeros, 123 and 123.0 are "123"; "" when there is none."""
    if is_missing(value) or isinstance(value, (list, dict)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = _whole(value)
    try:
        return " ".join(visible(str(value)).split())
    except ValueError:  # more digits than Python prints
        return ""


def to_number(value: Any) -> float | None:
    """A finite number: 4, "4,5", "4.5 out of 5", "1,234", "1.5E+03", "5-" for -5; None otherwise."""
    if isinstance(value, bool) or is_missing(value):
        return None
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if not isinstance(value, str) or len(value) > 200:
        return None
    return _first(unicodedata.normalize("NFKC", value), "")[0]


def to_count(value: Any) -> int | None:
    """A whole number of at least 0, below 2**53, also as "1.2k" or "2万+"; None otherwise."""
    short = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmM万千])\+?", value.strip()) if isinstance(value, str) else None
    number = round(float(short[1]) * _TIMES[short[2].lower()]) if short else to_number(value)
    return int(number) if number is not None and 0 <= number < 2**53 and number == int(number) else None


def to_flag(value: Any) -> bool | None:
    """Yes or no from booleans, numbers and the usual words in English and Chinese."""
    if isinstance(value, bool) or is_missing(value):
        return value if isinstance(value, bool) else None
    if isinstance(value, (int, float)):
        return value > 0
    if not isinstance(value, str):
        return None
    word = re.sub(r"[\s\-]+", "_", value.strip().casefold().rsplit("/", 1)[-1])  # https://schema.org/InStock
    if word in _YES:
        return True
    if word in _NO:
        return False
    return int(word) > 0 if re.fullmatch(r"[0-9]{1,15}", word) else None


def to_price(value: Any, default_currency: str = "") -> tuple[float | None, str | None]:
    """A price and its ISO 4217 currency, None for what cannot be read.

    One rule for separators: the last of a dot and a comma is the decimal point when both occur; a separator that
    occurs twice is for thousands; a lone comma before exactly three digits is for thousands ("1,299"), a lone dot
    there only with a currency whose countries write it so ("1.299 €"); any other lone separator is the decimal
    point. "1.5E+03" is 1500. Of a range the lower end counts; of several prices the one that a word such as "now",
    "sale", "现价" or "特价" names, and none where the first is the former one ("was", "原价") and no word names
    another. "$" is the default currency if that is a dollar, else USD; "¥" is CNY unless the default is JPY. A negative
    ("-5", "5-", "(5.00)"), infinite or absurd price (over 10^9) is None, and so is what is no number: "12..5",
    "12.5.1", "0x10", "1_000", "1/2".
    """
    if isinstance(value, dict):  # {"amount": 12, "currency": "EUR"}
        inner = next((value[k] for k in ("amount", "value", "price") if k in value), None)
        code = next((value[k] for k in ("currency", "currency_code", "currencyCode") if k in value), None)
        price, currency = to_price(inner, default_currency) if not isinstance(inner, dict) else (None, None)
        return price, to_currency(code) or currency
    if isinstance(value, bool) or is_missing(value):
        return None, None
    if isinstance(value, (int, float)):
        return _sane(to_number(value)), None
    if not isinstance(value, str) or len(value) > 200:
        return None, None
    text = unicodedata.normalize("NFKC", value)
    currency = _currency_in(text, default_currency)
    amount, after = _first(_named(text), currency or default_currency)
    if amount is None or _FRACTION.fullmatch(text) or _BOOKED.fullmatch(text):  # accountants write -5 as (5)
        return None, currency
    if after.lstrip()[:1] == "万":
        amount *= 10_000
    return _sane(amount), currency


def to_currency(value: Any) -> str | None:
    """An ISO 4217 code from a code or symbol; None if it is neither."""
    if not isinstance(value, str):
        return None
    word = unicodedata.normalize("NFKC", value).strip()
    if re.fullmatch(r"[A-Za-z]{3}", word):
        return _SYMBOLS.get(word.upper(), word.upper())
    return _SYMBOLS.get(word)


def to_list(value: Any, separators: str) -> list[Any]:
    """A cell as a list: lists as they are, JSON lists parsed, text split at the separators."""
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            try:
                parsed = json.loads(text)
            except (ValueError, RecursionError):
                parsed = None
            if isinstance(parsed, list):
                return parsed
        return [part.strip() for part in re.split(separators, text) if part.strip()] if separators else [text]
    return [] if is_missing(value) else [value]


def _sane(amount: float | None) -> float | None:
    return amount if amount is not None and 0 <= amount <= MAX_PRICE else None


def _whole(value: float) -> int | float:
    return int(value) if abs(value) < 1e17 else value


def _currency_in(text: str, default: str) -> str | None:
    words: list[str] = re.findall(r"[A-Za-z]{3}(?![A-Za-z])", text)
    for word in words:
        if word.upper() in _CODES or word.upper() == "RMB":
            return _SYMBOLS.get(word.upper(), word.upper())
    for symbol in sorted(_SYMBOLS, key=len, reverse=True):
        if symbol in text:
            if symbol == "$" and default in _DOLLARS:
                return default
            if symbol == "¥" and default == "JPY":
                return default
            return _SYMBOLS[symbol]
    return None


def _named(text: str) -> str:
    """From the price on that counts, where a word names it; "" where only the former price is named among several."""
    for word in _NOW.finditer(text):
        number = _AMOUNT.match(text, word.end())
        if number and text[number.end() :].lstrip()[:1] not in ("%", "折"):  # a discount is no price
            return text[word.end() :]
    first = _AMOUNT.search(text)
    if first and _BEFORE.search(text[: first.start()]) and _AMOUNT.search(text, first.end()):
        return ""
    return text


def _first(text: str, currency: str) -> tuple[float | None, str]:
    """The first number of a text, and what stands after it; None where there is none or it cannot be read."""
    match = _AMOUNT.search(text)
    if match is None:
        return None, ""
    power = _EXPONENT.match(text, match.start())
    if power:
        whole, part, exponent = "".join(power[1].split()).replace("−", "-"), power[2] or "0", power[3]
        number: float | None = float(f"{whole}.{part}e{exponent}")
        end = power.end()
    else:
        end = match.end()
        number = None if _NO_NUMBER.match(text, end) else _amount(match[0], currency)
    if number is None or not math.isfinite(number):
        return None, text[end:]
    if _MINUS_BEFORE.match(text) or _MINUS_AFTER.match(text, end):
        number = -abs(number)
    return number, text[end:]


def _amount(text: str, currency: str) -> float | None:
    negative = text[0] in "-−"
    digits = text.lstrip("-− ").replace(" ", "").replace("'", "").replace("’", "")
    dot, comma = digits.rfind("."), digits.rfind(",")
    if dot >= 0 and comma >= 0:
        thousands = "," if dot > comma else "."
    elif digits.count(".") > 1 or digits.count(",") > 1:
        thousands = "." if dot >= 0 else ","
    elif re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits) or (
        currency in _DOT_THOUSANDS and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits)
    ):
        thousands = "," if comma >= 0 else "."
    else:
        thousands = ""
    if thousands and not re.match(rf"\d+(?:\{thousands}\d{{2,3}})*\{thousands}\d{{3}}(?!\d|\{thousands})", digits):
        return None  # "12.5.1", "12..5"
    plain = (digits.replace(thousands, "") if thousands else digits).replace(",", ".")
    try:
        number = float(plain)
    except ValueError:
        return None
    return (-number if negative else number) if math.isfinite(number) else None
