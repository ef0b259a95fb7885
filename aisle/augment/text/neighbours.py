"""One word of a text by a word that stands nearest to it in the space of an encoder: what a catalogue calls alike.

The words are the catalogue's: Latin words, and Chinese names of the lexicon, that several titles have. Near is not
same: colours, brands and sizes are near one another too. So the effect is "unknown" by what was measured
(docs/augmentation_chinese.md), and words that are names of brands, numbers or codes are never replaced nor put in.
Takes the encoder; loads none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
import regex

from aisle.augment.change import BOTH, Effect, Side
from aisle.augment.text.synonyms import NAMES
from aisle.augment.text.words import BINDING, FILLERS, words
from aisle.language.names import find_names, fold_name, other_numbers
from aisle.language.script import scripts_of
from aisle.types import Encoder

AT_LEAST = 5
"""Titles that have a word that takes part."""
LEAST_LETTERS = 4
NEAR = 0.7
"""Cosine from which a word is near."""
FEWEST = 0.05
"""A word is not replaced by one that is rarer than this share of it: a rare neighbour is often a misspelling."""
NEIGHBOURS = 3
MOST_WORDS = 20_000
_HAN = regex.compile(r"\p{Han}{2,}")
_LATIN = regex.compile(r"\p{Latin}+")
_ROWS = 1_024


@dataclass(frozen=True, slots=True)
class Near:
    """A word and how near it is, as the cosine."""

    word: str
    cosine: float


def nearest(
    titles: Iterable[str],
    encoder: Encoder,
    *,
    brands: Collection[str] = (),
    near: float = NEAR,
) -> Mapping[str, tuple[Near, ...]]:
    """The nearest words of a catalogue's words, of the same script, by the folded word.

    Args:
        titles: Normalised, simplified.
        encoder: Whose space it is.
        brands: Names that are left out, with all words in them.
        near: The least cosine.
    """
    banned = {word.text for brand in brands for word in words(fold_name(brand))} | {fold_name(b) for b in brands}
    counts: Counter[str] = Counter()
    for title in titles:
        counts.update(list(dict.fromkeys(_countable(title))))
    usual = [
        word
        for word, count in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_WORDS]
        if count >= AT_LEAST and word not in banned and word not in BINDING and word not in FILLERS
    ]
    if not usual:
        return {}
    vectors = encoder.encode(usual, "query")
    chinese = np.array([_HAN.fullmatch(word) is not None for word in usual])
    found: dict[str, tuple[Near, ...]] = {}
    for start in range(0, len(usual), _ROWS):
        cosines = vectors[start : start + _ROWS] @ vectors.T
        for row, word in enumerate(usual[start : start + _ROWS]):
            line = np.where(chinese == chinese[start + row], cosines[row], -1.0)
            best = [
                Near(usual[i], float(line[i]))
                for i in np.argsort(-line, kind="stable")[: NEIGHBOURS * 4]
                if line[i] >= near and _differs(word, usual[i]) and counts[usual[i]] >= FEWEST * counts[word]
            ]
            if best:
                found[word] = tuple(best[:NEIGHBOURS])
    return found


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One word replaced by a near one, the nearer the likelier.

    Attributes:
        words: As ``nearest`` finds them.
    """

    words: Mapping[str, tuple[Near, ...]]
    name: str = "neighbours"
    effect: Effect = "unknown"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The text with one word replaced; None where none has a near one that is not in the text."""
        folded = fold_name(text)
        places = [
            (start, written, options)
            for start, written in _words(text)
            if (options := [near for near in self.words.get(fold_name(written), ()) if near.word not in folded])
        ]
        if not places:
            return None
        start, written, options = rng.choice(places)
        (near,) = rng.choices(options, [near.cosine**4 for near in options])
        new = near.word.capitalize() if written[:1].isupper() else near.word
        return text[:start] + new + text[start + len(written) :]


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Latin words and Chinese names, with where they begin."""
    for word in words(text):
        if len(word.text) >= LEAST_LETTERS and _LATIN.fullmatch(word.text):
            yield word.start, word.text
    if scripts_of(text)["Han"]:
        for name in find_names(text, NAMES):
            if _HAN.fullmatch(name.written):
                yield name.start, name.written


def _countable(text: str) -> Iterator[str]:
    return (fold_name(written) for _, written in _words(text))


def _differs(one: str, other: str) -> bool:
    """Whether two words are neither one, nor numbers of one, nor one within the other."""
    return one not in other and other not in one and not set(other_numbers(one)) & {other, *other_numbers(other)}
