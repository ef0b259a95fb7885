"""Sentences that a shop repeats in many descriptions ("Free shipping on all orders."), found by counting.

Knows text only. Counts are kept as 64-bit hashes: 8 bytes per sentence and product.
"""

from __future__ import annotations

import hashlib
import re
from array import array

import numpy as np
from numpy.typing import NDArray

MIN_SHARE = 0.1
"""A sentence in at least this share of all products is boilerplate ..."""
MIN_SHARE_WITH_DIGITS = 0.3
"""... or this share if it has a digit: "95% polyester, 5% spandex." is common and still a fact ..."""
MIN_PRODUCTS = 20
"""... if it is in at least this many products ..."""
MIN_WORDS = 5
MIN_HAN = 8
"""... and has at least this many words (or Chinese characters): short phrases are facts such as "Made of cotton"."""

_SENTENCE_END = re.compile(r"(?<=[.!?…][\s\"')])(?<!\b\w\.\s)(?=\S)|(?<=[。！？；])")
_DIGIT = re.compile(r"\d")
_HAN = re.compile(r"[一-鿿]")


def sentences(line: str) -> list[str]:
    """The sentences of a line; joined by nothing they are the line again."""
    return _SENTENCE_END.split(line)


def is_candidate(sentence: str) -> bool:
    """Whether a sentence is long enough to be boilerplate."""
    return len(sentence.split()) >= MIN_WORDS or len(_HAN.findall(sentence)) >= MIN_HAN


class SentenceCounter:
    """Counts in how many products each sentence occurs."""

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._products = 0

    def add(self, lines: list[str]) -> None:
        """Count one product's description."""
        self._products += 1
        self._hashes.extend({sentence_hash(s) for line in lines for s in sentences(line) if is_candidate(s)})

    def frequent(self) -> dict[int, int]:
        """Hash and number of products of every sentence that is boilerplate."""
        if not self._hashes:
            return {}
        hashes: NDArray[np.uint64] = np.frombuffer(self._hashes, dtype=np.uint64)
        values, counts = np.unique(hashes, return_counts=True)
        # The lowest bit of a hash says whether the sentence has a digit.
        share = np.where(values & np.uint64(1), MIN_SHARE_WITH_DIGITS, MIN_SHARE)
        often = counts >= np.maximum(MIN_PRODUCTS, share * self._products)
        return {int(value): int(count) for value, count in zip(values[often], counts[often], strict=True)}


def remove(lines: list[str], frequent: dict[int, int]) -> tuple[str, list[str]]:
    """The description without boilerplate on one line, and the sentences removed."""
    kept_lines: list[str] = []
    removed: list[str] = []
    for line in lines:
        kept = []
        for sentence in sentences(line):
            if is_candidate(sentence) and sentence_hash(sentence) in frequent:
                removed.append(sentence.strip())
            else:
                kept.append(sentence)
        if text := "".join(kept).strip():
            kept_lines.append(text)
    return " ".join(kept_lines), removed


def sentence_hash(sentence: str) -> int:
    """64 bits that stand for a sentence without regard to case; the lowest one says whether it has a digit."""
    digest = hashlib.blake2b(sentence.strip().casefold().encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") & ~1 | (_DIGIT.search(sentence) is not None)
