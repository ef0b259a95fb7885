"""Text to the tokens that BM25 compares, the same way for products and queries.

ICU cuts everything that is not written in Chinese characters. A run of Chinese characters becomes its pairs of
neighbours, since a dictionary cuts the same words differently in a title and in a query; products carry its single
characters too, so that one character finds the words it is in. Knows text and LanceDB's tokenizers, no table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import regex

from aisle.language.chinese import one_script
from aisle.language.script import has_han

SEGMENTER_VERSION = "1"
"""Part of every index's fingerprint; raise it whenever the same text gives other tokens."""

CHARACTER_WEIGHT = 0.4
"""What a single character of a longer run counts beside its pairs; .25 to .5 measured alike (docs/languages.md)."""

_PLAIN: Mapping[str, Any] = {"stem": False, "remove_stop_words": False}
ICU: Mapping[str, Any] = _PLAIN | {  # type: ignore[operator]
    "base_tokenizer": "icu",
    "lower_case": True,
    "ascii_folding": True,
    "max_token_length": 64,
}
READY_MADE: Mapping[str, Any] = _PLAIN | {  # type: ignore[operator]
    "base_tokenizer": "whitespace",  # the columns hold the tokens made here
    "lower_case": False,
    "ascii_folding": False,
    "max_token_length": None,
}
_PIECE = regex.compile(r"(?P<han>\p{Han}+)|\P{Han}+")


def icu_words(text: str) -> list[str]:
    """The words of a text as ICU cuts it, without case and accents; Chinese by ICU's dictionary."""
    import lancedb

    return [token.text for token in lancedb.tokenize(text, **ICU)]


def product_tokens(text: str) -> list[str]:
    """What a product's text is found by, in order and with repetitions: words, pairs, characters."""
    return _tokens(text, characters=True)


def query_tokens(text: str) -> list[str]:
    """The distinct words and pairs of a query, in order; a character that stands alone is a word."""
    return list(dict.fromkeys(_tokens(text, characters=False)))


def query_characters(text: str) -> list[str]:
    """The distinct characters inside a query's runs of Chinese: they rank what its pairs have found."""
    runs = (piece[0] for piece in _PIECE.finditer(one_script(text)) if piece["han"]) if has_han(text) else ()
    return list(dict.fromkeys(character for run in runs if len(run) > 1 for character in run))


def _tokens(text: str, *, characters: bool) -> list[str]:
    if not has_han(text):
        return icu_words(text)
    found: list[str] = []
    for piece in _PIECE.finditer(one_script(text)):
        run = piece[0]
        if not piece["han"]:
            found += icu_words(run)
        elif len(run) == 1:
            found.append(run)
        else:
            found += [run[i : i + 2] for i in range(len(run) - 1)]
            found += run if characters else ()
    return found
