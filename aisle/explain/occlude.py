"""Which words carry a model's score, found by taking each out and asking the model again.

Leave-one-out occlusion (Li, Monroe and Jurafsky, "Understanding Neural Networks through Representation Erasure", 2016):
true to the model by construction, at the price of one score a word. Knows a reader, not an engine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from aisle.explain.cut import without, words_of
from aisle.explain.reading import Fields, Reader
from aisle.explain.values import Effect, Words
from aisle.types import Product

MOST_WORDS = 60
"""Distinct words of a product that are taken out; what an encoder reads at 96 tokens seldom has more."""
SAME = 1e-6
"""A field without which the score moves less than this is not read."""


def occlude(reader: Reader, query: str, product: Product, most: int = MOST_WORDS) -> Words:
    """Take out each word of the query, each field, and each distinct word of the product.

    A word is taken out wherever it stands. Words of fields without which the score stays the same are not tried, since
    the model does not read those; of more than ``most`` words those that the query has too come first, then those that
    stand first.

    Args:
        reader: The model.
        query: As the engine reads it.
        product: The product.
        most: Words of the product to try.
    """
    fields = reader.fields(product)
    shown = {word.key: query[word.start : word.end] for word in reversed(words_of(query))}
    asked = list(dict.fromkeys(word.key for word in words_of(query)))
    pairs: list[tuple[str, Fields]] = [(query, fields)]
    pairs += [(without(query, [key]), fields) for key in asked]
    pairs += [(query, {name: text for name, text in fields.items() if name != gone}) for gone in fields]
    found = reader.scores(pairs)
    score = float(found[0])
    of_query = score - found[1 : 1 + len(asked)]
    of_fields = dict(zip(fields, score - found[1 + len(asked) :], strict=True))

    read = {name: text for name, text in fields.items() if abs(of_fields[name]) > SAME}
    spelt = spellings(read)
    tried = choose(spelt, asked, most)
    left = reader.scores([(query, without_words(fields, [key])) for key in tried]) if tried else np.empty(0, np.float32)
    return Words(
        model=reader.model,
        score=score,
        query=ranked({shown[key]: float(drop) for key, drop in zip(asked, of_query, strict=True)}),
        product=ranked({spelt[key]: float(drop) for key, drop in zip(tried, score - left, strict=True)}),
        fields=ranked({name: float(drop) for name, drop in of_fields.items()}),
        unmeasured=len(spelt) - len(tried),
    )


def spellings(fields: Fields) -> dict[str, str]:
    """Distinct words by key, in order, as they are first written."""
    found: dict[str, str] = {}
    for text in fields.values():
        for word in words_of(text):
            found.setdefault(word.key, text[word.start : word.end])
    return found


def without_words(fields: Fields, keys: Collection[str]) -> dict[str, str]:
    """Fields without these words."""
    return {name: without(text, keys) for name, text in fields.items()}


def choose(words: Collection[str], asked: Collection[str], most: int) -> list[str]:
    """At most so many of the words: first those that are asked for, then in order."""
    return sorted(words, key=lambda key: key not in asked)[:most]


def ranked(effects: Mapping[str, float]) -> tuple[Effect, ...]:
    """The largest effect first, ties in order."""
    return tuple(Effect(name, effect) for name, effect in sorted(effects.items(), key=lambda item: -item[1]))
