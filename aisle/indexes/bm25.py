"""BM25 over weighted text fields, with typo tolerance for words that the catalogue does not have.

A product's score is the weighted sum of its fields' BM25 scores (k1 = 1.2, b = .75); any word may match, and each
distinct query word counts once. Knows the table, not requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aisle.config import IndexSettings
from aisle.indexes.schema import text_column
from aisle.indexes.sql import one_of
from aisle.indexes.vocabulary import Vocabulary, words_of

SCORE_DECIMALS = 4
"""Sums of float32 differ in the last digits with the order of adding; rounding makes equal texts tie exactly."""

Ranked = list[tuple[str, float]]


class WordSearch:
    """BM25 on one table."""

    def __init__(self, table: Any, vocabulary: Vocabulary, settings: IndexSettings) -> None:
        self.table = table
        self.vocabulary = vocabulary
        self.settings = settings

    def words(self, text: str) -> list[str]:
        """The first ``max_query_terms`` distinct words, those that the catalogue lacks replaced by near ones."""
        settings = self.settings
        found: dict[str, None] = {}
        for word in words_of(text)[: settings.max_query_terms]:
            correctable = settings.fuzziness > 0 and word.isalpha() and len(word) >= settings.fuzzy_min_length
            found |= dict.fromkeys(self.vocabulary.corrections(word, settings.fuzziness) if correctable else [word])
        return list(found)

    def best(self, words: Sequence[str], where: str | None, depth: int) -> Ranked:
        """The best products, ties by id; a tie at the cut is cut by id too."""
        weights = {field: weight for field, weight in self.settings.field_weights.items() if weight > 0}
        if not words or not weights or depth < 1:
            return []
        query = _any(_match(words, field, weight) for field, weight in weights.items())
        limit = depth + 50
        while True:
            found = self._run(query, where, limit)
            scores = [round(score, SCORE_DECIMALS) for score in found["_score"].to_pylist()]
            # more with the score of the last one wanted may be out there
            if len(scores) < limit or min(scores) < sorted(scores, reverse=True)[depth - 1]:
                ranked = sorted(zip(found["id"].to_pylist(), scores, strict=True), key=lambda hit: (-hit[1], hit[0]))
                return ranked[:depth]
            limit *= 4

    def by_field(self, words: Sequence[str], where: str | None, ids: Sequence[str]) -> dict[str, dict[str, float]]:
        """Each field's own unweighted score for these products: field to id to score.

        Args:
            words: From ``words``.
            where: The condition of the search whose scores these are to add up to.
            ids: The products; those without a match are absent.
        """
        fields = self.settings.field_weights
        if not words or not ids:
            return {field: {} for field in fields}
        # Rows not yet in the index are scored with the statistics of those among them that meet the condition, so
        # the condition must be that of the search; else it is quicker to ask for the products alone.
        fresh = self.table.index_stats(f"{text_column(next(iter(fields)))}_idx").num_unindexed_rows
        condition, limit = (where, self.table.count_rows()) if fresh else (one_of("id", ids), len(ids))
        wanted = set(ids)
        scores: dict[str, dict[str, float]] = {}
        for field in fields:
            found = self._run(_match(words, field, 1.0), condition, limit)
            pairs = zip(found["id"].to_pylist(), found["_score"].to_pylist(), strict=True)
            scores[field] = {product_id: score for product_id, score in pairs if product_id in wanted}
        return scores

    def _run(self, query: Any, where: str | None, limit: int) -> Any:
        search = self.table.search(query, query_type="fts").select(["id", "_score"]).limit(limit)
        return (search.where(where, prefilter=True) if where else search).to_arrow()


def _match(words: Sequence[str], field: str, weight: float) -> Any:
    from lancedb.query import MatchQuery

    return MatchQuery(" ".join(words), text_column(field), boost=weight)


def _any(matches: Iterable[Any]) -> Any:
    """All of these may match; scores add up."""
    from lancedb.query import BooleanQuery, Occur

    return BooleanQuery([(Occur.SHOULD, match) for match in matches])
