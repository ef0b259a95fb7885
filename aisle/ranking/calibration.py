"""Scores become the probability of each grade, and a probability below which products are cut at a known risk.

Evaluates with NumPy what ``aisle.training.calibrate`` fitted and knows nothing of how. Kept as a folder with one JSON
file and a manifest.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisle.artifacts import MANIFEST, Manifest, read_manifest, write_manifest, write_text
from aisle.errors import ArtifactError, InputError

KIND, FORMAT, FILE = "calibration", 1, "calibration.json"
STEPS = 20
"""How finely a threshold is looked for by leaving queries out: in twentieths of what may be lost."""
Doubles = NDArray[np.float64]
CurveKind = Literal["temperature", "platt", "isotonic"]


@dataclass(frozen=True, slots=True)
class Curve:
    """Score to the probability of one grade or a higher one; never falls.

    A logistic curve ``1 / (1 + exp(-(slope * score + offset)))``, or where ``knots`` has points ``(score,
    probability)`` the straight lines between them.
    """

    slope: float = 1.0
    offset: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def __call__(self, scores: Doubles) -> Doubles:
        """``(n,)`` to ``(n,)``."""
        if self.knots:
            x, y = np.array(self.knots).T
            return np.asarray(np.interp(scores, x, y), np.float64)
        return np.asarray(1 / (1 + np.exp(-np.clip(self.slope * scores + self.offset, -500, 500))), np.float64)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Of one query that the model did not learn from: the probabilities of its relevant products, ascending.

    ``beyond`` counts its relevant products further down than the cut-off looks; they are cut at every threshold.
    """

    probabilities: tuple[float, ...]
    beyond: int = 0


@dataclass(frozen=True)
class Calibration:
    """Features of a query's candidates to probabilities.

    The score is ``intercept + clip(features, low, high) @ weights``: outside of what training has seen, more of a
    feature says no more.

    Attributes:
        features: Names of the columns.
        weights: One for each.
        low: The least value of each in training.
        high: The highest.
        intercept: Of the score.
        grades: All grades there are, ascending; at least two.
        curves: For each grade but the lowest, the probability of it or a higher one.
        kind: What the curves are: one slope for all grades ("temperature"), a slope for each ("platt"), or isotonic.
        relevant_grade: From this grade on a product counts as relevant; one of ``grades``, not the lowest.
        held_out: The queries with a relevant product that was found, each scored by a model that did not see it.
        fingerprint: What the features were made with: an engine that differs in it must not use this calibration.
        details: Anything else worth keeping: data, counts, how often probabilities of held-out queries came true.
    """

    features: tuple[str, ...]
    weights: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    intercept: float
    grades: tuple[float, ...]
    curves: tuple[Curve, ...]
    kind: CurveKind
    relevant_grade: float
    held_out: tuple[HeldOut, ...]
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, features: Doubles) -> Doubles:
        """``(n, features)`` to ``(n,)``.

        Raises:
            InputError: Another number of columns than this calibration has names for, or a value that is not finite.
        """
        given = np.asarray(features, np.float64)
        if given.ndim != 2 or given.shape[1] != len(self.features):
            raise InputError(
                f"features of shape {given.shape}", allowed=f"(n, {len(self.features)}): {', '.join(self.features)}"
            )
        if not np.isfinite(given).all():
            column = self.features[int(np.argwhere(~np.isfinite(given))[0, 1])]
            raise InputError(f"a feature {column!r} that is no finite number", fix="leave out what cannot be scored")
        return np.asarray(self.intercept + np.clip(given, self.low, self.high) @ np.array(self.weights))

    def probabilities(self, features: Doubles) -> Doubles:
        """The probability of each grade, ``(n, grades)``; rows sum to 1.

        Raises:
            InputError: As ``scores``.
        """
        reached = self._reached(self.scores(features))
        edges = np.column_stack([np.ones(len(reached)), reached, np.zeros(len(reached))])
        return edges[:, :-1] - edges[:, 1:]

    def relevant(self, features: Doubles) -> Doubles:
        """The probability of being relevant, ``(n,)``: of ``relevant_grade`` or a higher one.

        Raises:
            InputError: As ``scores``.
        """
        return self.relevance(self.scores(features))

    def relevance(self, scores: Doubles) -> Doubles:
        """The probability of being relevant of scores ``(n,)``."""
        return np.asarray(self._reached(scores)[:, self.grades.index(self.relevant_grade) - 1])

    def threshold(self, alpha: float = 0.05, *, guaranteed: bool = True) -> float:
        """What products' probability must reach, so that on average at most ``alpha`` of the relevant ones are cut.

        Conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, "Conformal Risk Control", 2022). The loss
        of a query is the share of its relevant products with a probability below the threshold t, which never falls
        with t. Over the n queries held out, with mean loss R(t), the threshold is the highest t with
        ``n / (n + 1) * R(t) + 1 / (n + 1) <= alpha``: a new query could be as bad as can be, a loss of 1. If it and
        the n others are exchangeable (drawn alike: the same shop, kind of queries, way of judging) and the model saw
        none of them, the expected loss of the new one is at most ``alpha``. Here each of the n was scored by a model
        of the others, the new one is by a model of all; that is close to the theorem, not it (docs/cutoff.md).

        Args:
            alpha: Above 0, at most 1.
            guaranteed: False estimates instead of bounding: the threshold is then the highest of a kind that has cut
                at most ``alpha`` on average where each of the n queries was left out of setting it. With few queries
                it cuts more, and a new query's expected loss is about ``alpha``, from either side.

        Returns:
            From 0 to 1. 0 cuts nothing: with fewer than ``1 / alpha - 1`` queries (19 for .05) nothing can be promised.

        Raises:
            InputError: ``alpha`` is out of range.
        """
        if not 0 < alpha <= 1:
            raise InputError(f"alpha is {alpha!r}", allowed="a share of the relevant products, above 0, at most 1")
        losses = _Losses.of(self.held_out)
        n = len(self.held_out)
        if guaranteed:
            return losses.highest(alpha * (n + 1) - 1)
        budgets = [alpha * n * step / STEPS for step in range(STEPS, 0, -1)]
        return next((losses.highest(budget) for budget in budgets if losses.left_out(budget) <= alpha), 0.0)

    def save(self, folder: Path) -> None:
        """Write a folder: equal calibrations give equal bytes, but for the manifest's date, which comes last."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        data = dataclasses.asdict(self)
        write_text(folder / FILE, json.dumps(data, ensure_ascii=False) + "\n")
        write_manifest(folder, Manifest(KIND, FORMAT, self.fingerprint, self.details))

    @classmethod
    def load(cls, folder: Path) -> Calibration:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The folder is missing, incomplete, damaged or of another kind.
        """
        read_manifest(folder, KIND, FORMAT)
        path = folder / FILE
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            made = cls(**_typed(data))
            made._check()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"cannot read {str(path)!r}: {type(error).__name__} {error}", fix="calibrate again"
            ) from None
        return made

    def _reached(self, scores: Doubles) -> Doubles:
        """The probability of each grade but the lowest or a higher one, ``(n, grades - 1)``; never rises with it."""
        return np.minimum.accumulate(np.column_stack([curve(scores) for curve in self.curves]), axis=1)

    def _check(self) -> None:
        k = len(self.features)
        if {len(self.weights), len(self.low), len(self.high)} != {k}:
            raise ValueError(f"not {k} weights, lows and highs, one for each feature")
        if len(self.curves) != len(self.grades) - 1 or list(self.grades) != sorted(set(self.grades)):
            raise ValueError("grades that do not ascend, or not a curve for each but the lowest")
        if self.relevant_grade not in self.grades[1:]:
            raise ValueError(f"relevant_grade {self.relevant_grade} is none of the grades above the lowest")
        numbers = (*self.weights, *self.low, *self.high, float(self.intercept))
        if not all(np.isfinite(numbers)):
            raise ValueError("a number that is not finite")


@dataclass(frozen=True)
class _Losses:
    """What each relevant product held out costs its query when it is cut.

    Attributes:
        chances: ``(m,)`` probabilities, ascending.
        shares: ``(m,)`` one over the number of relevant products of its query.
        query: ``(m,)`` which query.
        base: ``(n,)`` what each query loses at any threshold.
    """

    chances: Doubles
    shares: Doubles
    query: NDArray[np.intp]
    base: Doubles

    @classmethod
    def of(cls, held_out: Sequence[HeldOut]) -> _Losses:
        sizes = np.array([len(one.probabilities) + one.beyond for one in held_out], np.float64)
        query = np.repeat(np.arange(len(held_out)), [len(one.probabilities) for one in held_out])
        chances = np.array([chance for one in held_out for chance in one.probabilities], np.float64)
        order = np.argsort(chances, kind="stable")
        base = np.array([one.beyond for one in held_out], np.float64) / sizes
        return cls(chances[order], (1 / sizes)[query[order]], query[order], base)

    def highest(self, budget: float, without: int | None = None) -> float:
        """The highest threshold at which the queries (but one) lose no more than ``budget`` in sum; 0 if none does."""
        base = self.base if without is None else np.delete(self.base, without)
        left = budget - float(base.sum())
        if left < 0 or not len(self.base):
            return 0.0
        shares = self.shares if without is None else np.where(self.query == without, 0.0, self.shares)
        lost = int(np.searchsorted(np.cumsum(shares), left + 1e-9, side="right"))  # the next one must not be cut
        return float(self.chances[lost]) if lost < len(self.chances) else 1.0

    def left_out(self, budget: float) -> float:
        """The mean loss of a query at the threshold that the others give, with their part of the budget."""
        n = len(self.base)
        found = self.base.copy()
        for one in range(n):
            low = self.chances < self.highest(budget * (n - 1) / n, one)
            found[one] += self.shares[low & (self.query == one)].sum()
        return float(found.mean()) if n else 1.0


def _typed(data: dict[str, Any]) -> dict[str, Any]:
    """What JSON gives, as the fields have it."""
    typed = data | {
        name: tuple(float(number) for number in data[name]) for name in ("weights", "low", "high", "grades")
    }
    typed["features"] = tuple(str(name) for name in data["features"])
    typed["curves"] = tuple(
        Curve(float(one["slope"]), float(one["offset"]), tuple((float(x), float(y)) for x, y in one["knots"]))
        for one in data["curves"]
    )
    typed["held_out"] = tuple(
        HeldOut(tuple(float(chance) for chance in one["probabilities"]), int(one["beyond"])) for one in data["held_out"]
    )
    return typed
