"""E-mail and IP addresses in a text as read."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from aisle.privacy.finding import Finding

_TOP = "com|cn|net|org|edu|gov|io|co|uk|de|fr|es|it|nl|eu|us|ca|au|jp|kr|hk|tw|ru|in|br|me|info|biz|app|dev|top|vip|xyz"
_LOCAL = re.compile(r"[A-Za-z0-9._%+'~!#$&*^-]")
_LABEL = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}"
_PLAIN = re.compile(rf"@(?:{_LABEL}\.){{1,6}}[A-Za-z]{{2,24}}(?![A-Za-z0-9@])|@\[\d{{1,3}}(?:\.\d{{1,3}}){{3}}\]")
_LOOSE = re.compile(
    r"(?: ?@ ?| ?[\[({<] ?(?:at|@|艾特) ?[\])}>] ?| ?艾特 ?)"
    rf"(?:{_LABEL}(?: ?[.。] ?| dot | ?[\[({{] ?dot ?[\])}}] ?| ?点 ?)){{1,6}}(?:{_TOP})(?![A-Za-z0-9@])",
    re.I,
)
"""Blanks around the signs, or words for them: only before a common ending, "@ home. Thanks" is none."""
_OTHER = re.compile(r"@(?:[^\W_](?:[\w-]{0,62})\.){1,6}[^\W\d_]{2,24}")
_SPELT = re.compile(
    rf"(?<![A-Za-z0-9.])[A-Za-z0-9][A-Za-z0-9._-]{{1,63}}(?: at | ?[\[({{] ?at ?[\])}}] ?| ?艾特 ?)"
    rf"[A-Za-z0-9-]{{1,63}}(?: dot | ?[\[({{] ?dot ?[\])}}] ?| ?点 ?)(?:{_TOP})(?![A-Za-z0-9])",
    re.I,
)
_VERSION = re.compile(
    r"(?:\b(?:v|ver|version|firmware|fw|release|build|rev|bluetooth|bios|driver)\.? ?|版本?号? ?|固件 ?)$", re.I
)
_MACHINE = re.compile(r"\b(?:ip|host|server|gateway|dns)\b|服务器|网关|主机", re.I)
_IPV4 = re.compile(r"(?<![\d.A-Za-z-])\d{1,3}(?:\.\d{1,3}){3}(?![\d-]|\.\d|[A-Za-z])")
_IPV6 = re.compile(
    r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|\d{1,3}(?:\.\d{1,3}){3})?(?![0-9A-Za-z:])"
)


def emails(text: str) -> Iterator[Finding]:
    """Addresses, also with blanks around the signs, in other scripts, or written as "name at shop dot com"."""
    if "@" in text or "艾特" in text or "at" in text.casefold():
        plain = {found.start(): found for found in _PLAIN.finditer(text)}
        loose = {found.start(): found for found in _LOOSE.finditer(text)}
        other = {found.start(): found for found in _OTHER.finditer(text)}
        for at, found in {**other, **loose, **plain}.items():
            start = _local_part(text, at)
            if start < at:
                yield Finding(start, found.end(), "email")
        for found in _SPELT.finditer(text):
            yield Finding(found.start(), found.end(), "email")


def _local_part(text: str, at: int) -> int:
    """Where the name before an at sign begins: ASCII if its last character is, else letters of any script."""
    place = at
    if at and text[at - 1] == '"':
        quote = text.rfind('"', max(0, at - 66), at - 1)
        return quote if quote >= 0 else at
    ascii_only = at > 0 and text[at - 1].isascii()
    while place > max(0, at - 64):
        character = text[place - 1]
        if not (_LOCAL.match(character) if character.isascii() else _letter(character, ascii_only)):
            break
        place -= 1
    while place < at and text[place] in ".'&":  # a quotation mark or a bracket before the name, not part of it
        place += 1
    return place


def _letter(character: str, ascii_only: bool) -> bool:
    latin = character < "\u0250"
    return character.isalpha() and (latin or not ascii_only)


def addresses_of_machines(text: str) -> Iterator[Finding]:
    """IPv4 and IPv6 addresses; four small numbers after "version" or the like are one of software."""
    if text.count(".") >= 3:
        for found in _IPV4.finditer(text):
            parts = found.group().split(".")
            said = text[max(0, found.start() - 16) : found.start()]
            large = max(map(int, parts)) > 20 or parts[0] == "10" or _MACHINE.search(said)
            if large and _valid(found.group()) and not _VERSION.search(said):
                yield Finding(found.start(), found.end(), "ip")
    if text.count(":") >= 2:
        for found in _IPV6.finditer(text):
            group = found.group()
            complete = group.count(":") == 7 or "::" in group
            if complete and sum(character.isalnum() for character in group) >= 3 and _valid(group):
                yield Finding(found.start(), found.end(), "ip")


def _valid(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
