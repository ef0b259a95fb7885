"""BM25 over weighted text fields, with typo tolerance for words that the catalogue does not know.

A product's score is the weighted sum of its fields' BM25 scores (k1 = 1.2, b = .75, any word may match, each distinct
query word counts once). Words are cut by ICU, which knows Chinese. Knows the table, not requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aisle.config import IndexSettings
from aisle.indexes.schema import text_column
from aisle.indexes.sql import one_of

TOKENIZER: Mapping[str, Any] = {
    "base_tokenizer": "icu",
    "stem": False,
    "remove_stop_words": False,
    "lower_case": True,
    "ascii_folding": True,
    "max_token_length": 64,
}
MAX_EXPANSIONS = 50
SCORE_DECIMALS = 4
"""Sums of float32 differ in the last digits with the order of adding; rounding makes equal texts tie exactly."""

Ranked = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Words:
    """A query's distinct words: those to match as they are, those to match within an edit distance."""

    exact: tuple[str, ...]
    fuzzy: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.exact or self.fuzzy)


class WordSearch:
    """BM25 on one table; remembers which words the table knows until the table changes."""

    def __init__(self, table: Any, settings: IndexSettings) -> None:
        self.table = table
        self.settings = settings
        self.weights = settings.field_weights
        self._known: dict[str, bool] = {}
        self._version = -1

    def words(self, text: str) -> Words:
        """The query's words, the first ``max_query_terms`` distinct ones."""
        import lancedb

        found = dict.fromkeys(token.text for token in lancedb.tokenize(text, **TOKENIZER))
        words = list(found)[: self.settings.max_query_terms]
        unknown = tuple(word for word in words if self._correctable(word) and not self._knows(word))
        return Words(tuple(word for word in words if word not in unknown), unknown)

    def _correctable(self, word: str) -> bool:
        settings = self.settings
        return settings.fuzziness > 0 and len(word) >= settings.fuzzy_min_length and word.isalpha()

    def _knows(self, word: str) -> bool:
        """Whether any product has the word as it is."""
        version = self.table.version
        if version != self._version:
            self._known.clear()
            self._version = version
        if word not in self._known:
            query = _any(self._match(Words((word,)), field, 1.0) for field in self.weights)
            self._known[word] = self._run(query, None, 1).num_rows > 0
        return self._known[word]

    def best(self, words: Words, where: str | None, depth: int) -> Ranked:
        """The best products, ties by id; a tie at the cut is cut by id too."""
        weighed = [(field, weight) for field, weight in self.weights.items() if weight > 0]
        if not words or not weighed or depth < 1:
            return []
        query = _any(self._match(words, field, weight) for field, weight in weighed)
        limit = depth + 50
        while True:
            found = self._run(query, where, limit)
            scores = [round(score, SCORE_DECIMALS) for score in found["_score"].to_pylist()]
            # more with the score of the last one wanted may be out there
            if len(scores) < limit or min(scores) < sorted(scores, reverse=True)[depth - 1]:
                ranked = sorted(zip(found["id"].to_pylist(), scores, strict=True), key=lambda hit: (-hit[1], hit[0]))
                return ranked[:depth]
            limit *= 4

    def by_field(self, words: Words, ids: Sequence[str]) -> dict[str, dict[str, float]]:
        """Each field's own unweighted score for these products: field to id to score."""
        if not words or not ids:
            return {field: {} for field in self.weights}
        return {field: self._field_scores(words, field, ids) for field in self.weights}

    def _field_scores(self, words: Words, field: str, ids: Sequence[str]) -> dict[str, float]:
        found = self._run(_any([self._match(words, field, 1.0)]), one_of("id", ids), len(ids))
        return dict(zip(found["id"].to_pylist(), found["_score"].to_pylist(), strict=True))

    def _match(self, words: Words, field: str, weight: float) -> list[Any]:
        from lancedb.query import MatchQuery

        column = text_column(field)
        parts = [MatchQuery(" ".join(words.exact), column, boost=weight)] if words.exact else []
        fuzziness = self.settings.fuzziness
        return parts + [
            MatchQuery(word, column, boost=weight, fuzziness=fuzziness, max_expansions=MAX_EXPANSIONS)
            for word in words.fuzzy
        ]

    def _run(self, query: Any, where: str | None, limit: int) -> Any:
        search = self.table.search(query, query_type="fts").select(["id", "_score"]).limit(limit)
        return (search.where(where, prefilter=True) if where else search).to_arrow()


def _any(matches: Any) -> Any:
    """All of these may match; scores add up."""
    from lancedb.query import BooleanQuery, Occur

    return BooleanQuery([(Occur.SHOULD, match) for group in matches for match in group])
