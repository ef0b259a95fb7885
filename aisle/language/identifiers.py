"""Model codes inside running text: "Brother LC51C Original Cyan" carries "lc51c".

Knows the form of codes only, no products; whether a code names a product is for others to say.
"""

from __future__ import annotations

import re

from aisle.language.normalise import fold_identifier

_WORD = re.compile(r"(?<![A-Za-z0-9.])[A-Za-z0-9]+(?:[-/][A-Za-z0-9]+)*(?![A-Za-z0-9]|\.\d)")
_LETTER_BEFORE_DIGIT = re.compile(r"[a-z].*\d")
_UNITS = """
    ft feet foot in inch inches cm mm m km yd kg g mg lb lbs oz ml l cl gal kb mb gb tb hz khz mhz ghz rpm w kw wh kwh v
    kv a ma mah ah va dpi fps mp megapixel megapixels p k d pc pcs pack bit port ports x st nd rd th gbps mbps usd eur
"""
_MEASURE = re.compile(rf"\d+(?:{'|'.join(_UNITS.split())})")
_KIND = re.compile(r"(?:cat|ddr|gddr|usb|hdmi|mp|rj|ps|ac|wifi|lga|sata|pci|pcie|aa|win|windows|office)\d+[a-z]?")
_SIZE = re.compile(r"\d+x\d")


def code_words(text: str) -> tuple[str, ...]:
    """The words of Latin letters and digits in a text, hyphens and slashes kept: "华为P40-Pro手机" has "P40-Pro"."""
    return tuple(_WORD.findall(text))


def model_codes(text: str) -> tuple[str, ...]:
    """Folded words that look like model codes, in order, each once.

    At least five letters and digits, two of them digits, a letter before a digit. So `LC51C` and `42PFL6704D` are
    codes; measures (`500GB`, `10000mAh`), sizes (`2x4GB`), versions (`USB3.0`) and kinds (`DDR4`, `Cat5e`) are not.
    Of `SHE2650/00` the part before the slash counts too.
    """
    found: dict[str, None] = {}
    for word in code_words(text):
        for form in (word, word.split("/")[0]):
            folded = fold_identifier(form)
            if is_model_code(folded):
                found[folded] = None
    return tuple(found)


def is_model_code(folded: str) -> bool:
    """Whether a folded word has the form of a model code; see ``model_codes``."""
    return (
        len(folded) >= 5
        and sum(c.isdigit() for c in folded) >= 2
        and _LETTER_BEFORE_DIGIT.search(folded) is not None
        and not _SIZE.match(folded)
        and not is_measure(folded)
    )


def is_measure(folded: str) -> bool:
    """Whether a folded word or phrase is a number with a unit or a kind every shop has: `500gb`, `10ft`, `cat6a`."""
    return _MEASURE.fullmatch(folded) is not None or _KIND.fullmatch(folded) is not None
