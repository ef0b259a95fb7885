"""Fits a calibration to judged candidates: a monotone score, curves from score to probability, and what is held out.

Takes numbers: features of candidates and grades. Knows no engine, encoder or index; a second on one core.

* The score is a logistic regression whose weights may only have the sign that a feature makes sense with. In a query,
  relevant and irrelevant candidates weigh half each, whatever their numbers, since the loss to be controlled is a mean
  over queries of shares: the best score for that is how many times likelier a candidate is among a query's relevant
  ones than among its others (Neyman and Pearson 1933).
* Each query is scored by a model of the other queries; on those scores the curves are fitted, all judged candidates
  alike. Which kind of curve is decided by log loss on queries that it was not fitted to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from aisle.errors import InputError
from aisle.judgments.split import query_key
from aisle.ranking.calib_reliability import ReliabilityBin, calibration_error, reliability
from aisle.ranking.calibration import Calibration, Curve, CurveKind, Doubles, HeldOut
from aisle.ranking.cut_features import FEATURES
from aisle.types import Judgment

Places = NDArray[np.intp]
_KINDS: tuple[CurveKind, ...] = get_args(CurveKind)


@dataclass(frozen=True)
class QueryTable:
    """The judged candidates of one query.

    Attributes:
        query: Its text; the same words in another order or number never stand on both sides of a division.
        features: ``(n, features)``.
        grades: ``(n,)``.
        beyond: Grades of judged candidates further down than the cut-off looks.
        missing: Grades of judged products that are no candidates.
    """

    query: str
    features: Doubles
    grades: Doubles
    beyond: tuple[float, ...] = ()
    missing: tuple[float, ...] = ()


@dataclass(frozen=True)
class CalibrationSettings:
    """How a calibration is fitted.

    Attributes:
        relevant_grade: From this grade on a product is relevant.
        grades: All grades there are; those found where it is empty.
        spread: Prior standard deviation of a weight, in logits for one standard deviation of its feature, where each
            query counts as one observation. Measured alike from .3 to 3.
        folds: How many models score each other's queries.
        apart: Share of the queries that no model learns from. 0 has every query scored by a model of the others and
            the model in use learn from all. Above 0 these queries alone say what is cut, of that very model: then the
            promise of `Calibration.threshold` is exact, and looser, since there are fewer of them.
        curve: What kind; None lets held-out queries decide.
        seed: Of the division.
    """

    relevant_grade: float = 1.0
    grades: tuple[float, ...] = ()
    spread: float = 1.0
    folds: int = 10
    apart: float = 0.0
    curve: CurveKind | None = None
    seed: int = 0


def tables_of(
    judgments: Iterable[Judgment], found: Mapping[str, tuple[Sequence[str], Doubles]]
) -> tuple[QueryTable, ...]:
    """Judgments beside what a search found, one table for each query in ``found``.

    Args:
        judgments: Of any queries.
        found: Query id to the ids of all its candidates, best first, and the features of the first of them.

    Raises:
        InputError: A query has more features than candidates.
    """
    judged: dict[str, list[Judgment]] = {}
    for judgment in judgments:
        judged.setdefault(judgment.query_id, []).append(judgment)
    tables = []
    for query_id, (ids, features) in found.items():
        if len(features) > len(ids):
            raise InputError(f"query {query_id!r} has {len(features)} rows of features for {len(ids)} candidates")
        items = judged.get(query_id, [])
        grades = {item.product_id: item.grade for item in items}
        rows = [row for row, product_id in enumerate(ids[: len(features)]) if product_id in grades]
        beyond = tuple(grades[product_id] for product_id in ids[len(features) :] if product_id in grades)
        there = set(ids)
        missing = tuple(grade for product_id, grade in grades.items() if product_id not in there)
        inside = np.array([grades[ids[row]] for row in rows], np.float64)
        text = items[0].query if items else query_id
        tables.append(QueryTable(text, np.asarray(features)[rows], inside, beyond, missing))
    return tuple(tables)


def fit_calibration(
    tables: Sequence[QueryTable],
    settings: CalibrationSettings | None = None,
    fingerprint: Mapping[str, str] | None = None,
    signs: Mapping[str, int] = FEATURES,
) -> Calibration:
    """Fit a calibration. The same tables in the same order and the same settings give the same one.

    Args:
        tables: One for each query; those without a judged candidate are left out.
        settings: How.
        fingerprint: What the features were made with, to be kept.
        signs: Name of each column to the sign its weight may have; 0 for either.

    Raises:
        InputError: Fewer than two queries, no relevant or no irrelevant candidate, or shapes or grades that do not fit.
    """
    settings = settings or CalibrationSettings()
    used = [table for table in tables if len(table.grades) or table.beyond]
    _check(used, settings, len(signs))
    grades = settings.grades or tuple(sorted({float(grade) for table in used for grade in table.grades}))
    sign = np.array(list(signs.values()))
    learnt, told = _apart(used, settings) if settings.apart else (used, used)
    features, relevant, weights = _stacked(learnt, settings.relevant_grade)
    low, high = features.min(axis=0), features.max(axis=0)
    model = _fit(features, relevant, weights, sign, settings.spread)
    if settings.apart:
        held = [model.score(table.features, low, high) for table in told]
    else:
        held = _held_out_scores(used, settings, sign)
    kind = settings.curve or _choose(told, held, grades, settings)
    found: dict[str, Any] = {
        "queries": len(used),
        "candidates": sum(len(table.grades) for table in used),
        "relevant": sum(int((table.grades >= settings.relevant_grade).sum()) for table in used),
        "relevant_beyond": sum(grade >= settings.relevant_grade for table in used for grade in table.beyond),
        "relevant_missing": sum(grade >= settings.relevant_grade for table in tables for grade in table.missing),
    }
    bins = _comes_true(told, held, grades, kind, settings)
    if bins:
        found |= {"calibration_error": calibration_error(bins), "reliability": [asdict(one) for one in bins]}
    draft = Calibration(
        features=tuple(signs),
        weights=tuple(map(float, model.weights)),
        low=tuple(map(float, low)),
        high=tuple(map(float, high)),
        intercept=float(model.intercept),
        grades=tuple(map(float, grades)),
        curves=_curves(kind, np.concatenate(held), np.concatenate([table.grades for table in told]), grades),
        kind=kind,
        relevant_grade=float(settings.relevant_grade),
        held_out=(),
        fingerprint=dict(fingerprint or {}),
        details=found,
    )
    return _with_held_out(draft, told, held)


# --- the score ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Model:
    weights: Doubles
    intercept: float

    def score(self, features: Doubles, low: Doubles, high: Doubles) -> Doubles:
        return np.asarray(self.intercept + np.clip(features, low, high) @ self.weights)


def _fit(features: Doubles, relevant: Doubles, weights: Doubles, sign: Places, spread: float) -> _Model:
    """The most probable weights under a normal prior around 0; one of the wrong sign becomes 0."""
    middle, width = features.mean(axis=0), features.std(axis=0)
    moving = width > 1e-9
    width = np.where(moving, width, 1.0)
    design = np.where(moving, (features - middle) / width, 0.0)

    def value(unknowns: Doubles) -> tuple[float, Doubles]:
        logits = unknowns[0] + design @ unknowns[1:]
        loss = weights @ (np.logaddexp(0, logits) - relevant * logits)
        pull = weights * (_sigmoid(logits) - relevant)
        prior = unknowns[1:] / spread**2
        gradient = np.concatenate([[pull.sum()], design.T @ pull + prior])
        return float(loss + unknowns[1:] @ prior / 2), gradient

    bounds = [(None, None), *((0, None) if s > 0 else (None, 0) if s < 0 else (None, None) for s in sign)]
    options = {"maxiter": 2_000, "ftol": 1e-13, "gtol": 1e-7}
    found = minimize(value, np.zeros(len(sign) + 1), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    raw = np.where(moving, found[1:] / width, 0.0)
    return _Model(raw, float(found[0] - raw @ middle))


def _stacked(tables: Sequence[QueryTable], relevant_grade: float) -> tuple[Doubles, Doubles, Doubles]:
    """Features, relevance and weights of all candidates: each query's relevant ones weigh half, its others half."""
    features = np.concatenate([table.features for table in tables]).astype(np.float64)
    relevance = [(table.grades >= relevant_grade).astype(np.float64) for table in tables]
    weights = [np.where(one > 0, 0.5 / max(one.sum(), 1), 0.5 / max((1 - one).sum(), 1)) for one in relevance]
    return features, np.concatenate(relevance), np.concatenate(weights)


def _apart(
    tables: Sequence[QueryTable], settings: CalibrationSettings
) -> tuple[Sequence[QueryTable], Sequence[QueryTable]]:
    """The queries to learn from, and those that only say what is cut; there is at least one of each."""
    parts = _folds(tables, replace(settings, folds=len(tables)))
    wanted = min(max(1, round(settings.apart * len(parts))), len(parts) - 1)
    out = {i for _, outside in parts[:wanted] for i in outside}
    return [table for i, table in enumerate(tables) if i not in out], [tables[i] for i in sorted(out)]


def _held_out_scores(tables: Sequence[QueryTable], settings: CalibrationSettings, sign: Places) -> list[Doubles]:
    """The scores of each query's candidates under a model of the queries in the other folds."""
    scores: list[Doubles] = [np.empty(0)] * len(tables)
    for inside, outside in _folds(tables, settings):
        features, relevant, weights = _stacked([tables[i] for i in inside], settings.relevant_grade)
        model = _fit(features, relevant, weights, sign, settings.spread)
        low, high = features.min(axis=0), features.max(axis=0)
        for i in outside:
            scores[i] = model.score(tables[i].features, low, high)
    return scores


def _folds(tables: Sequence[QueryTable], settings: CalibrationSettings) -> list[tuple[list[int], list[int]]]:
    """Which tables are learnt from and which are left out, ``folds`` times; queries alike are left out together."""
    keys = [query_key(table.query) for table in tables]
    distinct = list(dict.fromkeys(keys))
    order = np.random.default_rng(settings.seed).permutation(len(distinct))
    count = min(settings.folds, len(distinct))
    fold = {distinct[place]: number % count for number, place in enumerate(order)}
    places = [fold[key] for key in keys]
    divided = []
    for number in range(count):
        inside = [i for i, place in enumerate(places) if place != number]
        divided.append((inside, [i for i, place in enumerate(places) if place == number]))
    return divided


# --- the curves --------------------------------------------------------------------------------------------


def _curves(kind: CurveKind, scores: Doubles, grades: Doubles, scale: Sequence[float]) -> tuple[Curve, ...]:
    """For each grade but the lowest, the probability of it or a higher one."""
    reached = np.array([grades >= grade for grade in scale[1:]], np.float64)
    if kind == "isotonic":
        return tuple(_isotonic(scores, one) for one in reached)
    if kind == "temperature":
        return _logistic(scores, reached)
    return tuple(curve for one in reached for curve in _logistic(scores, one[None]))


def _logistic(scores: Doubles, reached: Doubles) -> tuple[Curve, ...]:
    """Logistic curves of one slope, ``reached`` ``(curves, n)``, with Platt's targets.

    J. Platt, "Probabilistic Outputs for Support Vector Machines" (1999): instead of 1 and 0 the targets are what one
    more example of each kind would leave, so that no slope runs away where the classes do not overlap.
    """
    hits = reached.sum(axis=1, keepdims=True)
    targets = np.where(reached > 0, (hits + 1) / (hits + 2), 1 / (reached.shape[1] - hits + 2))
    width = float(scores.std()) or 1.0
    given = scores / width

    def value(unknowns: Doubles) -> tuple[float, Doubles]:
        logits = unknowns[0] * given + unknowns[1:, None]
        pull = _sigmoid(logits) - targets
        return float((np.logaddexp(0, logits) - targets * logits).sum()), np.array(
            [(pull @ given).sum(), *pull.sum(axis=1)]
        )

    shares = targets.mean(axis=1)
    start = np.array([1.0, *np.log(shares / (1 - shares))])
    bounds = [(0, None), *[(None, None)] * len(reached)]
    found = minimize(value, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1_000}).x
    return tuple(Curve(float(found[0] / width), float(offset)) for offset in found[1:])


def _isotonic(scores: Doubles, reached: Doubles) -> Curve:
    """The best curve that never falls (Zadrozny and Elkan 2002), kept off 0 and 1 by one example more."""
    from sklearn.isotonic import IsotonicRegression

    edge = 1 / (len(scores) + 2)
    found = IsotonicRegression(y_min=edge, y_max=1 - edge, out_of_bounds="clip").fit(scores, reached)
    points = zip(found.X_thresholds_, found.y_thresholds_, strict=True)
    return Curve(knots=tuple((float(x), float(y)) for x, y in points))


def _choose(
    tables: Sequence[QueryTable], scores: Sequence[Doubles], scale: Sequence[float], settings: CalibrationSettings
) -> CurveKind:
    """The kind with the least log loss on queries that the curves were not fitted to, each candidate counting alike."""
    losses = dict.fromkeys(_KINDS, 0.0)
    for (known, grades), (new, true) in _in_turns(tables, scores, settings):
        for kind in _KINDS:
            for curve, grade in zip(_curves(kind, known, grades, scale), scale[1:], strict=True):
                chance = np.clip(curve(new), 1e-9, 1 - 1e-9)
                losses[kind] -= float(np.where(true >= grade, np.log(chance), np.log(1 - chance)).sum())
    return min(losses, key=lambda kind: losses[kind])


def _in_turns(
    tables: Sequence[QueryTable], scores: Sequence[Doubles], settings: CalibrationSettings
) -> Iterator[tuple[tuple[Doubles, Doubles], tuple[Doubles, Doubles]]]:
    """Scores and grades of all queries but a few, and of those few; each query is left out once."""

    def of(part: Sequence[int]) -> tuple[Doubles, Doubles]:
        return np.concatenate([scores[i] for i in part]), np.concatenate([tables[i].grades for i in part])

    for inside, outside in _folds(tables, settings):
        if inside:  # a single query says nothing of others
            yield of(inside), of(outside)


def _comes_true(
    tables: Sequence[QueryTable],
    scores: Sequence[Doubles],
    scale: Sequence[float],
    kind: CurveKind,
    settings: CalibrationSettings,
) -> tuple[ReliabilityBin, ...]:
    """How often candidates are relevant whose probability comes from curves of other queries."""
    place = list(scale[1:]).index(settings.relevant_grade)
    chances, relevant = [np.empty(0)], [np.empty(0)]
    for (known, grades), (new, true) in _in_turns(tables, scores, settings):
        chances.append(_curves(kind, known, grades, scale)[place](new))
        relevant.append((true >= settings.relevant_grade).astype(np.float64))
    found = np.concatenate(chances)
    return reliability(found, np.concatenate(relevant).tolist()) if len(found) else ()


def _with_held_out(draft: Calibration, tables: Sequence[QueryTable], scores: Sequence[Doubles]) -> Calibration:
    held_out = []
    for table, found in zip(tables, scores, strict=True):
        chances = draft.relevance(found[table.grades >= draft.relevant_grade])
        beyond = sum(grade >= draft.relevant_grade for grade in table.beyond)
        if len(chances) or beyond:
            held_out.append(HeldOut(tuple(sorted(map(float, chances))), beyond))
    return replace(draft, held_out=tuple(held_out))


def _sigmoid(logits: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))), np.float64)


def _check(tables: Sequence[QueryTable], settings: CalibrationSettings, columns: int) -> None:
    for table in tables:
        if table.features.shape != (len(table.grades), columns) or not np.isfinite(table.features).all():
            raise InputError(
                f"query {table.query!r}: features of shape {table.features.shape}, {len(table.grades)} grades",
                allowed=f"a row of {columns} finite numbers for each grade",
            )
    if len({query_key(table.query) for table in tables}) < 2:
        raise InputError(f"{len(tables)} queries with judged candidates", allowed="2 or more", fix="judge more queries")
    grades = {float(grade) for table in tables for grade in table.grades}
    if settings.grades and (grades - set(settings.grades) or list(settings.grades) != sorted(set(settings.grades))):
        raise InputError(f"grades {sorted(grades)}", allowed=f"the declared ones, ascending: {settings.grades}")
    scale = settings.grades or tuple(sorted(grades))
    if not 0 <= settings.apart < 1:
        raise InputError(f"apart is {settings.apart!r}", allowed="a share of the queries, from 0 to less than 1")
    low = [grade for grade in grades if grade < settings.relevant_grade]
    if not low or len(low) == len(grades) or settings.relevant_grade not in scale:
        raise InputError(
            f"judged candidates of the grades {sorted(grades)}, relevant from {settings.relevant_grade:g} on",
            allowed="some below it and some from it on; it is itself a grade",
            fix="name another relevant grade, or judge irrelevant products too",
        )
