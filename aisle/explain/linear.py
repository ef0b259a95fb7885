"""A linear learnt combination taken back to the scale of the fusion, where single changes can be worked out.

Such a score is the fused score times a weight, plus terms of other features. Divided by that weight, what retrieval,
demands and knowledge gave counts as it did in the fusion, and the other terms are one number a product. Trees have no
such scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from aisle.catalogue.render import Renderer
from aisle.engine import SearchEngine
from aisle.explain.learnt import STAGE, before
from aisle.explain.values import Change
from aisle.ranking.features import INDEXED, NAMES, Asked, rank_features
from aisle.ranking.learnt import FUSED, LearntRanking
from aisle.stages import WORDS
from aisle.types import Hit, Part, Product, Record, SearchRequest

OTHER_TERMS = "other terms"
_LATER = ("rerank",)


@dataclass(frozen=True, slots=True)
class FusionScale:
    """What one unit of the fused score is worth to the learnt one."""

    weight: float

    @classmethod
    def of(cls, learnt: LearntRanking | None, own: Hit, above: Hit) -> FusionScale | None:
        """None where no linear combination decided the order of the two."""
        if learnt is None or learnt.trees or FUSED not in learnt.terms or learnt.terms[FUSED].weight <= 0:
            return None
        both = (own.parts, above.parts)
        if not all(STAGE in parts and not any(stage in parts for stage in _LATER) for parts in both):
            return None
        return cls(learnt.terms[FUSED].weight)

    def hit(self, hit: Hit) -> Hit:
        """The hit with what came before learning as it was, the other terms, and what came after divided."""
        if STAGE not in hit.parts:
            return hit
        stages = list(hit.parts)
        place = stages.index(STAGE)
        parts = {stage: hit.parts[stage] for stage in stages[:place]}
        later = {
            stage: hit.parts[stage]._replace(contribution=hit.parts[stage].contribution / self.weight)
            for stage in stages[place + 1 :]
        }
        score = hit.score / self.weight
        rest = score - sum(part.contribution for part in (*parts.values(), *later.values()))
        return replace(hit, score=score, parts=parts | {OTHER_TERMS: Part(rest, None, rest)} | later)

    def back(self, changes: Sequence[Change]) -> list[Change]:
        """Changes worked out on this scale, with final scores as the ranking has them."""
        found = []
        for change in changes:
            if change.stage == OTHER_TERMS:
                continue
            against = change.against * self.weight
            if change.kind == "score":
                found.append(replace(change, against=against))
            else:
                now, needed = change.now * self.weight, change.needed * self.weight
                found.append(replace(change, now=now, needed=needed, against=against))
        return found


def terms_gain(
    engine: SearchEngine, learnt: LearntRanking, asked: SearchRequest, hits: Sequence[Hit], own: Hit
) -> Callable[[Product], float] | None:
    """What the other terms would give more, on the fusion's scale, if ``own`` were another product.

    The fused order is taken to stay as it is. None where a term needs what only a new index could tell.

    Args:
        engine: That the hits came from.
        learnt: Linear.
        asked: The request as the engine searched it.
        hits: The whole ranking, as the engine gave it.
        own: One of them.
    """
    if any(name.startswith(INDEXED) for name in learnt.reads):
        return None
    order = sorted((before(hit.product_id, hit.parts) for hit in hits), key=lambda item: (-item[1], item[0]))
    head = order[: learnt.depth]
    records = dict(engine.index.stored([item[0] for item in head]))
    _, vector = engine.asked(asked)
    renderer = Renderer(engine.recipe.render, engine.encoder.count_tokens)
    others = np.array([name != FUSED for name in (*NAMES, "")])

    def terms() -> float:
        table = rank_features(
            engine.index, Asked(asked, vector), head, WORDS, learnt.rating, learnt.reads, records
        )  # fmt: skip
        row = learnt.contributions(table.values)[table.ids.index(own.product_id)]
        return float(row[others].sum())

    if own.product_id not in records:
        return None
    now, weight = terms(), learnt.terms[FUSED].weight

    def gain(product: Product) -> float:
        kept = records[own.product_id]
        changed = engine.encoder.encode([renderer.text(product)], "product")[0]
        records[own.product_id] = Record(product, kept.text_hash, {**kept.vectors, "text": changed})
        try:
            return (terms() - now) / weight
        finally:
            records[own.product_id] = kept

    return gain
