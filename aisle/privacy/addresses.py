"""Postal addresses with a house number in a text as read: Chinese, English, and the German and French street forms.

A town, a district or a street without a number names nobody and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import regex

from aisle.privacy.finding import Finding

_WORD = "(?<![A-Za-z])(?:{})(?![A-Za-z])"

# Chinese: from a road (or an estate) and a house number back to the province and on to the room.
_ROAD_END = r"(?:路|街|大道|道|巷|弄|胡同|村)(?:[东南西北中]?段)?"
_ESTATE_END = "(?:小区|花园|公寓|苑|家园|新村|大厦|广场|园区|宿舍|里|城|村|府|湾)"
_HOUSE = r" ?[A-Za-z]?\d{1,5}(?:[-之]\d{1,4})?(?:号院|号楼|号|弄|栋|幢|號)"
_REST = (
    r"(?:[ ,]?\p{Han}{0,10}?(?:[A-Za-z]?\d{1,5}|[A-Za-z]|[东西南北])(?:-\d{1,5}){0,3}"
    r"(?:号楼|栋|幢|单元|楼|层|室|座|户|房|号|门|期|區|樓)){0,6}(?:[ -]?\d{3,4}(?!\d))?"
)
_BLOCK = (
    r" ?[A-Za-z]?\d{1,4}(?:号楼|栋|幢|座|期|楼|号)[ -]?(?:\d{1,3}单元 ?)?(?:\d{1,2}[层楼])?(?:\d{3,4}(?:室|号|户|房)?)?"
)
_ON_A_ROAD = regex.compile(rf"{_ROAD_END}(?P<house>{_HOUSE})(?P<rest>{_REST})")
_IN_AN_ESTATE = regex.compile(rf"{_ESTATE_END}(?P<house>{_BLOCK})")
_ADMIN = regex.compile(
    r"(?:\p{Han}{2,8}?(?:省|自治区|特别行政区|市|自治州|盟|地区)|北京|上海|天津|重庆)?"
    r"(?:\p{Han}{1,7}?(?:市|区|县|旗))?(?:\p{Han}{1,7}?(?:镇|乡|街道|开发区|新区))?"
)
_BACK = 32
_ROOM = regex.compile(r"单元|室|\d{3,4}$|户|房$")
_NO_ROAD = regex.compile(
    "(?:[电线回网油气水一两二三四六八多单双套思通管短断串并旁铁公走赛跑轨频味神知报][路道]|[地轨赛通频管跑味渠隧]道)$"
)
_LEAD = re.compile(
    "(?:我|他|她)?(?:的)?(?:请)?(?:快递|收货|家庭|详细|公司|邮寄)?"
    "(?:寄到|寄往|送到|送货到|发到|发往|邮到|寄|地址是|地址|住在|住址|家住|住|在|到)(?:是|为)?"
)

# English: number, name, kind of street, and where given the unit, the town and the postal code.
_SURE = (
    "Street|St|Avenue|Ave|Boulevard|Blvd|Road|Rd|Parkway|Pkwy|Highway|Hwy|Lane|Ln|Terrace|Crescent|Close|Gardens|Mews"
)
_UNSURE = "Drive|Dr|Court|Ct|Way|Place|Pl|Square|Sq|Circle|Cir|Trail|Loop|Broadway|Grove|Hill|Row|Walk|Alley"
_UNIT = (
    r"(?:,? (?:(?:apt|apartment|unit|suite|ste|flat|floor|fl|room|rm)\b\.? ?|#)"
    r"#?(?:[A-Za-z]?-?\d{1,5}[A-Za-z]?|[A-Za-z])\b)?"
)
_POST_CODE = r"(?:[A-Z]{2} \d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{5}(?:-\d{4})?)"
_ENGLISH = re.compile(
    r"(?<![\w./-])\d{1,5}(?:[A-Za-z](?![A-Za-z])|-\d{1,4}| 1/2)?,? "
    r"(?P<name>(?:(?:[NSEW]|NE|NW|SE|SW|North|South|East|West)\.? )?"
    r"(?:(?:[A-Za-z][A-Za-z'’.-]{0,24}|\d{1,3}(?:st|nd|rd|th)) ){1,3}?)"
    rf"(?P<suffix>{_SURE}|{_UNSURE})\b\.?(?: (?:N|S|E|W|NE|NW|SE|SW)\b\.?)?(?P<unit>{_UNIT})"
    rf"(?P<town>,? ?(?:[A-Za-z][A-Za-z.'-]{{0,24}},? ){{0,3}}{_POST_CODE}(?![A-Za-z0-9]))?",
    re.I,
)
_HOME = re.compile(
    r"(?<![A-Za-z])(?:address|(?:ship|shipping|shipped|deliver|delivery|delivered|send|mail)(?: it)? to|lives? at"
    r"|living at|located at|home is|at)\W{0,3}$",
    re.I,
)
_NO_STREET = re.compile(
    _WORD.format(
        "off|on|all|cross|the|hard|flash|disk|usb|tape|optical|inch|in|ft|pack|piece|way|lane|gb|tb|mb|volt|watt|speed"
        "|for|of|and|with|hot|dirt|mountain|hybrid|port|pin|channel|wide|x|mm|cm|pc|pcs|rail|amp|gauge|quart|gallon|oz"
        "|lb|men|women|man|set|size|series|wheel|model|drawer|tier|light|door|steel|impact|socket"
    ),
    re.I,
)

_BOX = re.compile(r"(?<![A-Za-z])P\.? ?O\.? ?Box #?\d{1,6}(?!\d)", re.I)
_GERMAN = re.compile(
    r"(?<!\w)(?:[A-ZÄÖÜ][\w.-]{1,24} ){0,2}?[A-ZÄÖÜ]?[\w-]{2,24}?"
    r"(?:[sS]traße|[sS]trasse|[sS]tr\.|weg|gasse|allee|platz|damm) \d{1,4}[a-z]?(?![\w.])(?:,? \d{5} [A-ZÄÖÜ][\w-]+)?"
)
_FRENCH = re.compile(
    r"(?<![\w./-])\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|boulevard|bd|chemin|allée|impasse|quai|cours) "
    r"(?:de |du |des |de la |d'|l'|la |le ){0,2}[A-ZÀ-Ü][\w'-]+(?: [A-ZÀ-Ü][\w'-]+){0,3}(?:,? \d{5} [A-ZÀ-Ü][\w-]+)?"
)


def postal(text: str) -> Iterator[Finding]:
    """Addresses down to a house."""
    if not any(character.isdigit() for character in text):
        return
    if not text.isascii():
        yield from _in_chinese(text)
    for found in _ENGLISH.finditer(text):
        if _is_street(text, found):
            yield Finding(found.start(), found.end(), "address")
    for pattern in (_BOX, _GERMAN, _FRENCH):
        for found in pattern.finditer(text):
            yield Finding(found.start(), found.end(), "address")


def _in_chinese(text: str) -> Iterator[Finding]:
    for found in _ON_A_ROAD.finditer(text):
        start, admin = _back(text, found.start("house"))
        road = text[start + admin : found.start("house")]
        plausible = len(road) > 2 and (bool(found["rest"]) or not _NO_ROAD.search(road))
        if admin or plausible:
            yield Finding(start, found.end(), "address")
    for found in _IN_AN_ESTATE.finditer(text):
        start, admin = _back(text, found.start("house"))
        if admin or _ROOM.search(found["house"]):
            yield Finding(start, found.end(), "address")


def _back(text: str, house: int) -> tuple[int, int]:
    """Where the words before a house number begin, and how many characters of a province, town or district."""
    start = house
    while start > max(0, house - _BACK) and regex.match(r"[\p{Han}\d]", text[start - 1]):
        start -= 1
    while start < house and text[start].isdigit():  # a number before the address, such as a phone
        start += 1
    said = _LEAD.match(text, start, house)
    start = said.end() if said else start
    admin = _ADMIN.match(text, start, house)
    taken = admin.end() - start if admin else 0
    return start, min(taken, house - start)


def _is_street(text: str, found: re.Match[str]) -> bool:
    """A sure kind of street, or any with a unit, a postal code or a word before that says address."""
    if found["unit"] or found["town"] or _HOME.search(text[max(0, found.start() - 24) : found.start()]):
        return True
    return re.fullmatch(_SURE, found["suffix"], re.I) is not None and not _NO_STREET.search(found["name"])
