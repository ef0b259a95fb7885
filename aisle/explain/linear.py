"""A linear learnt combination asked again, with something about a hit changed: what then comes first is tried.

What one product has moves others too: among the first of the fusion it is part of what all are compared with. So the
features of everything that was read are taken anew. Trees jump, and are not asked what would have been enough.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aisle.catalogue.render import Renderer
from aisle.engine import SearchEngine
from aisle.explain.asked import Asked
from aisle.explain.learnt import SAME, STAGE, before
from aisle.ranking.cascade import scores_read
from aisle.ranking.features import INDEXED, rank_features, shopper_context
from aisle.ranking.features import Asked as FeaturesAsked
from aisle.ranking.learnt import RERANK, LearntRanking
from aisle.stages import WORDS
from aisle.types import Array, Hit, Product, Record, Stage

_LATER = (RERANK,)


@dataclass(frozen=True)
class Again:
    """What decided between a product and the one above it, ready to be asked again.

    Attributes:
        engine: That the hits came from.
        learnt: Its combination.
        asked: The request as the engine searched it.
        vector: Of the request's text.
        records: What the combination read, by id.
        read: The hits of these, as the engine gave them.
        own: The product's hit.
        above: The next one up.
    """

    engine: SearchEngine
    learnt: LearntRanking
    asked: FeaturesAsked
    records: Mapping[str, Record]
    read: tuple[Hit, ...]
    own: Hit
    above: Hit

    @classmethod
    def of(cls, engine: SearchEngine, asked: Asked, hits: Sequence[Hit], own: Hit, above: Hit) -> Again | None:
        """None where no linear combination decided the order of the two, or its scores cannot be repeated.

        Args:
            engine: That the hits came from.
            asked: What it made of the request.
            hits: The whole ranking: a feature says how a product compares with the others.
            own: One of them.
            above: The one above it.
        """
        learnt = engine.stages.learnt
        if learnt is None or learnt.trees:
            return None
        if not all(STAGE in hit.parts and set(_LATER).isdisjoint(_later(hit)) for hit in (own, above)):
            return None
        read = tuple(hit for hit in hits if STAGE in hit.parts)
        _, vector = engine.asked(asked.request)
        shopper = shopper_context(asked.request.shopper, learnt.reads, engine.index.stored)
        known = scores_read((hit.product_id, hit.parts) for hit in read)
        wanted = FeaturesAsked(asked.request, vector, asked.constraints, shopper, known)
        records = engine.index.stored([hit.product_id for hit in read])
        made = cls(engine, learnt, wanted, records, read, own, above)
        now = made._scores(read)
        same = all(abs(now.get(hit.product_id, math.inf) - hit.parts[STAGE].score) <= SAME for hit in (own, above))
        return made if same else None

    @property
    def retitled(self) -> bool:
        """Whether a product with another title can be scored: not where a feature needs an index or a re-ranker."""
        return not any(name.startswith((*INDEXED, RERANK)) for name in self.learnt.reads)

    def then(self, changed: Sequence[Hit], product: Product | None = None) -> tuple[float, float]:
        """The final scores of the product and the one above it if hits were these.

        Args:
            changed: Hits of `read` with other parts, in any order.
            product: The product as it would be; None as it is.
        """
        scores = self._scores(changed, product)
        there = {hit.product_id: hit for hit in changed}
        mine, other = (self._final(hit, there[hit.product_id], scores) for hit in (self.own, self.above))
        return mine, other

    def _final(self, hit: Hit, changed: Hit, scores: Mapping[str, float]) -> float:
        """The final score plus what the combination and the stages after it give more."""
        more = scores[hit.product_id] - hit.parts[STAGE].score
        return hit.score + more + _after(changed) - _after(hit)

    def _scores(self, hits: Sequence[Hit], product: Product | None = None) -> dict[str, float]:
        found = sorted((before(hit.product_id, hit.parts) for hit in hits), key=lambda item: (-item[1], item[0]))
        records = self.records if product is None else {**self.records, product.id: self._record(product)}
        learnt, index = self.learnt, self.engine.index
        table = rank_features(index, self.asked, found, WORDS, learnt.rating, learnt.reads, records)
        return dict(zip(table.ids, map(float, learnt.score(table.values)), strict=True))

    def _record(self, product: Product) -> Record:
        kept = self.records[product.id]
        renderer = Renderer(self.engine.recipe.render, self.engine.encoder.count_tokens)
        vector: Array = self.engine.encoder.encode([renderer.text(product)], "product")[0]
        return Record(product, kept.text_hash, {**kept.vectors, "text": vector})


def _after(hit: Hit) -> float:
    """What the stages after the combination gave."""
    return sum(hit.parts[stage].contribution for stage in _later(hit))


def _later(hit: Hit) -> list[Stage]:
    stages = list(hit.parts)
    return stages[stages.index(STAGE) + 1 :]
