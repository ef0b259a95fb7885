"""How rare words are in a shop, kept with a model, so that a text scores alike alone and in any company.

BM25 of a pair as a share of what its query could get: comparable between queries, as a learnt weight needs it. Knows
tokens, not how text is cut into them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aisle.ranking.pool_bm25 import Segmenter
from aisle.types import Array

K1, B = 1.2, 0.75


@dataclass(frozen=True)
class WordStatistics:
    """Of a collection of distinct texts.

    Attributes:
        texts: How many there are.
        average_length: Of a text, in tokens.
        carriers: How many texts have each token.
    """

    texts: int
    average_length: float
    carriers: Mapping[str, int]

    @classmethod
    def of(cls, texts: Iterable[str], segment: Segmenter) -> WordStatistics:
        """Count the tokens of texts; one that comes several times counts once."""
        carriers: Counter[str] = Counter()
        lengths = [0]
        for text in dict.fromkeys(texts):
            tokens = segment.product_tokens(text)
            carriers.update(set(tokens))
            lengths.append(len(tokens))
        many = len(lengths) - 1
        return cls(many, sum(lengths) / max(many, 1), dict(sorted(carriers.items())))

    def idf(self, token: str) -> float:
        """Lucene's inverse document frequency, above 0; the highest for a token that no text has."""
        carriers = self.carriers.get(token, 0)
        return math.log1p((self.texts - carriers + 0.5) / (carriers + 0.5))

    def bm25(self, query: str, texts: Sequence[str], segment: Segmenter) -> Array:
        """BM25 of texts (Robertson and Zaragoza 2009) over the sum of the query's idf, ``(n,)``, from 0 to 2.2."""
        rarity = {token: self.idf(token) for token in segment.query_tokens(query)}
        total = sum(rarity.values())
        if not total:
            return np.zeros(len(texts), np.float32)
        return np.array([self._found(rarity, segment.product_tokens(text)) / total for text in texts], np.float32)

    def _found(self, rarity: Mapping[str, float], tokens: Sequence[str]) -> float:
        counts = Counter(token for token in tokens if token in rarity)
        held_back = K1 * (1 - B + B * len(tokens) / (self.average_length or 1.0))
        return sum(rarity[token] * count * (K1 + 1) / (count + held_back) for token, count in counts.items())
