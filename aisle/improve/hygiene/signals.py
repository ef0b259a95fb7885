"""What a pair looks like without its grade: a table of numbers, and the likeness of one query's texts to one another.

Knows pairs and an encoder; no grades, no model of them. Everything is computed once and kept in memory: learning curves
and cross-validations ask for it many times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from aisle.encoders.cosines import Encode
from aisle.errors import InputError
from aisle.indexes import segment
from aisle.judgments.pairs import DESCRIPTION_CHARACTERS, PairSet
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import word_signals
from aisle.types import Array, Progress

Doubles = NDArray[np.float64]
Integers = NDArray[np.intp]

NAMES = (
    "cosine",
    "wording",
    "bm25",
    "title_has",
    "text_has",
    "last_word",
    "description_cosine",
    "description",
    "query_words",
    "title_words",
    "cosine_above",
    "bm25_above",
)
"""Columns of `Signals.table`; the last two are relative to the mean over the query's texts."""

_BATCH = 512


@dataclass(frozen=True)
class Signals:
    """Pairs as numbers.

    Attributes:
        table: ``(n, len(names))``.
        names: Of the columns.
        queries: ``(n, dim)`` unit rows.
        texts: ``(n, dim)`` unit rows, of the titles.
        group: ``(n,)`` the number of each pair's query.
        rows: For each query its rows.
        alike: For each query how alike its titles are: ``(k, k)`` cosines of vectors, then of words by rarity.
    """

    table: Doubles
    names: tuple[str, ...]
    queries: Array
    texts: Array
    group: Integers
    rows: tuple[Integers, ...]
    alike: tuple[tuple[Doubles, Doubles], ...]

    def with_columns(self, more: Mapping[str, Doubles]) -> Signals:
        """The same with further columns, such as scores of a model that saw none of these grades.

        Raises:
            InputError: A column has not one number for each pair, or one that is not finite.
        """
        for name, column in more.items():
            if column.shape != (len(self.table),) or not np.isfinite(column).all():
                raise InputError(
                    f"column {name!r} of shape {column.shape}", allowed=f"({len(self.table)},) finite numbers"
                )
        table = np.column_stack([self.table, *more.values()])
        return Signals(table, (*self.names, *more), self.queries, self.texts, self.group, self.rows, self.alike)


def signals(pairs: PairSet, encode: Encode, progress: Progress | None = None) -> Signals:
    """Read pairs, without their grades.

    Args:
        pairs: Of one shop.
        encode: Texts and their kind to unit rows.
        progress: Told how many texts are encoded.

    Raises:
        InputError: There is no pair.
    """
    if not len(pairs):
        raise InputError("there are no pairs", allowed="one pair or more")
    titles = [pair.title for pair in pairs]
    described = [pair.description.strip()[:DESCRIPTION_CHARACTERS] for pair in pairs]
    needed = [*titles, *(text for text in described if text)]
    queries = _encoded([pair.query for pair in pairs], "query", encode, None)
    found = _encoded(needed, "product", encode, progress)
    texts, rest = found[: len(titles)], found[len(titles) :]
    has = np.array([bool(text) for text in described])
    cosine = np.einsum("ij,ij->i", queries, texts).astype(np.float64)
    beside = cosine.copy()
    beside[has] = np.einsum("ij,ij->i", queries[has], rest)
    by_query = pairs.by_query()
    rows = tuple(np.asarray(group, np.intp) for group in by_query.values())
    group = np.empty(len(pairs), np.intp)
    for number, members in enumerate(rows):
        group[members] = number
    words = _words(pairs, titles, described, rows)
    table = np.column_stack([cosine, words[:, :5], beside, has, words[:, 5:]])
    above = [_above(column, rows) for column in (cosine, words[:, 1])]
    return Signals(np.column_stack([table, *above]), NAMES, queries, texts, group, rows, _alike(titles, texts, rows))


def _encoded(texts: Sequence[str], kind: str, encode: Encode, progress: Progress | None) -> Array:
    """Each distinct text once."""
    places: dict[str, int] = {}
    order = [places.setdefault(text, len(places)) for text in texts]
    names = list(places)
    parts = []
    for start in range(0, len(names), _BATCH):
        parts.append(encode(names[start : start + _BATCH], "query" if kind == "query" else "product"))
        if progress is not None:
            progress("encoding", min(start + _BATCH, len(names)), len(names))
    return np.concatenate(parts)[order]


def _words(pairs: PairSet, titles: Sequence[str], described: Sequence[str], rows: Sequence[Integers]) -> Doubles:
    """Wording, BM25, what share of the query's words (by rarity) title and text have, its last word, lengths."""
    statistics = WordStatistics.of(titles, segment)
    found = np.zeros((len(pairs), 7))
    tokens = [segment.product_tokens(title) for title in titles]
    for members in rows:
        query = pairs[int(members[0])].query
        found[members, :2] = word_signals(statistics, query, [titles[row] for row in members])
        asked = segment.query_tokens(query)
        rarity = {token: statistics.idf(token) for token in asked}
        total = sum(rarity.values()) or 1.0
        for row in members:
            in_title = set(tokens[row])
            in_text = in_title | set(segment.product_tokens(described[row]))
            found[row, 2] = sum(value for token, value in rarity.items() if token in in_title) / total
            found[row, 3] = sum(value for token, value in rarity.items() if token in in_text) / total
            found[row, 4] = bool(asked) and asked[-1] in in_title
            found[row, 5:] = len(asked), len(tokens[row])
    return found


def _above(column: Doubles, rows: Sequence[Integers]) -> Doubles:
    found = np.empty(len(column))
    for members in rows:
        found[members] = column[members] - column[members].mean()
    return found


def _alike(titles: Sequence[str], texts: Array, rows: Sequence[Integers]) -> tuple[tuple[Doubles, Doubles], ...]:
    statistics = WordStatistics.of(titles, segment)
    found = []
    for members in rows:
        vectors = texts[members].astype(np.float64)
        bags = _bags([segment.product_tokens(titles[row]) for row in members], statistics)
        found.append((vectors @ vectors.T, np.asarray((bags @ bags.T).todense(), np.float64)))
    return tuple(found)


def _bags(texts: Sequence[Sequence[str]], statistics: WordStatistics) -> csr_matrix:
    """Rows of length 1, a column for each token, weighted by rarity."""
    columns: dict[str, int] = {}
    lines, places, values = [], [], []
    for line, tokens in enumerate(texts):
        distinct = sorted(set(tokens))
        weights = np.array([statistics.idf(token) for token in distinct])
        weights = weights / (np.linalg.norm(weights) or 1.0)
        for token, weight in zip(distinct, weights, strict=True):
            lines.append(line)
            places.append(columns.setdefault(token, len(columns)))
            values.append(weight)
    return csr_matrix((values, (lines, places)), shape=(len(texts), max(1, len(columns))))
