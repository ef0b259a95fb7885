"""Find what in a query could be an exact identifier: a GTIN, a SKU, a model number.

Knows the form of identifiers only; whether a product carries one is the index's to say.
"""

from __future__ import annotations

from itertools import pairwise

from aisle.language.identifiers import code_words
from aisle.language.normalise import fold_identifier

MAX_WORDS = 32
"""Words of a query that are looked at; an identifier stands early or the query is not about one."""


def identifier_keys(text: str) -> tuple[str, ...]:
    """Folded forms in which a query may name an identifier, the whole query first.

    The whole query counts when it has a digit and 3 to 64 letters and digits. A single word, or two neighbours
    joined ("LC 51C"), counts when it mixes letters with digits in at least 4 places or has at least 8 digits. An
    all-digit key also comes without leading zeros and at GTIN lengths, since a UPC is an EAN without its zero.
    """
    words = text.split()
    keys: dict[str, None] = {}
    whole = fold_identifier(text) if len(words) <= 8 else ""
    if 3 <= len(whole) <= 64 and any(c.isdigit() for c in whole):
        keys |= dict.fromkeys(_forms(whole))
    folded = [fold_identifier(word) for word in words[:MAX_WORDS]]
    inside = (fold_identifier(word) for word in code_words(" ".join(words[:MAX_WORDS])))  # 华为P40Pro
    for key in (*folded, *inside, *(a + b for a, b in pairwise(folded))):
        if _looks_like_identifier(key):
            keys |= dict.fromkeys(_forms(key))
    return tuple(keys)


def _looks_like_identifier(key: str) -> bool:
    digits = sum(c.isdigit() for c in key)
    return digits >= 8 if digits == len(key) else digits > 0 and 4 <= len(key) <= 64


def _forms(key: str) -> tuple[str, ...]:
    if not (key.isascii() and key.isdigit() and 8 <= len(key) <= 14):
        return (key,)
    bare = key.lstrip("0")
    return (key, bare, bare.zfill(12), bare.zfill(13), bare.zfill(14))
