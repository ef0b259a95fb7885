"""What would have had to differ for a hit to pass the one above it, from the parts of both: arithmetic, no search.

Every change returned is enough by itself, which is checked on the sums of contributions, or under a linear learnt
combination by asking it again (`aisle.explain.linear`). Knows how `aisle.ranking.fusion` makes contributions of raw
scores; of other stages that contributions add up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aisle.config import SearchSettings
from aisle.explain.linear import Again
from aisle.explain.stages import is_bm25
from aisle.explain.values import Change
from aisle.query.constraint import Constraint, verdict
from aisle.types import Hit, Part, Stage

IDENTIFIER, DIVERSITY = "identifier", "diversity"
DECIDERS = ("learnt", "rerank")
"""Stages that order what they read by their own scores, one to one: what came before no longer counts."""
ASKED = "asked:"
MARGIN = 1e-9
"""By so much a score must be higher: ties go by id."""
MOST_COSINE, MOST_TIMES = 1.0, 2.0
"""A raw score beyond the best one is named up to here: no cosine is higher, and BM25 of twice the best is no advice."""
HALVINGS = 12
"""How often the range of a raw score is halved to find the least one that is enough."""

NOISE = 1e-6
"""Features are 32-bit numbers: of two learnt scores that differ by less, either may be the higher one next time."""

Outcome = Callable[[Sequence[Hit]], tuple[float, float]]
"""The final scores of a product and the one above it if hits were these."""


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
        mine, other = map(_total, self.raised((own, above), own.product_id, raw))
        return mine, other

    def raised(self, hits: Sequence[Hit], product_id: str, raw: Mapping[Stage, float]) -> list[Hit]:
        """The hits as they would be, had one of the products these raw scores; what `then` says holds."""
        found = []
        for hit in hits:
            mine = hit.product_id == product_id
            changed = {
                stage: Part(value, _rank(hit, stage), self._worth(stage, value, value))
                if mine
                else hit.parts[stage]._replace(contribution=self._worth(stage, hit.parts[stage].score, value))
                for stage, value in raw.items()
                if mine or (stage in hit.parts and value > self.best[stage] and self.by_rank is None)
            }
            found.append(_with_parts(hit, changed))
        return found

    def _worth(self, stage: Stage, score: float, highest: float) -> float:
        """What a raw score contributes where one product has the raw score ``highest``."""
        weight, best = self.weights.get(stage, 1.0), max(self.best[stage], highest)
        if self.alone:
            return score
        if self.by_rank is not None:
            ranks = [rank for rank, other in self.by_rank[stage].items() if other <= score]
            return weight / (self.rrf_k + min(ranks)) if ranks else 0.0
        return weight * max(score, 0.0) / best if best > 0 else 0.0

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


def changes(
    own: Hit,
    above: Hit,
    hits: Sequence[Hit],
    fusion: Fusion,
    demands: Sequence[Constraint],
    again: Again | None = None,
) -> list[Change]:
    """Single changes that are enough, the surest reasons first.

    Args:
        own: The product's hit.
        above: The next one up.
        hits: The ranking from rank 1, which shows what met demands earn.
        fusion: From the same ranking.
        demands: The query's.
        again: The linear learnt combination that decided between the two; None where none did.
    """
    if IDENTIFIER in above.parts and IDENTIFIER not in own.parts:
        return [Change("identifier", IDENTIFIER, now=own.score, needed=above.score)]
    last, other = decider(own), decider(above)
    if other is not None and last != other:
        return [Change("unread", other, now=own.score, needed=above.score)]
    if again is not None:
        last = None
    compared = (own, above) if again is None else again.read
    outcome: Outcome = _sums if again is None else again.then
    met = _demands(own, hits, demands, last)
    found = [*_enough(met, own, compared, outcome), *_without(own, above, compared, outcome, last)]
    if DIVERSITY in own.parts or DIVERSITY in above.parts:  # places went by likeness too: no score alone is enough
        return [change for change in found if change.kind == "without"]
    gap = above.score - own.score
    if last is not None:
        raw = own.parts[last].score
        return [*found, Change("score", last, now=raw, needed=raw + gap + MARGIN, against=above.score)]
    if again is not None:
        return [*found, *(change for stage in fusion.best for change in _least(again, fusion, stage))]
    for stage in fusion.best:
        part, needed = own.parts.get(stage), fusion.needed(own, above, stage)
        if needed is None:
            continue
        mine, others = fusion.then(own, above, {stage: needed})
        if mine > others:
            found.append(Change("score", stage, now=part.score if part else 0.0, needed=needed, against=others))
    return found


def decider(hit: Hit) -> Stage | None:
    """The last stage that ordered the hit by its own score alone; one that a combination after it reads did not."""
    return next((stage for stage in reversed(list(hit.parts)) if stage in DECIDERS), None)


def _rank(hit: Hit, stage: Stage) -> int | None:
    return hit.parts[stage].rank if stage in hit.parts else None


def _total(hit: Hit) -> float:
    return sum(part.contribution for part in hit.parts.values())


def _sums(hits: Sequence[Hit]) -> tuple[float, float]:
    """The outcome for the product's hit and that of the one above it, where contributions add up."""
    own, above = hits
    return _total(own), _total(above)


def _counting(hit: Hit, last: Stage | None) -> tuple[Stage, ...]:
    """The stages whose contributions move the hit: those from the decider on."""
    stages = tuple(hit.parts)
    return stages if last is None else stages[stages.index(last) :]


def _least(again: Again, fusion: Fusion, stage: Stage) -> Iterable[Change]:
    """The least raw score of a stage that is found to be enough, by halving what lies between now and the limit."""
    own = again.own
    now = own.parts[stage].score if stage in own.parts else 0.0
    low, high = now, MOST_COSINE if stage.startswith("dense:") else MOST_TIMES * fusion.best[stage]

    def then(score: float) -> tuple[float, float]:
        return again.then(fusion.raised(again.read, own.product_id, {stage: score}))

    mine, against = then(high)
    if low >= high or mine <= against + NOISE:
        return
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        ours, theirs = then(middle)
        if ours > theirs + NOISE:
            high, against = middle, theirs
        else:
            low = middle
    yield Change("score", stage, now=now, needed=high, against=against)


def _without(own: Hit, above: Hit, compared: Sequence[Hit], outcome: Outcome, last: Stage | None) -> Iterable[Change]:
    """Stages after fusion that lifted the other product, or put this one down, by more than the gap."""
    for stage in dict.fromkeys((*_counting(above, last), *_counting(own, last))):
        if is_fused(stage) or stage == IDENTIFIER or stage in DECIDERS or stage.startswith(ASKED):
            continue
        mine, other = (hit.parts[stage].contribution if stage in hit.parts else 0.0 for hit in (own, above))
        if other <= mine:
            continue
        ours, theirs = outcome([_lacking(hit, stage) for hit in compared])
        if ours > theirs:
            yield Change("without", stage, now=ours, needed=theirs)


def _lacking(hit: Hit, stage: Stage) -> Hit:
    return replace(hit, parts={name: part for name, part in hit.parts.items() if name != stage})


def _with_parts(hit: Hit, changed: Mapping[Stage, Part]) -> Hit:
    """The hit with other parts; one of a stage that it lacks stands before the others."""
    return replace(hit, parts={**changed, **hit.parts, **changed})


def _enough(
    met: Iterable[tuple[Constraint, Part]], own: Hit, compared: Sequence[Hit], outcome: Outcome
) -> Iterable[Change]:
    """The demands that would lift the product far enough if it met them."""
    for demand, part in met:
        stage = f"{ASKED}{demand.kind}"
        lifted = _with_parts(own, {stage: part})
        mine, other = outcome([lifted if hit.product_id == own.product_id else hit for hit in compared])
        if mine > other:
            yield Change("demand", stage, demand.text, own.score, mine, other)


def _demands(
    own: Hit, hits: Sequence[Hit], demands: Sequence[Constraint], last: Stage | None
) -> Iterable[tuple[Constraint, Part]]:
    """The demands that the product does not meet and that count, with what it would have of their kind if it did.

    A stage "asked:KIND" has the sum of its demands' certainties as raw score, those that are contradicted below 0
    (`aisle.query.boost`); what a raw score of 1 is worth shows in any hit.
    """
    parts = (part for hit in hits for stage, part in hit.parts.items() if stage.startswith(ASKED) and part.score)
    unit = next((part.contribution / part.score for part in parts), 0.0)
    for demand in demands:
        stage = f"{ASKED}{demand.kind}"
        status = verdict(demand, own.product).status
        if status == "satisfied" or (
            last is not None and stage not in _counting(own, last) and _before(hits, stage, last)
        ):
            continue
        more = demand.certainty * (2 if status == "contradicted" else 1)
        part = own.parts.get(stage, Part(0.0, None, 0.0))
        yield demand, Part(part.score + more, None, part.contribution + unit * more)


def _before(hits: Sequence[Hit], stage: Stage, last: Stage) -> bool:
    """Whether a stage runs before the decider, so that it cannot move what that has read."""
    both = (list(hit.parts) for hit in hits if stage in hit.parts and last in hit.parts)
    return any(stages.index(stage) < stages.index(last) for stages in both)
