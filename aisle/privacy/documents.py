"""Numbers with letters that identify a person: IBANs, passports, identity cards of Hong Kong and Taiwan."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aisle.privacy import checks
from aisle.privacy.finding import Finding

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9]{2,4}[ -]?\d)")
_PASSPORT = re.compile(
    r"(?:护照|護照|通行证|签证"
    r"|(?<![A-Za-z])(?:passports?|passeport|reisepass|pasaporte|pass ?no|travel document)(?![A-Za-z]))[^\d]{0,24}?"
    r"(?<![A-Za-z0-9])(?P<number>[A-Za-z]{0,2}\d{6,9}|[A-Za-z]\d{2}[A-Za-z]{2}\d{4}|C[A-Z0-9]{8})(?![A-Za-z0-9])",
    re.I,
)
_HONG_KONG = re.compile(r"(?<![A-Za-z0-9])(?P<letters>[A-Za-z]{1,2})(?P<digits>\d{6}) ?\((?P<check>[0-9Aa])\)")
_TAIWAN = re.compile(r"(?:身份证|身分證|證號|证号|\bID\b)[^A-Za-z0-9]{0,8}[A-Za-z][12]\d{8}(?!\d)", re.I)


def documents(text: str) -> Iterator[Finding]:
    """IBANs with the right remainder; passports after a word that says so; Hong Kong and Taiwan identity cards."""
    for found in _IBAN.finditer(text):
        length = checks.iban_length(found.group()[:2])
        place, taken = found.start(), ""
        while len(taken) < length and place < len(text):
            character = text[place]
            if character.isascii() and character.isalnum():
                taken += character
            elif character not in " -" or text[place - 1] in " -":
                break
            place += 1
        ended = place == len(text) or not (text[place].isascii() and text[place].isalnum())
        if length and len(taken) == length and ended and checks.iban(taken):
            yield Finding(found.start(), place, "iban")
    for found in _PASSPORT.finditer(text):
        yield Finding(*found.span("number"), "passport")
    for found in _HONG_KONG.finditer(text):
        if checks.hong_kong_id(found["letters"], found["digits"], found["check"]):
            yield Finding(found.start(), found.end(), "id")
    for found in _TAIWAN.finditer(text):
        yield Finding(found.end() - 10, found.end(), "id")
