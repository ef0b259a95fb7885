"""Check digits and formats of numbers: cards, trade items, books, bank accounts, identity documents.

Knows nothing of where a number stands.
"""

from __future__ import annotations

import datetime as dt


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled, the sum of all digits divisible by ten."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def trade_item(digits: str) -> bool:
    """A GTIN of 8, 12, 13 or 14 digits (EAN, UPC, ISBN-13, ITF-14) whose check digit is right."""
    if len(digits) not in (8, 12, 13, 14) or not digits.strip("0"):
        return False
    return sum(int(c) * (3 if place % 2 else 1) for place, c in enumerate(reversed(digits))) % 10 == 0


def book(text: str) -> bool:
    """An ISBN-10 whose check digit is right."""
    if len(text) != 10:
        return False
    values = [10 if c in "Xx" else int(c) for c in text]
    return sum(value * (10 - place) for place, value in enumerate(values)) % 11 == 0


_CARD_PREFIXES = (  # first digits from, to, lengths
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14, 16)),  # Diners Club
    ("36", "36", (14, 16, 19)),
    ("38", "39", (14, 16, 19)),
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("6011", "6011", (16, 19)),  # Discover
    ("644", "659", (16, 17, 18, 19)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("81", "81", (16, 17, 18, 19)),
    ("60", "60", (16, 19)),  # RuPay, and Chinese debit cards before UnionPay
    ("9558", "9558", (19,)),  # ICBC debit
    ("9", "9", (16,)),  # national schemes such as Troy
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("50", "50", (16, 18, 19)),  # Maestro
    ("56", "59", (16, 18, 19)),
    ("63", "63", (16, 18, 19)),
    ("66", "69", (16, 18, 19)),
)


def card(digits: str) -> bool:
    """A payment card number: a known scheme's first digits and length, and Luhn's check."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    known = any(
        first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in _CARD_PREFIXES
    )
    return known and luhn(digits)


_PROVINCES = frozenset(
    [*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83]
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def resident_shape(text: str) -> bool:
    """Province and birth date of a Chinese resident ID of 18 or 15 characters are possible; no check digit read."""
    born = text[6:14] if len(text) == 18 else "19" + text[6:12]
    return len(text) in (15, 18) and int(text[:2]) in _PROVINCES and _date(born)


def resident(text: str) -> bool:
    """A Chinese resident ID of 18 characters (GB 11643-1999) with possible birth date and right check character."""
    if len(text) != 18 or not text[:17].isdigit() or not resident_shape(text):
        return False
    total = sum(int(c) * weight for c, weight in zip(text, _WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == text[17].upper()


def _date(text: str) -> bool:
    try:
        day = dt.date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return False
    return 1880 <= day.year <= 2100


def hong_kong_id(letters: str, digits: str, check: str) -> bool:
    """A Hong Kong identity card: one or two letters, six digits and a check character, A123456(3)."""
    values = [36 if len(letters) == 1 else ord(letters[0].upper()) - 55, ord(letters[-1].upper()) - 55]
    values += [int(c) for c in digits]
    total = sum(value * (9 - place) for place, value in enumerate(values))
    return (total + (10 if check in "Aa" else int(check))) % 11 == 0


def social_security(area: str, group: str, serial: str) -> bool:
    """Numbers that the US Social Security Administration can have given out."""
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


_IBAN_FORMS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
    "LB28 LC32 LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 "
    "RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
)
_IBAN_LENGTHS = {form[:2]: int(form[2:]) for form in _IBAN_FORMS.split()}


def iban_length(country: str) -> int:
    """How many characters an IBAN of a country has, 0 for countries without."""
    return _IBAN_LENGTHS.get(country.upper(), 0)


def iban(text: str) -> bool:
    """An IBAN (ISO 13616) without blanks: its country's length, and the remainder of 97 is 1."""
    if iban_length(text[:2]) != len(text):
        return False
    turned = (text[4:] + text[:4]).upper()
    return int("".join(str(int(c, 36)) for c in turned)) % 97 == 1
