"""The word columns of one version in memory: which rows have a token in which field, and what BM25 gives it there.

A copy of what LanceDB's word indexes hold, for one version of a small table. Knows rows, no requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aisle.indexes.schema import TEXT

K1, B = 1.2, 0.75
"""Those of LanceDB."""

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Words:
    """Which rows have a token in which field, and its BM25 score there (Robertson and Zaragoza 2009).

    As in LanceDB, a field's statistics are of the rows that have any word in it.

    Attributes:
        places: Of each token in ``starts``.
        starts: Where the rows of a token in a field begin in ``found``, ``(tokens * fields + 1,)``; the last: its end.
        found: ``field * rows + row``, ascending for each token.
        scores: Of each of them.
        rows: How many the table has.
        fields: Numbered from 0.
    """

    places: dict[str, int]
    starts: NDArray[np.int64]
    found: Rows
    scores: Floats
    rows: int
    fields: dict[str, int]

    @classmethod
    def of(cls, table: pa.Table) -> Words:
        """Read the columns that BM25 searches."""
        names = [name for name in table.schema.names if name.startswith(TEXT)]
        tokens, places = [], []
        for number, name in enumerate(names):
            lists = pc.split_pattern(table[name].combine_chunks(), " ")
            there = pc.not_equal(lists.flatten(), "")  # a text without words is split into one empty word
            tokens.append(lists.flatten().filter(there))
            parents = np.asarray(pc.list_parent_indices(lists).filter(there), np.int64)
            places.append(number * table.num_rows + parents)
        coded = pa.chunked_array(tokens, pa.string()).combine_chunks().dictionary_encode()
        at = np.concatenate(places or [np.empty(0, np.int64)])
        rows = max(1, table.num_rows)
        many = max(1, len(names)) * rows
        codes, times = np.unique(np.asarray(coded.indices, np.int64) * many + at, return_counts=True)
        words = coded.dictionary.to_pylist()
        found = (codes % many).astype(np.int32)
        lengths = np.bincount(at, minlength=len(names) * table.num_rows).reshape(len(names), table.num_rows)
        return cls(
            {word: place for place, word in enumerate(words)},
            np.searchsorted(codes // rows, np.arange(len(words) * len(names) + 1)),
            found,
            _scores(codes // many, found, times, lengths),
            table.num_rows,
            {name[len(TEXT) :]: number for number, name in enumerate(names)},
        )

    def add(self, totals: Floats, field: str, tokens: Sequence[str], weight: float, *, every: bool) -> None:
        """Add the BM25 score of a field to the rows that match.

        Args:
            totals: ``(rows,)``, written to.
            field: One of ``fields``.
            tokens: Distinct; a row matches that has any of them.
            weight: Times each score.
            every: A row matches that has all of them.
        """
        lists = [self._in_field(token, self.fields[field]) for token in tokens]
        shared = _shared([self.found[part] for part in lists]) if every and len(lists) > 1 else None
        first = self.fields[field] * self.rows
        for part in lists:
            rows, scores = self.found[part], self.scores[part]
            if shared is not None:
                chosen = np.isin(rows, shared, assume_unique=True)
                rows, scores = rows[chosen], scores[chosen]
            totals[rows - first] += np.float32(weight) * scores  # each row once

    def together(self, tokens: Sequence[str], fields: Sequence[str]) -> bool:
        """Whether some product has all these tokens in one of the fields."""
        shared = _shared([self.found[self._of(token)] for token in dict.fromkeys(tokens)])
        numbers = {self.fields[field] for field in fields if field in self.fields}
        return len(shared) > 0 and not numbers.isdisjoint(np.unique(shared // self.rows).tolist())

    def _of(self, token: str) -> slice:
        return self._between(self.places.get(token), 0, len(self.fields))

    def _in_field(self, token: str, field: int) -> slice:
        return self._between(self.places.get(token), field, field + 1)

    def _between(self, place: int | None, first: int, last: int) -> slice:
        """The rows of a token in the fields from one to before another."""
        if place is None:
            return slice(0, 0)
        at = place * len(self.fields)
        return slice(int(self.starts[at + first]), int(self.starts[at + last]))


def _shared(lists: Sequence[Rows]) -> Rows:
    """What ascending lists have in common; nothing where there is no list."""
    if not lists:
        return np.empty(0, np.int32)
    shared, *others = sorted(lists, key=len)
    for other in others:
        if not len(shared):
            break
        at = np.minimum(np.searchsorted(other, shared), len(other) - 1)
        shared = shared[other[at] == shared]
    return shared


def _scores(tokens: NDArray[np.int64], found: Rows, times: NDArray[np.int64], lengths: NDArray[np.int64]) -> Floats:
    """BM25 of each token in each field of each row that has it.

    Args:
        tokens: Ascending.
        found: ``field * rows + row``.
        times: How often the token is there.
        lengths: ``(fields, rows)`` in words.
    """
    fields, rows = lengths.shape
    if not len(tokens):
        return np.empty(0, np.float32)
    field = found // rows
    _, group = np.unique(tokens * fields + field, return_inverse=True)
    having = np.bincount(group)[group]
    written = np.count_nonzero(lengths, axis=1)
    mean = lengths.sum(axis=1) / np.maximum(1, written)
    rarity = np.log(1 + (written[field] - having + 0.5) / (having + 0.5))
    length = lengths.reshape(-1)[found] / mean[field]
    return np.asarray(rarity * (K1 + 1) * times / (times + K1 * (1 - B + B * length)), np.float32)
