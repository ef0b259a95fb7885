"""Numbers with units in one form: ``10"``, ``10 in``, ``10-inch`` and ``10英寸`` become ``10 inch``.

Conservative: what could be a model number or a word stays as it is. ``LC51C``, ``10W-40``, ``4G``, ``2in1`` and
``size 10 in black`` are untouched. Works on text that is already NFKC; knows nothing of products.
"""

from __future__ import annotations

import re

_UNITS: dict[str, str] = {
    # length
    "inches": "inch", "inch": "inch", "英寸": "inch", "英吋": "inch", "吋": "inch", "寸": "inch",
    "millimeters": "mm", "millimetres": "mm", "millimeter": "mm", "millimetre": "mm", "mm": "mm", "毫米": "mm",
    "centimeters": "cm", "centimetres": "cm", "centimeter": "cm", "centimetre": "cm", "cm": "cm",
    "厘米": "cm", "公分": "cm",
    "meters": "m", "metres": "m", "meter": "m", "metre": "m", "m": "m", "米": "m", "km": "km", "公里": "km",
    "feet": "ft", "foot": "ft", "ft": "ft", "yards": "yd", "yard": "yd", "yd": "yd",
    # weight
    "kilograms": "kg", "kilogram": "kg", "kilos": "kg", "kgs": "kg", "kg": "kg", "公斤": "kg", "千克": "kg",
    "grams": "g", "gram": "g", "g": "g", "克": "g", "mg": "mg", "毫克": "mg",
    "pounds": "lb", "pound": "lb", "lbs": "lb", "lb": "lb", "ounces": "oz", "ounce": "oz", "oz": "oz",
    # volume
    "milliliters": "ml", "millilitres": "ml", "milliliter": "ml", "millilitre": "ml", "ml": "ml", "毫升": "ml",
    "liters": "L", "litres": "L", "liter": "L", "litre": "L", "l": "L", "升": "L", "cl": "cl",
    # data
    "terabytes": "TB", "terabyte": "TB", "tb": "TB", "gigabytes": "GB", "gigabyte": "GB", "gb": "GB",
    "megabytes": "MB", "megabyte": "MB", "mb": "MB", "kb": "KB",
    "gbit/s": "Gbps", "gbps": "Gbps", "gb/s": "GB/s", "mbit/s": "Mbps", "mbps": "Mbps", "mb/s": "MB/s",
    # electricity, frequency, light, sound, picture
    "mah": "mAh", "毫安时": "mAh", "毫安": "mAh", "wh": "Wh", "kwh": "kWh",
    "kilowatts": "kW", "kw": "kW", "watts": "W", "watt": "W", "w": "W", "瓦": "W",
    "volts": "V", "volt": "V", "v": "V", "伏": "V", "amps": "A", "amp": "A",
    "ghz": "GHz", "mhz": "MHz", "khz": "kHz", "hz": "Hz", "赫兹": "Hz", "rpm": "rpm", "fps": "fps",
    "megapixels": "MP", "megapixel": "MP", "mp": "MP", "dpi": "dpi", "ppi": "ppi",
    "lumens": "lm", "lumen": "lm", "lm": "lm", "db": "dB",
}  # fmt: skip
_BITS = {"Gb": "Gb", "Mb": "Mb", "Tb": "Tb", "Kb": "Kb"}  # lower-case b after a capital is bits: "10Gb Ethernet"

_NUMBER = r"\d+(?:[.,]\d+)*(?:/\d+)?"
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_SIMPLE = re.compile(r"\d+(?:[.,]\d+)?(?:/\d+)?")
# Not in the middle of a word, a number or a code ("AT-12V"), but "10x12 cm" counts; nor a price. Looked at after a
# match, not within the pattern: a pattern that begins with a digit is searched several times faster.
_INSIDE = re.compile(r"(?:[\w.,/#$€£¥]|[A-Za-z]-)$")
_OUTSIDE = re.compile(r"(?:(?<=[\d\s\"])[xX]|[\da-z]/|[一-鿿])$")
_DIGIT = re.compile(r"\d")
_MARKED = re.compile(r"\d ?[\"'”′]")
_HAN = "|".join(sorted((u for u in _UNITS if not u.isascii()), key=len, reverse=True))
_HAN_WORDS = r"(?!克拉|克力|克斯|升级|升降|米色|米白|米粉|米线|瓦楞|寸照|寸头)"  # 3升级 is an upgrade, not 3 litres
_MEASURE = re.compile(
    rf"(?P<number>{_NUMBER})(?:(?P<gap>\s?-?\s?)(?P<latin>[A-Za-z]+(?:/s(?![A-Za-z]))?)(?![A-Za-z0-9_]|-\w|/[A-Za-z]|'\w)"
    rf"|\s?{_HAN_WORDS}(?P<han>{_HAN}))"
)
_PIXELS = re.compile(r"(?<![\d.,])(\d{2,6})\s?万像素")

# "in" is a word as often as a unit. It is a unit when glued ("10in", "10-in"), but for "2in1" and "all-in one"; and
# apart when nothing, punctuation, a dimension or the name of a thing with a screen or a diameter follows.
_IN_NOUN = (
    "monitor|screen|display|tablet|laptop|notebook|tv|television|rack|lcd|led|touchscreen|hdd|ssd|drive|disk|bay|"
    "wide|long|tall|deep|high|thick|diagonal|diameter|wheel|wheels|cable|length|width|height|depth"
)
_AFTER_IN = re.compile(rf"\.?\s*$|[,;:)\]/]|\.?\s?[x×]\s?\d|\s(?:{_IN_NOUN})\b", re.IGNORECASE)
_AFTER_GLUED_IN = re.compile(r"(?!\.?\s?(?:1|one)\b)", re.IGNORECASE)
_FULL_STOP_AFTER_IN = re.compile(r"( inch)\.(?=\s?[x×,;)])")
_FEET_INCHES = re.compile(r"(?<![\w.,/'])(\d{1,2})\s?'\s?(\d{1,2}(?:\.\d+)?)\s?(?:\"|'')(?!\w)")
_QUOTE = re.compile(r"\"|''")
_NUMBER_BEFORE = re.compile(rf"(?:\d+[xX])?(?:{_NUMBER})(\s?)$")
_FEET = re.compile(r"(?<![\w.,/'-])(\d{1,3}(?:\.\d+)?)'(?=$|[\s,;)])")
_THOUSANDS = re.compile(r"(?<![\w.,])([1-9]\d{0,2}(?:,\d{3})*,000)(?![\d,]|\.\d)")


def unify_units(text: str) -> str:
    """Bring every number with a unit to ``number unit``; idempotent on NFKC text with single blanks."""
    if _DIGIT.search(text) is None:
        return text
    if _MARKED.search(text):
        text = _marks_to_words(text)
    text = _THOUSANDS.sub(lambda m: m[1].replace(",", ""), text)
    text = _PIXELS.sub(lambda m: f"{int(m[1]) / 100:g} MP", text)
    return _FULL_STOP_AFTER_IN.sub(r"\1", _MEASURE.sub(_measure, text))


def _free(text: str, position: int) -> bool:
    before = text[max(0, position - 2) : position]
    return _INSIDE.search(before) is None or _OUTSIDE.search(before) is not None


def _measure(match: re.Match[str]) -> str:
    number, written, gap = match["number"], match["latin"], match["gap"]
    unit = _UNITS[match["han"]] if written is None else _unit(match, number, written, gap)
    if unit is None or not _free(match.string, match.start()) or (value := _plain(number)) is None:
        return match[0]
    return f"{value} {unit}"


def _unit(match: re.Match[str], number: str, written: str, gap: str) -> str | None:
    """The unit that a Latin word after a number stands for, if any."""
    folded = written.lower()
    if folded == "in":
        after = _AFTER_GLUED_IN if gap in {"", "-"} else _AFTER_IN if gap == " " else None
        return "inch" if after is not None and after.match(match.string, match.end()) else None
    unit = _BITS.get(written) or _UNITS.get(folded)
    if unit is None or ("-" in gap and " " in gap):  # "page 5 - mm" joins two things
        return None
    if len(written) == 1:
        # One letter is a unit only in its usual case and without a hyphen; 5M, 3-V and 4G (and a typed 4g) are not.
        network = written == "g" and gap == "" and number in {"2", "3", "4", "5", "6"}
        if written not in "mgVvWwlL" or gap not in {"", " "} or network:
            return None
    return unit


def _plain(number: str) -> str | None:
    """A number without thousands separators, with a decimal point: "1,000" is 1000, "3,5" is 3.5; None for "1.2.3"."""
    if _GROUPED.fullmatch(number):
        return number.replace(",", "")
    return number.replace(",", ".") if _SIMPLE.fullmatch(number) else None


def _marks_to_words(text: str) -> str:
    """Inch and foot marks after a number become words; quotation marks stay.

    A mark that closes an open quotation is never a unit: in ``"the 10" case`` nothing changes.
    """
    text = text.replace("′′", '"').replace("′", "'")
    text = re.sub(r"(?<=\d)”(?!\w)", '"', text) if "“" not in text else text
    text = _FEET_INCHES.sub(r"\1 ft \2 inch", text)
    pieces: list[str] = []
    last, quoted = 0, False
    for mark in _QUOTE.finditer(text):
        if quoted:
            quoted = mark[0] != '"'
            continue
        number = _NUMBER_BEFORE.search(text, max(0, mark.start() - 24), mark.start())
        if number is not None and not _free(text, number.start()):
            number = None
        apart = number is not None and number[1]
        follows = text[mark.end() : mark.end() + 1]
        unit = number is not None and (
            not follows or follows in ' ,;:)]/.-|+&"' or (not apart and (follows in "xX×" or follows > "⺀"))
        )
        if unit:
            joined = "" if not follows or follows in " ,;:)]/.|" or follows > "⺀" else " "
            after_mark = mark.end() + (1 if follows == "-" else 0)
            pieces.append(text[last : mark.start()].rstrip(" ") + " inch" + joined)
            last = after_mark
        elif mark[0] == '"' and follows and not follows.isspace():
            quoted = text.find('"', mark.end()) >= 0
    text = "".join(pieces) + text[last:]
    if "'" in text and not re.search(r"(?:^|[\s(])'\w", text):
        text = _FEET.sub(r"\1 ft", text)
    return text
