"""What the words of a query and of a text say of each other, in numbers that trees can cut.

Counts tokens and pieces of them; knows how rare words are in the shop, no model and no meaning. A text has the same
numbers alone and in any company.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
import regex
from numpy.typing import NDArray

from aisle.indexes import segment
from aisle.language.normalise import normalise
from aisle.ranking.word_statistics import WordStatistics

Doubles = NDArray[np.float64]

NAMES = (
    "words",  # share of the query's words that the text has
    "words:rare",  # the same, each word counting as much as it is rare
    "pieces",  # share of the pieces of three letters that the text has, mean over words
    "pieces:rare",
    "pieces:least",  # of the word of which it has least
    "pairs",  # share of neighbouring words that stand so in the text
    "last",  # whether it has the query's last word that is neither number nor function word: most often the thing
    "last:ahead",  # whether among the last three words of the text's first phrase
    "last:thing",  # whether it is the last one of that phrase
    "last:pieces",
    "first",
    "first:pieces",
    "asked",  # share of the words of the text's first phrase that the query has
    "asked:thing",  # whether the query has the last of them
    "numbers",  # share of the query's words that begin with a digit
    "number_count",
    "query_length",  # words
    "text_length",
    "lacks",  # how rare the rarest word is that the text lacks
    "rarest",
    "rarity",  # mean
    "place:first",  # place, from 0, of the first of the query's words in the text
    "place:last",
    "joined",  # share of the query's words that are in the text when its blanks are taken out
    "joined:all",  # whether the whole query is
    "begins",  # whether the text's first word is in the query
)
"""Of the features, in the order of their columns. One that has nothing to say is NaN."""

PIECE = 3
"""Letters of a piece of a word, a blank before and after it counting."""
AHEAD = 3
_FUNCTION = frozenset(
    (
        "a",
        "an",
        "and",
        "by",
        "for",
        "from",
        "in",
        "of",
        "on",
        "or",
        "the",
        "to",
        "w",
        "with",
        "x",
        "的",
        "和",
        "与",
        "及",
    )
)
_PHRASE = regex.compile(r"[,，、(（]|\s[-–—|]\s|\s(?:in|with|for)\s", regex.IGNORECASE)
"""What ends a text's first phrase, which most often ends with the thing itself."""


@dataclass(frozen=True, slots=True)
class _Query:
    tokens: tuple[str, ...]
    things: tuple[int, ...]
    pieces: tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class _Text:
    tokens: tuple[str, ...]
    distinct: frozenset[str]
    pairs: frozenset[tuple[str, str]]
    phrase: tuple[str, ...]
    joined: str
    pieces: frozenset[str]


def word_features(query: str, texts: Sequence[str], words: WordStatistics) -> Doubles:
    """The features of each text, ``(n, len(NAMES))`` float64.

    Args:
        query: Any text; one without words has NaN throughout.
        texts: ``n`` of them.
        words: How rare words are.
    """
    return of_pairs([query] * len(texts), texts, words)


def of_pairs(queries: Sequence[str], texts: Sequence[str], words: WordStatistics) -> Doubles:
    """The features of each query and the text beside it, ``(n, len(NAMES))`` float64."""
    known = cache(words.idf)
    found = np.full((len(texts), len(NAMES)), np.nan)
    for row, (query, text) in enumerate(zip(queries, texts, strict=True)):
        asked = _query(query)
        if asked.tokens:
            found[row] = _features(asked, _text(text), np.array([known(token) for token in asked.tokens]))
    return found


def _features(asked: _Query, text: _Text, rarity: Doubles) -> list[float]:
    tokens = asked.tokens
    has = np.array([token in text.distinct for token in tokens], np.float64)
    shares = zip(asked.pieces, has, strict=True)
    pieces = np.array([1.0 if there else len(own & text.pieces) / len(own) for own, there in shares])
    weights = rarity / max(float(rarity.sum()), 1e-9)
    places = [text.tokens.index(token) for token, there in zip(tokens, has, strict=True) if there]
    numbers = [place for place, token in enumerate(tokens) if token[0].isdigit()]
    last, first = (asked.things[-1], asked.things[0]) if asked.things else (None, None)
    return [
        float(has.mean()),
        float(has @ weights),
        float(pieces.mean()),
        float(pieces @ weights),
        float(pieces.min()),
        _mean([pair in text.pairs for pair in pairwise(tokens)]),
        *_thing(last, tokens, has, pieces, text.phrase),
        *((math.nan, math.nan) if first is None else (float(has[first]), float(pieces[first]))),
        _mean([token in tokens for token in text.phrase]),
        float(text.phrase[-1] in tokens) if text.phrase else math.nan,
        float(has[numbers].mean()) if numbers else math.nan,
        float(len(numbers)),
        float(len(tokens)),
        float(len(text.tokens)),
        float((rarity * (1 - has)).max()),
        float(rarity.max()),
        float(rarity.mean()),
        float(min(places)) if places else math.nan,
        float(max(places)) if places else math.nan,
        _mean([token in text.joined for token in tokens]),
        float("".join(tokens) in text.joined),
        float(text.tokens[0] in tokens) if text.tokens else math.nan,
    ]


def _thing(
    last: int | None, tokens: Sequence[str], has: Doubles, pieces: Doubles, phrase: Sequence[str]
) -> tuple[float, float, float, float]:
    if last is None:
        return (math.nan,) * 4
    token = tokens[last]
    thing = bool(phrase) and phrase[-1] == token
    return float(has[last]), float(token in phrase[-AHEAD:]), float(thing), float(pieces[last])


def _mean(found: Sequence[bool]) -> float:
    return sum(found) / len(found) if found else math.nan


@lru_cache(maxsize=1_000)
def _query(text: str) -> _Query:
    tokens = tuple(dict.fromkeys(map(_singular, segment.query_tokens(normalise(text)))))
    things = [place for place, token in enumerate(tokens) if not token[0].isdigit() and token not in _FUNCTION]
    return _Query(tokens, tuple(things), tuple(map(_pieces, tokens)))


@lru_cache(maxsize=2_000)  # 7 KB each; the same products come again and again
def _text(text: str) -> _Text:
    text = normalise(text)
    tokens = tuple(map(_singular, segment.product_tokens(text)))
    phrase = [_singular(token) for token in segment.query_tokens(_PHRASE.split(text, maxsplit=1)[0])]
    return _Text(
        tokens,
        frozenset(tokens),
        frozenset(pairwise(tokens)),
        tuple(token for token in phrase if not token[0].isdigit()),
        "".join(tokens),
        frozenset().union(*map(_pieces, set(tokens))),
    )


def _pieces(token: str) -> frozenset[str]:
    padded = f" {token} "
    return frozenset(padded[at : at + PIECE] for at in range(len(padded) - PIECE + 1))


def _singular(token: str) -> str:
    """An English word without the ending of a plural; only to compare, whatever it leaves."""
    if len(token) <= 3 or not (token.isascii() and token.isalpha()):
        return token
    if token.endswith("ies"):
        return f"{token[:-3]}y"
    if token.endswith(("ches", "shes", "sses", "xes")):
        return token[:-2]
    return token[:-1] if token.endswith("s") and token[-2] not in "su" else token
