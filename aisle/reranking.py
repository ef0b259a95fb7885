"""A re-ranker in one engine's searches: as a stage of its own, or read for a feature of a learnt combination.

Fetches the products, keeps to the deadline, remembers scores. Knows a re-ranker and how deep it reads; which of the
two it is for is not decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

from aisle.config import SearchSettings
from aisle.ranking.cascade import STEP, Pace, Reranked, Score, read, rerank
from aisle.ranking.clock import Clock
from aisle.ranking.listed import Scored
from aisle.rerankers.cached import CachedReranker
from aisle.rerankers.listwise import together
from aisle.rerankers.slow import SlowReranker
from aisle.shelf import Shelf
from aisle.types import Reranker


class Reranking:
    """Reads the first ``rerank_depth`` products of a list.

    Args:
        reranker: Any; the scores of one that does not remember them itself are remembered.
        settings: Of the search.
    """

    def __init__(self, reranker: Reranker, settings: SearchSettings) -> None:
        self.reranker = reranker if isinstance(reranker, SlowReranker) else CachedReranker(reranker)
        self._depth, self._slack = settings.rerank_depth, settings.rerank_slack
        self._step: int | Pace = Pace() if together(reranker) else STEP
        if isinstance(reranker, SlowReranker) and reranker.together:  # it keeps to the deadline by itself
            self._step = self._depth

    def order(self, scored: Sequence[Scored], text: str, page: int, clock: Clock, shelf: Shelf) -> Reranked:
        """Order the first products by its scores; with slack it may end where none below is expected on the page.

        Args:
            scored: Best first.
            text: The query as it is searched.
            page: Places that the page shows, from the first of all.
            clock: Of the search.
            shelf: Its products.
        """
        score = self._score(text, clock, shelf)
        return rerank(scored, score, self._depth, page, self._slack, clock, self._step)

    def read(self, scored: Sequence[Scored], text: str, clock: Clock, shelf: Shelf) -> Reranked:
        """Have the first products read, whatever the slack: their parts keep the scores, their order stays.

        Args:
            scored: Best first.
            text: The query as it is searched.
            clock: Of the search.
            shelf: Its products.
        """
        return read(scored, self._score(text, clock, shelf), self._depth, clock, self._step)

    def _score(self, text: str, clock: Clock, shelf: Shelf) -> Score:
        def score(ids: Sequence[str]) -> list[float | None]:
            there = list(shelf.products(ids).values())
            if isinstance(self.reranker, SlowReranker):
                scores = self.reranker.score_within(text, there, clock.left_ms / 1000)
            else:
                scores = self.reranker.score(text, there)
            found = dict(zip((product.id for product in there), map(float, scores), strict=True))
            return [found.get(product_id) for product_id in ids]  # None: another process has deleted it since

        return score
