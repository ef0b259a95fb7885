"""What would have had to differ for a hit to pass the one above it, from the parts of both: arithmetic, no search.

Every change returned is enough by itself, which `Fusion.then` checks on the sums of contributions. Knows how
`aisle.ranking.fusion` makes contributions of raw scores; of other stages that contributions add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aisle.config import SearchSettings
from aisle.explain.stages import is_bm25
from aisle.explain.values import Change
from aisle.query.constraint import Constraint, verdict
from aisle.types import Hit, Part, Stage

IDENTIFIER, DIVERSITY = "identifier", "diversity"
DECIDERS = ("learnt", "rerank")
"""Stages that order what they read by their own scores, one to one: what came before no longer counts. Latest last."""
ASKED = "asked:"
MARGIN = 1e-9
"""By so much a score must be higher: ties go by id."""
MOST_COSINE, MOST_TIMES = 1.0, 2.0
"""A raw score beyond the best one is named up to here: no cosine is higher, and BM25 of twice the best is no advice."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How raw scores became contributions.

    Attributes:
        weights: Of the stages; one without counts 1.
        best: Each stage's best raw score.
        by_rank: Raw scores by rank, for fusion by ranks; None fuses scores.
        rrf_k: The constant of fusion by ranks.
        alone: Whether there was one stage only, whose scores count as they are.
    """

    weights: Mapping[str, float]
    best: Mapping[Stage, float]
    by_rank: Mapping[Stage, Mapping[int, float]] | None
    rrf_k: float
    alone: bool

    @classmethod
    def of(cls, hits: Sequence[Hit], settings: SearchSettings) -> Fusion:
        """Read off a ranking that begins at rank 1."""
        found: dict[Stage, list[Part]] = {}
        for hit in hits:
            for stage, part in hit.parts.items():
                if is_fused(stage):
                    found.setdefault(stage, []).append(part)
        best = {stage: max(part.score for part in parts) for stage, parts in found.items()}
        ranks = {stage: {part.rank: part.score for part in parts if part.rank} for stage, parts in found.items()}
        # an empty list beside the only one still makes it a fusion
        alone = len(found) == 1 and all(part.contribution == part.score for parts in found.values() for part in parts)
        if settings.fusion == "scores" and not alone:
            for (
                stage,
                parts,
            ) in found.items():  # the best product may not be among the hits; contributions tell its score
                told = max(parts, key=lambda part: part.contribution)
                if told.contribution > 0:
                    best[stage] = settings.weights.get(stage, 1.0) * told.score / told.contribution
        return cls(settings.weights, best, ranks if settings.fusion == "ranks" else None, settings.rrf_k, alone)

    def then(self, own: Hit, above: Hit, raw: Mapping[Stage, float]) -> tuple[float, float]:
        """The final scores of a product and the one above it, had the product these raw scores.

        A raw score above the best one becomes the best one, which makes less of all others. By ranks, a raw score
        counts as that of the nearest product below it.
        """
        mine, other = (sum(part.contribution for part in hit.parts.values()) for hit in (own, above))
        for stage, value in raw.items():
            weight, best = self.weights.get(stage, 1.0), max(self.best[stage], value)
            before, against = own.parts.get(stage), above.parts.get(stage)
            mine -= before.contribution if before else 0.0
            if self.alone:
                mine += value
            elif self.by_rank is not None:
                ranks = [rank for rank, score in self.by_rank[stage].items() if score <= value]
                mine += weight / (self.rrf_k + min(ranks)) if ranks else 0.0
            elif best > 0:
                mine += weight * max(value, 0.0) / best
                other += weight * max(against.score, 0.0) / best - against.contribution if against else 0.0
        return mine, other

    def needed(self, own: Hit, above: Hit, stage: Stage) -> float | None:
        """The least raw score of a stage with which the product passes the one above it; None where none does."""
        weight, best = self.weights.get(stage, 1.0), self.best[stage]
        before, against = own.parts.get(stage), above.parts.get(stage)
        wanted = above.score - own.score + (before.contribution if before else 0.0) + MARGIN
        if self.alone:
            return wanted
        if weight <= 0 or best <= 0:
            return None
        if self.by_rank is not None:
            place = math.floor(weight / wanted - self.rrf_k + MARGIN)
            known = [rank for rank in self.by_rank[stage] if rank <= place]
            return self.by_rank[stage][max(known)] if known else None
        if wanted <= weight:
            return wanted * best / weight
        # beyond the best score the product has the whole weight, and the other one less the higher it is
        left = weight - (wanted - (against.contribution if against else 0.0))
        found = weight * against.score / left if against is not None and left > 0 else math.inf
        limit = MOST_COSINE if stage.startswith("dense:") else MOST_TIMES * best
        return found * (1 + MARGIN) if best < found <= limit else None


def is_fused(stage: Stage) -> bool:
    """Whether a stage is one of the lists that fusion joins."""
    return is_bm25(stage) or stage.startswith("dense:")


def changes(own: Hit, above: Hit, hits: Sequence[Hit], fusion: Fusion, demands: Sequence[Constraint]) -> list[Change]:
    """Single changes that are enough, the surest reasons first.

    Args:
        own: The product's hit.
        above: The next one up.
        hits: The ranking from rank 1, which shows what met demands earn.
        fusion: From the same ranking.
        demands: The query's.
    """
    if IDENTIFIER in above.parts and IDENTIFIER not in own.parts:
        return [Change("identifier", IDENTIFIER, now=own.score, needed=above.score)]
    last, other = decider(own), decider(above)
    if other is not None and last != other:
        return [Change("unread", other, now=own.score, needed=above.score)]
    found = [*_demands(own, above, hits, demands), *_without(own, above)]
    if DIVERSITY in own.parts or DIVERSITY in above.parts:  # places went by likeness too: no score alone is enough
        return [change for change in found if change.kind == "without"]
    gap = above.score - own.score
    if last is not None:
        raw = own.parts[last].score
        return [*found, Change("score", last, now=raw, needed=raw + gap + MARGIN, against=above.score)]
    for stage in fusion.best:
        part, needed = own.parts.get(stage), fusion.needed(own, above, stage)
        if needed is None:
            continue
        mine, others = fusion.then(own, above, {stage: needed})
        if mine > others:
            found.append(Change("score", stage, now=part.score if part else 0.0, needed=needed, against=others))
    return found


def decider(hit: Hit) -> Stage | None:
    """The last stage that ordered the hit by its own score alone."""
    return next((stage for stage in reversed(DECIDERS) if stage in hit.parts), None)


def counting(hit: Hit) -> tuple[Stage, ...]:
    """The stages whose contributions move the hit: those from the decider on."""
    stages, last = tuple(hit.parts), decider(hit)
    return stages if last is None else stages[stages.index(last) :]


def _without(own: Hit, above: Hit) -> Iterable[Change]:
    """Stages after fusion that lifted the other product, or put this one down, by more than the gap."""
    for stage in dict.fromkeys((*counting(above), *counting(own))):
        if is_fused(stage) or stage == IDENTIFIER or stage in DECIDERS or stage.startswith(ASKED):
            continue
        mine, other = (hit.parts[stage].contribution if stage in hit.parts else 0.0 for hit in (own, above))
        if other > mine and own.score - mine > above.score - other:
            yield Change("without", stage, now=own.score - mine, needed=above.score - other)


def _demands(own: Hit, above: Hit, hits: Sequence[Hit], demands: Sequence[Constraint]) -> Iterable[Change]:
    """Demands that would lift the product far enough if it met them.

    A stage "asked:KIND" has the sum of its demands' certainties as raw score, those that are contradicted below 0
    (`aisle.query.boost`); what a raw score of 1 is worth shows in any hit.
    """
    parts = (part for hit in hits for stage, part in hit.parts.items() if stage.startswith(ASKED) and part.score)
    unit = next((part.contribution / part.score for part in parts), 0.0)
    for demand in demands:
        stage = f"{ASKED}{demand.kind}"
        status = verdict(demand, own.product).status
        last = decider(own)
        if status == "satisfied" or (last is not None and stage not in counting(own) and _before(hits, stage, last)):
            continue
        part = own.parts.get(stage)
        mine = part.contribution if part else 0.0
        then = mine + unit * demand.certainty * (2 if status == "contradicted" else 1)
        if own.score - mine + then > above.score:
            yield Change("demand", stage, demand.text, own.score, own.score - mine + then, above.score)


def _before(hits: Sequence[Hit], stage: Stage, last: Stage) -> bool:
    """Whether a stage runs before the decider, so that it cannot move what that has read."""
    both = (list(hit.parts) for hit in hits if stage in hit.parts and last in hit.parts)
    return any(stages.index(stage) < stages.index(last) for stages in both)
