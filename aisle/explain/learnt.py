"""What each feature adds to the score of a learnt combination, worked out again from the hits of a ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aisle.engine import SearchEngine
from aisle.query.constraint import Constraint
from aisle.ranking.cascade import scores_read
from aisle.ranking.features import NAMES, Asked, rank_features, shopper_context
from aisle.ranking.listed import Scored
from aisle.stages import WORDS
from aisle.types import Hit, Part, SearchRequest, Stage

STAGE = "learnt"
REST = "the rest"
_BEFORE = ("bm25", "dense:", "asked:", "compatible", "category")
"""Beginnings of the names of stages that come before a learnt combination."""
SAME = 1e-3
"""A score that differs by less was repeated."""


def learnt_by_feature(
    engine: SearchEngine, asked: SearchRequest, constraints: Sequence[Constraint], hits: Sequence[Hit], product_id: str
) -> dict[Stage, Mapping[str, float]]:
    """The features' shares of one product's raw score, the largest first; they add up to it.

    Args:
        engine: That the hits came from.
        asked: The request as the engine searched it.
        constraints: The demands that the engine read.
        hits: The whole ranking: a feature says how a product compares with the others.
        product_id: One of them.

    Returns:
        Nothing where there is no learnt combination, or where its score cannot be repeated, since some of what it
        compared was cut from the ranking.
    """
    learnt = engine.stages.learnt
    hit = next((hit for hit in hits if hit.product_id == product_id and STAGE in hit.parts), None)
    if learnt is None or hit is None:
        return {}
    read = (before(hit.product_id, hit.parts) for hit in hits if STAGE in hit.parts)
    order = sorted(read, key=lambda item: (-item[1], item[0]))
    _, vector = engine.asked(asked)
    shopper = shopper_context(asked.shopper, learnt.reads, engine.index.stored)
    wanted = Asked(asked, vector, constraints, shopper, scores_read((one.product_id, one.parts) for one in hits))
    table = rank_features(engine.index, wanted, order, WORDS, learnt.rating, learnt.reads)
    if product_id not in table.ids:
        return {}
    row = learnt.contributions(table.values)[table.ids.index(product_id)]
    if abs(float(row.sum()) - hit.parts[STAGE].score) > SAME:
        return {}
    found = {name: float(value) for name, value in zip((*NAMES, REST), row, strict=True) if value}
    return {STAGE: dict(sorted(found.items(), key=lambda item: -abs(item[1])))}


def before(product_id: str, parts: Mapping[Stage, Part]) -> Scored:
    """A candidate as a learnt combination found it: the stages that it looks at, and their sum."""
    kept = {stage: part for stage, part in parts.items() if stage.startswith(_BEFORE)}
    return product_id, sum(part.contribution for part in kept.values()), kept
