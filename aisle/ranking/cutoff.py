"""Where one query's list ends: candidates too unlikely to be relevant are left out, the others keep their order.

Knows candidates, their probabilities and a threshold; ``aisle.ranking.calibration`` gives these two. What is sorted by
price, counted in facets or given as a total is what passed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aisle.errors import InputError
from aisle.ranking.calibration import Doubles
from aisle.ranking.listed import Scored
from aisle.types import Part

STAGE = "relevance"
ALWAYS = "identifier"
"""Who types a product's number has found it, whatever else the query looks like."""


@dataclass(frozen=True, slots=True)
class CutOff:
    """What passed, with the reason.

    Attributes:
        kept: The candidates that passed, in the order they had, each with a part "relevance": its score is the
            probability of being relevant, and it adds nothing to the final score.
        dropped_count: How many did not pass.
        probabilities: ``(n,)`` of all candidates, in the order given.
        threshold: What they had to reach.
        no_good_result: There were candidates, and none passed.
    """

    kept: list[Scored]
    dropped_count: int
    probabilities: Doubles
    threshold: float
    no_good_result: bool


def cut(scored: Sequence[Scored], probabilities: Doubles, threshold: float, least_best: float = 0.0) -> CutOff:
    """Keep the candidates whose probability reaches the threshold, and those found by an identifier.

    Args:
        scored: Best first; nothing is reordered. Where fewer probabilities are given than there are candidates, those
            without one are dropped: they are further down than the cut-off looks.
        probabilities: ``(n,)`` of being relevant, of the first n candidates.
        threshold: As ``Calibration.threshold`` gives it; 0 keeps everything that has a probability.
        least_best: Where not even the best candidate reaches this, none passes: there is no good result. What that
            loses is not in the promise of the threshold, which is low so that little is lost (docs/cutoff.md).

    Raises:
        InputError: More probabilities than candidates.
    """
    if len(probabilities) > len(scored):
        raise InputError(f"{len(probabilities)} probabilities for {len(scored)} candidates", allowed="at most one each")
    kept = []
    hopeless = not len(probabilities) or probabilities.max() < least_best
    for place, (product_id, score, parts) in enumerate(scored):
        known = place < len(probabilities)
        if known and (ALWAYS in parts or (not hopeless and probabilities[place] >= threshold)):
            part = Part(float(probabilities[place]), None, 0.0)
            kept.append((product_id, score, parts | {STAGE: part}))
    return CutOff(kept, len(scored) - len(kept), probabilities, threshold, bool(scored) and not kept)
