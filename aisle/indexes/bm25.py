"""BM25 over weighted text fields, with typo tolerance for words that the catalogue does not have.

A product's score is the weighted sum of its fields' BM25 scores (k1 = 1.2, b = .75); any word may match, and each
distinct query word counts once. Other names of what was asked find products too, for less; the single characters of
Chinese words only rank what was found. Knows the table, not fusion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from aisle.config import IndexSettings
from aisle.indexes.schema import text_column
from aisle.indexes.segment import CHARACTER_WEIGHT, query_characters, query_tokens
from aisle.indexes.snapshot import Mask, Snapshot
from aisle.indexes.snapshots import Snapshots
from aisle.indexes.sql import one_of
from aisle.indexes.vocabulary import Vocabulary
from aisle.language.script import has_han
from aisle.types import Array, SearchRequest

SCORE_DECIMALS = 4
"""Sums of float32 differ in the last digits with the order of adding; rounding makes equal texts tie exactly."""

Ranked = Sequence[tuple[str, float]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clause:
    """Tokens to look for in a field: any of them, or with ``every`` all of them."""

    tokens: tuple[str, ...]
    weight: float = 1.0
    every: bool = False


@dataclass(frozen=True, slots=True)
class Clauses:
    """A query for one field: a product must match some of ``finding``; ``ranking`` only adds to its score."""

    finding: tuple[Clause, ...]
    ranking: tuple[Clause, ...] = ()


class WordSearch:
    """BM25 on one table."""

    def __init__(self, table: Any, vocabulary: Vocabulary, settings: IndexSettings, snapshots: Snapshots) -> None:
        self.table, self.snapshots = table, snapshots
        self.vocabulary = vocabulary
        self.settings = settings

    def clauses(self, request: SearchRequest) -> Clauses:
        """What to look for: the query's words, its other names, and the characters inside its Chinese words.

        Pairs of characters are no words: those of a Chinese word that the catalogue lacks (移动, 动电, 电话, found in
        移动电源 and 固定电话) count as one word together, each of its other Chinese names as much as they all would.
        """
        lacked = {one.because for one in request.expansions if one.instead and has_han(one.because)}
        rest = request.text
        for lacking in lacked:
            rest = rest.replace(lacking, " ")
        own = set(query_tokens(rest))  # what the query says elsewhere counts as ever
        pieces = {one: [token for token in query_tokens(one) if has_han(token)] for one in lacked}
        pieces_of = {token: len(found) for found in pieces.values() for token in found if token not in own}
        words = self.words(request.text)
        finding = [Clause(tuple(word for word in words if word not in pieces_of))]
        finding += [Clause((word,), 1 / pieces_of[word]) for word in words if word in pieces_of]
        for expansion in request.expansions:
            name = query_tokens(expansion.name)
            # a name of two words would count twice what a word does
            stands_for = len(pieces.get(expansion.because, ())) if has_han(expansion.name) else 1
            weight = expansion.weight * max(1, stands_for) / max(1, len(name))
            finding.append(Clause(tuple(name), weight, every=True))
        characters = query_characters(rest)[: self.settings.max_query_terms]
        return Clauses(
            tuple(clause for clause in finding if clause.tokens and clause.weight > 0),
            (Clause(tuple(characters), CHARACTER_WEIGHT),) if characters else (),
        )

    def words(self, text: str) -> list[str]:
        """The first ``max_query_terms`` distinct words, those that the catalogue lacks replaced by near ones."""
        settings = self.settings
        found: dict[str, None] = {}
        for word in query_tokens(text)[: settings.max_query_terms]:
            correctable = settings.fuzziness > 0 and word.isalpha() and len(word) >= settings.fuzzy_min_length
            found |= dict.fromkeys(self.vocabulary.corrections(word, settings.fuzziness) if correctable else [word])
        return list(found)

    def best(self, clauses: Clauses, where: str | None, depth: int) -> Ranked:
        """The best products, ties by id; a tie at the cut is cut by id too."""
        weights = {field: weight for field, weight in self.settings.field_weights.items() if weight > 0}
        if not clauses.finding or not weights or depth < 1:
            return []
        return self._from_memory(
            lambda snapshot, within: _in_memory(clauses, weights, depth, snapshot, within),
            lambda: self._best(clauses, weights, where, depth),
            where,
        )

    def _from_memory(
        self, quick: Callable[[Snapshot, Mask | None], T], slow: Callable[[], T], where: str | None = None
    ) -> T:
        """What is read of a snapshot, if there is one of rows that LanceDB scores by the same statistics."""
        return self.snapshots.reading(
            lambda snapshot, within: quick(snapshot, within) if snapshot is not None and snapshot.folded else slow(),
            where,
        )

    def _best(self, clauses: Clauses, weights: dict[str, float], where: str | None, depth: int) -> Ranked:
        query, limit = _query(clauses, weights), depth + 50
        while True:
            found = self._run(query, where, limit)
            scores = [-round(score, SCORE_DECIMALS) for score in found["_score"].to_pylist()]
            ranked = sorted(zip(scores, found["id"].to_pylist(), strict=True))
            # more with the score of the last one wanted may be out there
            if len(ranked) < limit or ranked[-1][0] > ranked[depth - 1][0]:
                return [(product_id, -score) for score, product_id in ranked[:depth]]
            limit *= 4

    def by_field(self, clauses: Clauses, where: str | None, ids: Sequence[str]) -> dict[str, dict[str, float]]:
        """Each field's own unweighted score for these products: field to id to score.

        Args:
            clauses: From ``clauses``.
            where: The condition of the search whose scores these are to add up to.
            ids: The products; those without a match are absent.
        """
        fields = self.settings.field_weights
        if not clauses.finding or not ids:
            return {field: {} for field in fields}
        return self._from_memory(
            lambda snapshot, _: _by_field_in_memory(clauses, fields, ids, snapshot),
            lambda: self._by_field(clauses, where, ids),
        )

    def _by_field(self, clauses: Clauses, where: str | None, ids: Sequence[str]) -> dict[str, dict[str, float]]:
        fields = self.settings.field_weights
        # Rows not yet in the index are scored with the statistics of those among them that meet the condition, so
        # the condition must be that of the search; else it is quicker to ask for the products alone.
        fresh = self.table.index_stats(f"{text_column(next(iter(fields)))}_idx").num_unindexed_rows
        condition, limit = (where, self.table.count_rows()) if fresh else (one_of("id", ids), len(ids))
        wanted = set(ids)
        if clauses.ranking:
            weighed = {field: 1.0 for field, weight in fields.items() if weight > 0}
            wanted &= set(self._run(_query(Clauses(clauses.finding), weighed), condition, limit)["id"].to_pylist())
        scores: dict[str, dict[str, float]] = {}
        for field in fields:
            found = self._run(_query(Clauses(clauses.finding + clauses.ranking), {field: 1.0}), condition, limit)
            pairs = zip(found["id"].to_pylist(), found["_score"].to_pylist(), strict=True)
            scores[field] = {product_id: score for product_id, score in pairs if product_id in wanted}
        return scores

    def has_together(self, tokens: Sequence[str]) -> bool:
        """Whether some product has all these tokens in one field."""
        snapshot = self.snapshots.latest()
        if snapshot is not None:
            return snapshot.words.together(tokens, list(self.settings.field_weights))
        query = _query(Clauses((Clause(tuple(tokens), every=True),)), dict.fromkeys(self.settings.field_weights, 1.0))
        return bool(self._run(query, None, 1).num_rows)

    def _run(self, query: Any, where: str | None, limit: int) -> Any:
        search = self.table.search(query, query_type="fts").limit(limit).select(["id", "_score"])
        return (search.where(where, prefilter=True) if where else search).to_arrow()


def _in_memory(
    clauses: Clauses, weights: Mapping[str, float], depth: int, snapshot: Snapshot, within: Mask | None
) -> Ranked:
    """The same products and scores as LanceDB's, without asking it."""
    scores = np.zeros(snapshot.size, np.float32)
    _add(clauses.finding, weights, snapshot, scores)
    found = scores > 0 if within is None else (scores > 0) & within
    _add(clauses.ranking, weights, snapshot, scores)
    rows = np.flatnonzero(found)
    return snapshot.best(rows, np.round(scores[rows].astype(np.float64), SCORE_DECIMALS), depth)


def _by_field_in_memory(
    clauses: Clauses, fields: Mapping[str, float], ids: Sequence[str], snapshot: Snapshot
) -> dict[str, dict[str, float]]:
    places = {product_id: place for product_id in ids if (place := snapshot.place(product_id)) is not None}
    found = np.zeros(snapshot.size, np.float32)
    _add(clauses.finding, {field: 1.0 for field, weight in fields.items() if weight > 0}, snapshot, found)
    scores: dict[str, dict[str, float]] = {}
    for field in fields:
        own = np.zeros(snapshot.size, np.float32)
        _add(clauses.finding + clauses.ranking, {field: 1.0}, snapshot, own)
        scores[field] = {i: float(own[place]) for i, place in places.items() if found[place] > 0 and own[place] > 0}
    return scores


def _add(clauses: Sequence[Clause], weights: Mapping[str, float], snapshot: Snapshot, scores: Array) -> None:
    for field, weight in weights.items():
        for clause in clauses:
            snapshot.words.add(scores, field, clause.tokens, weight * clause.weight, every=clause.every)


def _query(clauses: Clauses, weights: dict[str, float]) -> Any:
    """What LanceDB is asked."""
    from lancedb.query import BooleanQuery, Occur

    some = BooleanQuery([(Occur.SHOULD, match) for match in _matches(clauses.finding, weights)])
    ranking = _matches(clauses.ranking, weights)
    if not ranking:
        return some
    return BooleanQuery([(Occur.MUST, some), *((Occur.SHOULD, match) for match in ranking)])


def _matches(clauses: Sequence[Clause], weights: dict[str, float]) -> list[Any]:
    from lancedb.query import FullTextOperator, MatchQuery

    operators = {False: FullTextOperator.OR, True: FullTextOperator.AND}
    return [
        MatchQuery(
            " ".join(clause.tokens),
            text_column(field),
            boost=weight * clause.weight,
            operator=operators[clause.every and len(clause.tokens) > 1],
        )
        for field, weight in weights.items()
        for clause in clauses
    ]
