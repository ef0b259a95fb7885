"""Weak labels from what shoppers did: how relevant a product is, by clicks over expected looks, with its uncertainty.

Knows pages and propensities, no engine. What only popularity could say is refused, with the reason.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln
from scipy.stats import beta

from aisle.errors import InputError
from aisle.evaluate.agreement import weighted_kappa
from aisle.improve.behaviour_looks import Method, Pairs, looked_at, pairs_of
from aisle.improve.review import row
from aisle.judgments.files import write_lines
from aisle.judgments.given import key_of
from aisle.judgments.split import folds, query_key
from aisle.monitor.pages import Page
from aisle.types import Judgment

Signal = Literal["click", "cart", "purchase"]
SIGNALS: tuple[Signal, ...] = ("click", "cart", "purchase")
HIGHEST = 3.0


@dataclass(frozen=True, slots=True)
class WeakLabel:
    """One query and product.

    Attributes:
        query: As shoppers typed it most often.
        product_id: Of the product.
        hits: Clicks, or what counts as one.
        shown: Times it was shown at a known position.
        looks: Times it was looked at, as expected: the sum of the positions' propensities.
        relevance: Hits a look, drawn towards the mean of all pairs by as much as few looks deserve.
        low: Of the 95% credible interval.
        high: Of it.
    """

    query: str
    product_id: str
    hits: int
    shown: int
    looks: float
    relevance: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class WeakLabels:
    """Labels, and what stands behind them.

    Attributes:
        labels: Best first within each query.
        propensities: Of looking at positions 1, 2, ...
        method: "given", "swaps" or "em".
        moved: Pairs of query and product that stood at more than one position; 0 where propensities were given.
        prior: Mean and weight, in looks, of the beta distribution that labels are drawn to.
        left_out: Pairs with too few expected looks.
        beyond: Showings at positions without a propensity.
    """

    labels: tuple[WeakLabel, ...]
    propensities: tuple[float, ...]
    method: str
    moved: int
    prior: tuple[float, float]
    left_out: int
    beyond: int

    def judgments(self, cuts: Sequence[float] = ()) -> list[Judgment]:
        """As judgments, from 0 to 3: by cuts the number of them that the relevance reaches, else 3 times it."""
        return [
            Judgment(
                one.query,
                one.query,
                one.product_id,
                float(sum(one.relevance >= cut for cut in cuts)) if cuts else HIGHEST * one.relevance,
            )
            for one in self.labels
        ]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def weak_labels(
    pages: Sequence[Page],
    *,
    signal: Signal = "click",
    propensities: Sequence[float] | None = None,
    method: Method = "swaps",
    positions: int = 10,
    minimum: float = 5.0,
) -> WeakLabels:
    """Labels from pages.

    Under the position-based model a click is a look at the position and a liking of the product, independent of each
    other; so clicks over the sum of the propensities is the liking, whatever stood first (Wang et al. 2018; Agarwal et
    al. 2019). It is drawn towards the mean by a beta prior fitted to all pairs (empirical Bayes), since one click in
    one look is no certainty.

    Args:
        pages: What was shown and done.
        signal: What counts.
        propensities: Of positions 1, 2, ...; None estimates them.
        method: Of estimating: "swaps" compares clicks of the same product at two positions, "em" fits positions and
            products together. Both need products that moved.
        positions: That are used, from the first.
        minimum: Expected looks that a pair needs.

    Raises:
        InputError: There are no pages, no hits, a propensity is out of range, or the data cannot tell positions from
            products.
    """
    if signal not in SIGNALS:
        raise InputError(f"signal {signal!r}", allowed=", ".join(SIGNALS))
    shown = [page for page in pages if page.places]
    if not shown:
        raise InputError(
            "no impressions",
            allowed="events with what was shown, at which position, for which query",
            fix="purchases alone tell what is popular and what is bought together, not what a query asks for",
        )
    told = pairs_of(shown, signal, positions)
    if not told.hits.sum():
        raise InputError(f"no {signal} on {len(shown):,} pages", fix="name more days, or another --signal")
    given = tuple(propensities or ())
    if any(not 0 < value <= 1 for value in given):
        raise InputError(f"propensities {', '.join(f'{value:g}' for value in given)}", allowed="above 0, up to 1")
    moved = 0
    if not given:
        looked = looked_at(shown, method, positions)
        given, moved = looked.values, looked.moved
    found = _labels(told, shown, given, minimum)
    return WeakLabels(
        labels=found[0],
        propensities=given,
        method=method if propensities is None else "given",
        moved=moved,
        prior=found[1],
        left_out=found[2],
        beyond=int(told.shown[:, len(given) :].sum()) + told.beyond,
    )


def _labels(
    told: Pairs, pages: Sequence[Page], looks: Sequence[float], minimum: float
) -> tuple[tuple[WeakLabel, ...], tuple[float, float], int]:
    """Labels, the prior, and how many pairs have too few looks."""
    weights = np.array(looks)[: told.shown.shape[1]]
    expected = told.shown[:, : len(weights)] @ weights
    hits = told.hits[:, : len(weights)].sum(1)
    enough = expected >= minimum
    if not enough.any():
        raise InputError(
            f"no product of a query was looked at {minimum:g} times", fix="name more days, or a smaller --minimum"
        )
    mean, weight = _prior(hits[enough], expected[enough])
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for page in pages:
        names[query_key(page.query)][page.query] += 1
    a = mean * weight + hits
    b = (1 - mean) * weight + np.maximum(expected - hits, 0.0)
    low, high = beta.ppf(0.025, a, b), beta.ppf(0.975, a, b)
    shown = told.shown[:, : len(weights)].sum(1)
    found = []
    for at in np.flatnonzero(enough):
        key, product = told.pairs[at]
        query = min(names[key].items(), key=lambda one: (-one[1], one[0]))[0]
        numbers = (expected[at], a[at] / (a[at] + b[at]), low[at], high[at])
        found.append(WeakLabel(query, product, int(hits[at]), int(shown[at]), *map(float, numbers)))
    found.sort(key=lambda one: (one.query, -one.relevance, one.product_id))
    return tuple(found), (mean, weight), int((~enough).sum())


def _prior(hits: NDArray[np.float64], looks: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and weight of a beta prior, by the marginal likelihood of all pairs; looks need not be whole."""
    misses = np.maximum(looks - hits, 0.0)

    def loss(parameters: NDArray[np.float64]) -> float:
        mean, weight = 1 / (1 + math.exp(-parameters[0])), math.exp(parameters[1])
        a, b = mean * weight, (1 - mean) * weight
        return -float(np.sum(betaln(a + hits, b + misses) - betaln(a, b)))

    rate = min(max(float(hits.sum() / looks.sum()), 1e-4), 1 - 1e-4)
    start = [math.log(rate / (1 - rate)), math.log(4.0)]
    bounds = [(-9.0, 9.0), (math.log(0.5), math.log(1_000.0))]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    return 1 / (1 + math.exp(-float(found[0]))), math.exp(float(found[1]))


def write_labels(path: Path, labels: WeakLabels, cuts: Sequence[float] = ()) -> None:
    """As CSV that ``evaluate`` and ``train`` read; behind the rating stands what it rests on.

    Raises:
        JudgmentError: The file cannot be written.
    """
    rows = [["query", "docid", "rating", "hits", "shown", "looks", "low", "high"]]
    for one, judgment in zip(labels.labels, labels.judgments(cuts), strict=True):
        numbers = [f"{value:.4f}" for value in (one.looks, one.low, one.high)]
        rows.append([one.query, one.product_id, f"{judgment.grade:.4g}", str(one.hits), str(one.shown), *numbers])
    write_lines(path, map(row, rows))


# --- grades by anchors -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Graded:
    """Cuts from relevance to grades, learnt on judged pairs.

    Attributes:
        cuts: From 0 to 1, 1 to 2, ...
        pairs: Judged pairs with a label.
        kappa: Quadratically weighted, with the judgments: of queries that the cuts were not learnt on; None where it
            is not defined.
    """

    cuts: tuple[float, ...]
    pairs: int
    kappa: float | None


def grade_by(labels: Sequence[WeakLabel], anchors: Sequence[Judgment], highest: int = 3, count: int = 5) -> Graded:
    """Learn the cuts that agree best with people, and say how well they do on other queries (cross-validated).

    Raises:
        InputError: Fewer than 30 judged pairs have a label, or an anchor's grade is off the scale.
    """
    right = {(key_of(one.query), one.product_id): one for one in anchors}
    both = [(one, right[pair]) for one in labels if (pair := (key_of(one.query), one.product_id)) in right]
    if len(both) < 30:
        raise InputError(f"{len(both):,} judged pairs have a label", allowed="30 or more", fix="leave --anchors out")
    relevance = {(one.query_id, one.product_id): label.relevance for label, one in both}
    scale = tuple(range(highest + 1))
    truth: list[float] = []
    told: list[float] = []
    for fold in folds([one for _, one in both], count):
        if not fold.train.items or not fold.test.items:
            continue
        cuts = _cuts([(relevance[one.query_id, one.product_id], one.grade) for one in fold.train], scale)
        truth += [one.grade for one in fold.test]
        told += [float(sum(relevance[one.query_id, one.product_id] >= cut for cut in cuts)) for one in fold.test]
    cuts = _cuts([(label.relevance, one.grade) for label, one in both], scale)
    return Graded(cuts, len(both), weighted_kappa(truth, told, scale, "quadratic"))


def _cuts(pairs: Sequence[tuple[float, float]], scale: Sequence[int]) -> tuple[float, ...]:
    """By coordinates from quantiles, over 40 candidates, until the weighted kappa grows no more."""
    values, grades = np.array([one for one, _ in pairs]), np.array([one for _, one in pairs])
    candidates = np.unique(np.quantile(values, np.linspace(0.02, 0.98, 40)))
    shares = [float((grades < grade).mean()) for grade in scale[1:]]
    cuts = np.array([float(np.quantile(values, share)) for share in shares])

    def kappa(some: NDArray[np.float64]) -> float:
        given = (values[:, None] >= some).sum(1)
        return weighted_kappa(grades, given, scale, "quadratic") or 0.0

    best = kappa(cuts)
    for _ in range(10):
        before = best
        for at in range(len(cuts)):
            for value in candidates:
                trial = np.sort(np.concatenate([np.delete(cuts, at), [value]]))
                if (found := kappa(trial)) > best + 1e-9:
                    best, cuts = found, trial
        if best == before:
            break
    return tuple(float(cut) for cut in cuts)
