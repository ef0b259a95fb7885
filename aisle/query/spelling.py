"""A brand or a colour with one wrong letter: "panasonc" is Panasonic, where no title has such a word.

Knows facts of a catalogue, no index; other words are BM25's to correct.
"""

from __future__ import annotations

from rapidfuzz import process
from rapidfuzz.distance import OSA

from aisle.query.facts import CORRECTED, MIN_CORRECTED, CatalogueFacts

MIN_CERTAINTY = 0.5
"""A name that less certainly means a brand or a colour is nothing to correct to."""


def corrected(key: str, facts: CatalogueFacts) -> str | None:
    """The key of the one brand or colour that a word is a letter away from; None for known words and short ones.

    A letter more, less, another, or two swapped (optimal string alignment). Of several the one with most products.
    """
    if len(key) < MIN_CORRECTED or not key.isalpha() or key in facts.words or key in facts.terms:
        return None
    close = process.extract(key, facts.correctable, scorer=OSA.distance, score_cutoff=1, limit=10)
    sure = [
        (term.products, name)
        for name, _, _ in close
        for term in facts.terms[name]
        if term.kind in CORRECTED and term.certainty >= MIN_CERTAINTY
    ]
    return max(sure)[1] if sure else None
