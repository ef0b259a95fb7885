"""One form for text: the same for products and for queries, so that they meet.

Knows nothing of products, HTML or languages' words.
"""

from __future__ import annotations

import unicodedata

import regex

NORMALISER_VERSION = "1"
"""Part of every index's fingerprint; raise it whenever ``normalise`` or ``fold_identifier`` changes its output."""

_MARKS = str.maketrans("", "", "™®©℠")
_NOT_ALPHANUMERIC = regex.compile(r"[^\p{L}\p{N}]+")


def normalise(text: str) -> str:
    """NFKC without trade marks, white space to single blanks; idempotent."""
    return " ".join(unicodedata.normalize("NFKC", text.translate(_MARKS)).split())


def fold_identifier(text: str) -> str:
    """An identifier without case, blanks and punctuation: "LC-51 c" and "LC51C" become "lc51c"."""
    return _NOT_ALPHANUMERIC.sub("", normalise(text).casefold())
