"""A file of judgments looked at from every side: suspects with reasons, pairs that stand twice, raters who disagree.

Changes nothing: what is found goes to people, or to a training as weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from aisle.encoders.cosines import Encode
from aisle.errors import InputError
from aisle.improve.hygiene.confident import Noise, at_an_end, likeliest_far, noise, suspicion, threshold
from aisle.improve.hygiene.duplicates import (
    ALIKE,
    Contradiction,
    Leak,
    Spellings,
    conflict,
    contradictions,
    leaks,
    spellings,
)
from aisle.improve.hygiene.grader import GraderSettings, out_of_fold
from aisle.improve.hygiene.raters import Disagreement, disagreements
from aisle.improve.hygiene.signals import Doubles, Integers, signals
from aisle.improve.review import Review
from aisle.judgments.pairs import PairSet, TextPair
from aisle.types import Progress

MOST_LEVELS = 6
"""Finer scales, such as means of raters, are rounded to whole levels."""


@dataclass(frozen=True)
class CheckSettings:
    """What counts as suspicious.

    Attributes:
        distance: In levels: how far off a grade must be; 0 is half of the scale, rounded up.
        threshold: Of `suspicion`, from which a pair is a suspect; None: by how many are wrong (`confident.threshold`).
        middle: Whether grades between the ends of the scale can be suspects, too.
        alike: From this likeness titles are near-duplicates.
        use_variance: Whether the raters' variance, where the file has it, is a signal of the model.
        grader: Of the model.
    """

    distance: int = 0
    threshold: float | None = None
    middle: bool = False
    alike: float = ALIKE
    use_variance: bool = False
    grader: GraderSettings = field(default_factory=GraderSettings)


@dataclass(frozen=True)
class Suspect:
    """One judgment that is likely wrong: its row, its grade and the likeliest other one, and why."""

    row: int
    suspicion: float
    grade: float
    likeliest: float
    reason: str


@dataclass(frozen=True)
class Findings:
    """Everything that was found.

    Attributes:
        suspects: The most suspicious first.
        suspicion: ``(n,)`` of every graded pair, in the order of ``rows``.
        chance: ``(n, levels)``.
        rows: ``(n,)`` of the graded pairs in the file.
        noise: Confident learning's estimate.
        distance: In levels, that was used.
        threshold: Of suspicion, that was used.
        spellings: Queries in several spellings.
        contradictions: Near-duplicates with other grades, ``distance`` apart or more.
        leaks: Queries that the other file has, too.
        disagreements: Queries by how much their raters disagree.
    """

    suspects: tuple[Suspect, ...]
    suspicion: Doubles
    chance: Doubles
    rows: Integers
    noise: Noise
    distance: int
    threshold: float
    spellings: tuple[Spellings, ...]
    contradictions: tuple[Contradiction, ...]
    leaks: tuple[Leak, ...]
    disagreements: tuple[Disagreement, ...]

    @property
    def expected_errors(self) -> float:
        """How many grades are wrong by the distance or more, as confident learning has it."""
        return self.noise.wrong(self.distance)

    def weighed(self, pairs: PairSet, down_to: float) -> list[TextPair]:
        """All pairs for a training, a suspect counting so many times what it did.

        Raises:
            InputError: That is not from 0 to 1.
        """
        if not 0 <= down_to <= 1:
            raise InputError(f"a weight of {down_to:g} for suspects", allowed="0, left out, to 1, as before")
        doubted = {one.row for one in self.suspects}
        return [
            replace(pair, weight=pair.weight * down_to) if row in doubted else pair for row, pair in enumerate(pairs)
        ]

    def reviews(self, pairs: PairSet) -> list[Review]:
        """The suspects, then what is not among them of the contradictions, as a queue."""
        found = [Review(pairs[one.row], one.reason) for one in self.suspects]
        listed = {one.row for one in self.suspects}
        for one in self.contradictions:
            for row, beside in ((one.first, one.second), (one.second, one.first)):
                if row not in listed:
                    listed.add(row)
                    found.append(Review(pairs[row], _beside(pairs, beside)))
        return found


def check(
    pairs: PairSet,
    encode: Encode,
    settings: CheckSettings,
    other: PairSet | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Look at a file of judgments.

    Args:
        pairs: With grades; pairs without one are left out.
        encode: An encoder's.
        settings: What counts.
        other: Another file, such as the test set, that must have none of these queries.
        progress: Told of encoding and cross-validation.

    Raises:
        InputError: Too few graded pairs, or a distance that the scale has no room for.
    """
    rows = np.array([row for row, pair in enumerate(pairs) if pair.grade is not None], np.intp)
    if not len(rows):
        raise InputError("no pair has a grade", allowed="a file of judged pairs", fix="judge some first")
    graded = pairs.subset(rows.tolist())
    place, scale = places(graded)
    distance = settings.distance or math.ceil((len(scale) - 1) / 2)
    if not 1 <= distance < len(scale):
        raise InputError(f"a distance of {distance} levels", allowed=f"1 to {len(scale) - 1}")
    found = signals(graded, encode, progress)
    variance = np.array([math.nan if pair.variance is None else pair.variance for pair in graded])
    seen = found
    if settings.use_variance and not np.isnan(variance).all():
        seen = found.with_columns({"variance": np.where(np.isnan(variance), np.nanmean(variance), variance)})
    chance = out_of_fold(seen, place, len(scale), settings.grader, progress=progress)
    score = suspicion(chance, place, distance)
    wrong = noise(chance, place)
    least = threshold(wrong.wrong(distance) / len(place)) if settings.threshold is None else settings.threshold
    suspected = score > least
    if not settings.middle:
        suspected &= at_an_end(place, len(scale))
    levels = graded.levels()
    beside = conflict(found, levels, settings.alike)
    far = likeliest_far(chance, place, distance)
    order = [int(row) for row in np.argsort(-score, kind="stable") if suspected[row]]
    suspects = tuple(
        Suspect(
            int(rows[row]),
            float(score[row]),
            float(scale[place[row]]),
            float(scale[far[row]]),
            _reason(graded, row, chance, place, float(scale[far[row]]), int(far[row]), int(beside[row])),
        )
        for row in order
    )
    doubles = contradictions(found, levels, distance * (float(np.ptp(levels)) or 1) / (len(scale) - 1), settings.alike)
    return Findings(
        suspects,
        score,
        chance,
        rows,
        wrong,
        distance,
        least,
        tuple(spellings(pairs)),
        tuple(replace(one, first=int(rows[one.first]), second=int(rows[one.second])) for one in doubles),
        tuple(leaks(pairs, other)) if other is not None else (),
        tuple(disagreements([pair.query for pair in graded], variance)),
    )


def places(pairs: PairSet) -> tuple[Integers, Doubles]:
    """The number of each pair's level, ``(n,)``, and the grades ``(levels,)`` that they stand for."""
    grades = np.array([pair.grade for pair in pairs], np.float64)
    distinct = np.unique(grades)
    if len(distinct) > MOST_LEVELS:
        grades = np.round(grades)
        distinct = np.unique(grades)
    return np.searchsorted(distinct, grades), distinct


def _reason(pairs: PairSet, row: int, chance: Doubles, place: Integers, grade: float, far: int, beside: int) -> str:
    own = f"graded {pairs[row].grade:g}, chance {chance[row, place[row]]:.2f}"
    said = f"{own}; {grade:g} has {chance[row, far]:.2f}"
    return said if beside < 0 else f"{said}; {_beside(pairs, beside)}"


def _beside(pairs: PairSet, row: int) -> str:
    return f"like a title graded {pairs[row].grade:g}: {pairs[row].title[:80]}"
