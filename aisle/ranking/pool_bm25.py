"""BM25 for pairs of a query and a text, without an index.

Pairs that were judged somewhere have no catalogue, and a search would return other texts than those. Here each query
is scored against the one text it stands beside; how rare a word is follows from all the texts there are. The formula
and the tokens are those of the index, so that a pair scores as the index would score it among the same texts. Knows
tokens, not how text is cut into them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from aisle.types import Array

_CHUNK = 8_192
"""Pairs multiplied at a time: bounds the memory that their rows take."""


class Segmenter(Protocol):
    """Text to tokens; the module ``aisle.indexes.segment`` is one."""

    CHARACTER_WEIGHT: float

    def product_tokens(self, text: str) -> list[str]:
        """What a text is found by, with repetitions."""
        ...

    def query_tokens(self, text: str) -> list[str]:
        """The distinct words of a query."""
        ...

    def query_characters(self, text: str) -> list[str]:
        """The distinct characters inside its words, which count ``CHARACTER_WEIGHT`` where a word has matched."""
        ...


class PoolBm25:
    """BM25 of queries against given texts (Robertson and Zaragoza 2009) with Lucene's idf, which is never negative.

    A text's score is the sum over the query's distinct words of
    ``ln(1 + (N - n + .5) / (n + .5)) * f * (k1 + 1) / (f + k1 * (1 - b + b * length / average))``, with ``f`` the
    word's count in the text, ``n`` how many of the ``N`` distinct texts have it, and lengths in tokens. Lucene has
    since dropped the constant ``k1 + 1``; the index has not.

    S. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", Foundations and Trends in
    Information Retrieval 3(4), 2009.

    Args:
        texts: The texts of all pairs; one that comes several times counts once in the statistics.
        k1: How soon more of the same word stops counting.
        b: How much a longer text is held back, from 0 to 1.
        segment: What cuts text; ``aisle.indexes.segment`` for the words of the index.
    """

    def __init__(self, texts: Sequence[str], k1: float = 1.2, b: float = 0.75, *, segment: Segmenter) -> None:
        self._segment = segment
        place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        self._places = np.array([place[text] for text in texts], np.intp)
        self._columns: dict[str, int] = {}
        tokens = [segment.product_tokens(text) for text in place]
        for token in (token for text in tokens for token in text):
            self._columns.setdefault(token, len(self._columns))
        self._weights = self._weigh(self._matrix(tokens), k1, b)

    def score(self, queries: Sequence[str], rows: Sequence[int]) -> Array:
        """Score query ``i`` against text ``rows[i]``: ``(n,)`` float32, 0 where no word of the query is in the text.

        Args:
            queries: One for each pair.
            rows: Positions in ``texts``, one for each pair.
        """
        if len(queries) != len(rows):
            raise ValueError(f"{len(queries)} queries for {len(rows)} rows")
        place = {query: number for number, query in enumerate(dict.fromkeys(queries))}
        words = self._matrix([self._segment.query_tokens(query) for query in place])
        characters = self._matrix([self._segment.query_characters(query) for query in place])
        asked = np.array([place[query] for query in queries], np.intp)
        texts = self._places[np.asarray(rows, np.intp)]
        scores = np.zeros(len(queries), np.float32)
        for start in range(0, len(queries), _CHUNK):
            part = slice(start, start + _CHUNK)
            beside = self._weights[texts[part]]
            found = _row_sums(words[asked[part]], beside)
            inside = _row_sums(characters[asked[part]], beside)
            scores[part] = found + np.where(found > 0, self._segment.CHARACTER_WEIGHT * inside, 0.0)
        return scores

    def against_all(self, queries: Sequence[str]) -> Array:
        """Score each query against every text: ``(queries, texts)`` float32."""
        words = self._matrix([self._segment.query_tokens(query) for query in queries])
        characters = self._matrix([self._segment.query_characters(query) for query in queries])
        found = (words @ self._weights.T).toarray()
        inside = (characters @ self._weights.T).toarray()
        scores = found + np.where(found > 0, self._segment.CHARACTER_WEIGHT * inside, 0.0)
        return np.asarray(scores[:, self._places], np.float32)

    def _matrix(self, tokens: Iterable[Sequence[str]]) -> Any:
        """How often each known token comes in each text, ``(texts, tokens)``."""
        columns, ends = [], [0]
        for text in tokens:
            columns += [self._columns[token] for token in text if token in self._columns]
            ends.append(len(columns))
        shape = (len(ends) - 1, len(self._columns))
        from scipy import sparse  # takes a tenth of a second that no search needs

        found = sparse.csr_array((np.ones(len(columns)), np.array(columns, np.int64), np.array(ends)), shape=shape)
        found.sum_duplicates()
        return found

    def _weigh(self, counts: Any, k1: float, b: float) -> Any:
        """What each token of each text adds to the score of a query that has it."""
        texts, tokens = counts.shape
        carriers = np.bincount(counts.indices, minlength=tokens)
        idf = np.log1p((texts - carriers + 0.5) / (carriers + 0.5))
        lengths = counts.sum(axis=1)
        average = lengths.mean() if lengths.any() else 1.0
        held_back = np.repeat(k1 * (1 - b + b * lengths / average), np.diff(counts.indptr))
        weights = counts.copy()
        weights.data = idf[counts.indices] * counts.data * (k1 + 1) / (counts.data + held_back)
        return weights


def _row_sums(left: Any, right: Any) -> Any:
    return np.asarray(left.multiply(right).sum(axis=1), np.float64).ravel()
