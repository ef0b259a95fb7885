"""Find what in a query could be an exact identifier: a GTIN, a SKU, a model number.

Knows the form of identifiers only; whether a product carries one is the index's to say.
"""

from __future__ import annotations

import re
from itertools import pairwise

from aisle.language.identifiers import code_words, is_measure, is_model_code
from aisle.language.normalise import fold_identifier

_SHORT_WORD = re.compile(r"[a-z]{1,4}")
_NUMBER_FIRST = re.compile(r"\d{4,}[a-z]{1,3}")

MAX_WORDS = 32
"""Words of a query that are looked at; an identifier stands early or the query is not about one."""


def identifier_keys(text: str) -> tuple[str, ...]:
    """Folded forms in which a query may name an identifier, the whole query first.

    The whole query counts when it has a digit and is neither a short number (365), a measure (`10 ft`) nor a kind
    (`Cat6`). A single word counts when it has at least 8 digits and nothing else, when it has the form of a model code
    (`LC51C`), or when at least four digits come before letters that are no unit (`51645AE`). Of two neighbours a short
    word and a word that begins with a digit count together ("LC 51C"). An all-digit key also comes without leading
    zeros and at GTIN lengths, since a UPC is an EAN without its zero.
    """
    words = text.split()
    keys: dict[str, None] = {}
    whole = fold_identifier(text) if len(words) <= 8 else ""
    if _names_whole(whole):
        keys |= dict.fromkeys(_forms(whole))
    near = words[:MAX_WORDS]
    folded = [fold_identifier(word) for word in near]
    inside = (fold_identifier(word) for word in code_words(" ".join(near)))  # 华为P40Pro
    joined = (a + b for a, b in pairwise(folded) if _SHORT_WORD.fullmatch(a) and b[:1].isdigit() and not is_measure(b))
    for key in (*folded, *inside, *joined):
        if _names_product(key):
            keys |= dict.fromkeys(_forms(key))
    return tuple(keys)


def _names_whole(key: str) -> bool:
    if key.isdigit():
        return len(key) >= 5
    return 3 <= len(key) <= 64 and any(c.isdigit() for c in key) and not is_measure(key)


def _names_product(key: str) -> bool:
    if key.isdigit():
        return len(key) >= 8
    return len(key) <= 64 and (is_model_code(key) or (bool(_NUMBER_FIRST.fullmatch(key)) and not is_measure(key)))


def _forms(key: str) -> tuple[str, ...]:
    if not (key.isascii() and key.isdigit() and 8 <= len(key) <= 14):
        return (key,)
    bare = key.lstrip("0")
    return (key, bare, bare.zfill(12), bare.zfill(13), bare.zfill(14))
