"""What knowledge adds to a ranking: a part of its own, so that a hit says why it is where it is.

Knows scored lists and what fits, neither how it was found out nor where products are stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aisle.knowledge.compatibility import Fit
from aisle.types import Part

Scored = tuple[str, float, dict[str, Part]]
"""Product id, final score, parts: as `aisle.ranking.fusion` makes them."""


def missing(scored: Sequence[Scored], fits: Sequence[Fit]) -> tuple[str, ...]:
    """The products that fit and are not among the candidates, in order: whoever adds them filters them first."""
    there = {item[0] for item in scored}
    return tuple(fit.product_id for fit in fits if fit.product_id not in there)


def add_compatible(scored: Sequence[Scored], fits: Sequence[Fit], weight: float = 1.0) -> list[Scored]:
    """Products known to fit get a part "compatible"; those that are no candidates yet are added.

    It contributes ``weight * best score * certainty``, so that with a weight of 1 a product that fits for certain goes
    before all that are not known to fit, whatever the scale of the scores; one inferred to fit goes before most.

    Args:
        scored: Candidates, best first.
        fits: Only such as pass the request's filter.
        weight: How much a statement counts beside the best score without it.

    Returns:
        Best first, ties by id. The part's raw score is the certainty.
    """
    return add_part(scored, "compatible", {fit.product_id: fit.certainty for fit in fits}, weight)


def add_part(scored: Sequence[Scored], stage: str, certainties: Mapping[str, float], weight: float) -> list[Scored]:
    """A part of ``weight * best score * certainty`` for each of these products, candidates or not; best first.

    Args:
        scored: Candidates, best first.
        stage: The part's name.
        certainties: By product id, from 0 to 1.
        weight: 0 changes nothing.
    """
    if not certainties or not weight:
        return list(scored)
    best = max((item[1] for item in scored), default=0.0)
    unit = weight * (best if best > 0 else 1.0)
    ranks = _ranks(certainties.values())
    known = {item[0]: item for item in scored}
    found = [item for item in scored if item[0] not in certainties]
    for product_id, certainty in certainties.items():
        _, score, parts = known.get(product_id, (product_id, 0.0, {}))
        part = Part(certainty, ranks[certainty], unit * certainty)
        found.append((product_id, score + part.contribution, parts | {stage: part}))
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _ranks(values: Iterable[float]) -> dict[float, int]:
    """The rank of each value, the highest first; equal ones share the better rank."""
    ordered = sorted(values, reverse=True)
    ranks: dict[float, int] = {}
    for place, value in enumerate(ordered, start=1):
        ranks.setdefault(value, place)
    return ranks
