"""Fits the task-adaptation layer to a few judged pairs: seconds on one core, without PyTorch.

Takes unit vectors and knows nothing of texts, products or encoders. Every weight has a Gaussian prior around the
zero-shot ranking, so that what few pairs cannot know stays as it was:

* the slope of the cosine, around what other shops' judgments say;
* two corrections of one weight each, which eight pairs can begin to move: how much of the query's wording a text has
  (one shop's raters insist on it, another's do not), and the centre that all vectors of a shop share;
* the weights of the literature's layer, in the principal directions of the pairs at hand. They are let in only where
  cross-validation by query says that they carry over to queries unseen.

Each query has an offset of its own (a random intercept) which takes up how good its pool is, so that the weights
explain what differs within queries. The numbers here were found on CrowdFlower, Icecat and Home Depot;
benchmarks/few_shot.py measures what they bring.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from aisle.rerankers.head import Doubles, TaskHead, centred_cosine, softmax, zero_shot
from aisle.training.head_checks import check_pairs, check_scale, check_weights
from aisle.types import Array

Integers = NDArray[np.int64]

_COSINE_LOGITS, _COSINE_LOGITS_SPREAD = 2.1, 0.75
"""Prior of the logits, lowest grade to highest, that one standard deviation of the cosine is worth."""
_USUAL_COSINE, _USUAL_CORRECTIONS, _USUAL_PAIRS = 0.15, (0.3, 0.03), 10
"""Standard deviations before any pair is seen, and how many pairs that belief counts for."""
_BIAS_SPREAD = 3.0
_LEAST_SLOPE = 0.1
"""Of the prior's mean: however the labels fall, the cosine keeps its sign."""


@dataclass(frozen=True)
class HeadSettings:
    """How a head is fitted.

    Attributes:
        scale: All grades there are, ascending; those found among the pairs where it is empty.
        gains: What a product of each grade is worth, never falling; 2^grade - 1 where it is empty. Four classes, from
            Irrelevant over Complement and Substitute to Exact, have (0, .01, .1, 1) with the scale (0, 1, 2, 3).
        correction_spread: Prior standard deviation, in logits, of what wording and centre each add.
        free_spreads: Prior standard deviations of the literature's weights, to choose among; 0 is always a choice.
        rank: In how many principal directions those weights see the vectors.
        query_spread: Prior standard deviation of the queries' offsets, in logits; 0 leaves them out.
        queries_for_half: What suits one query suits the next less, however often the one was judged. Of what k
            queries taught, k / (k + this) is believed of the others: half of it when there are this many.
        folds: Of the cross-validation.
        choose_from: With fewer pairs nothing is chosen: wording and centre alone, as their prior has them.
        wording: What wording counts beside the cosine before any pair is seen, as other pairs taught.
    """

    scale: tuple[float, ...] = ()
    gains: tuple[float, ...] = ()
    correction_spread: float = 0.3
    free_spreads: tuple[float, ...] = (0.3, 1.0, 3.0)
    rank: int = 16
    query_spread: float = 1.0
    queries_for_half: float = 10.0
    folds: int = 5
    choose_from: int = 64
    wording: float = 0.0


@dataclass(frozen=True)
class HeadPairs:
    """Judged pairs as a head learns from them.

    Attributes:
        queries: ``(n, dim)`` unit rows, the query of each pair.
        texts: ``(n, dim)`` unit rows, its text.
        levels: ``(n,)`` grades.
        groups: The query's id of each pair.
        wording: ``(n,)`` as ``aisle.rerankers.head.wording`` gives it; without it the head uses vectors alone.
        weights: ``(n,)`` how much each grade counts: the power of its likelihood. Without it all count 1.
    """

    queries: Array
    texts: Array
    levels: Array
    groups: Sequence[str]
    wording: Array | None = None
    weights: Doubles | None = None


def fit_head(
    queries: Array,
    texts: Array,
    levels: Array,
    groups: Sequence[str],
    settings: HeadSettings,
    seed: int,
    wording: Array | None = None,
) -> TaskHead:
    """`fit_pairs` of pairs that all count alike, its arguments one by one."""
    return fit_pairs(HeadPairs(queries, texts, levels, groups, wording), settings, seed)


def fit_pairs(pairs: HeadPairs, settings: HeadSettings, seed: int) -> TaskHead:
    """Fit a head to judged pairs. The same pairs in the same order, settings and seed give the same head.

    Args:
        pairs: To learn from.
        settings: How.
        seed: Of the folds.

    Returns:
        The head; ``zero_shot`` with the wording that was told of where there is no pair, or one grade and no scale.

    Raises:
        InputError: Shapes do not fit, rows are not unit vectors, or a grade, gain or weight is none that there is.
    """
    q, t, y = (np.asarray(part, np.float64) for part in (pairs.queries, pairs.texts, pairs.levels))
    groups = pairs.groups
    words = np.zeros(len(q)) if pairs.wording is None else np.asarray(pairs.wording, np.float64)
    check_pairs(q, t, y, words, groups)
    weights = np.ones(len(q)) if pairs.weights is None else np.asarray(pairs.weights, np.float64)
    check_weights(weights, len(q))
    scale = np.asarray(settings.scale or tuple(np.unique(y)), np.float64)
    if len(scale) < 2:
        return replace(zero_shot(q.shape[1]), wording=settings.wording)
    gains = np.asarray(settings.gains or tuple(np.exp2(scale) - 1), np.float64)
    check_scale(scale, gains, y)
    if not len(y):
        return replace(zero_shot(q.shape[1], tuple(scale), tuple(gains)), wording=settings.wording)
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    group = np.array([numbers[name] for name in groups])
    features = _features(q, t, words, group, settings)
    places = (scale - scale[0]) / np.ptp(scale)
    problem = _Problem(features, places, np.searchsorted(scale, y), group, settings, weights)
    choice = _choose(problem, seed)
    fit = problem.posterior(choice).fit()
    belief = len(numbers) / (len(numbers) + settings.queries_for_half)
    return features.head(fit, choice, scale, gains, belief)


# --- the model ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """The most probable weights ``(features,)``, offsets ``(queries,)`` and biases ``(levels,)``, the first one 0."""

    weights: Doubles
    offsets: Doubles
    bias: Doubles


@dataclass(frozen=True)
class Posterior:
    """Grades given features: softmax over ``place_k * (design @ weights + offset of the query) + bias_k``.

    Minus its logarithm is convex, so it has one minimum.

    Attributes:
        design: ``(n, features)``.
        place: ``(levels,)`` from 0 to 1.
        grade: ``(n,)`` which level each pair has.
        group: ``(n,)`` which query, counted from 0.
        mean: ``(features,)`` prior mean of the weights.
        spread: ``(features,)`` prior standard deviation.
        query_spread: Prior standard deviation of the offsets; 0 leaves them out.
        bias_spread: Prior standard deviation of the biases.
        least: Lower bound of the first weight.
        counts: ``(n,)`` how much each pair counts; None is 1 each.
    """

    design: Doubles
    place: Doubles
    grade: Integers
    group: Integers
    mean: Doubles
    spread: Doubles
    query_spread: float
    bias_spread: float = _BIAS_SPREAD
    least: float = -np.inf
    counts: Doubles | None = None

    @property
    def _counts(self) -> Doubles:
        return np.ones(len(self.grade)) if self.counts is None else self.counts

    @property
    def start(self) -> Doubles:
        """The prior's mean of all unknowns: weights, offsets, biases but the first."""
        offsets = int(self.group.max()) + 1 if self.query_spread else 0
        return np.concatenate([self.mean, np.zeros(offsets + len(self.place) - 1)])

    def value(self, unknowns: Doubles) -> tuple[float, Doubles]:
        """Minus the log posterior, but for a constant, and its gradient."""
        weights, offsets, bias = self._split(unknowns)
        counts = self._counts
        score = self.design @ weights + (offsets[self.group] if len(offsets) else 0.0)
        chance, likelihood = _likelihood(score, self.place, bias, self.grade)
        by_score = counts * (chance @ self.place - self.place[self.grade])
        by_bias = (counts[:, None] * chance).sum(axis=0) - np.bincount(self.grade, counts, len(bias))
        away = (weights - self.mean) / self.spread
        value = -(counts * likelihood).sum() + (away @ away + bias @ bias / self.bias_spread**2) / 2
        gradient = [self.design.T @ by_score + away / self.spread]
        if len(offsets):
            value += offsets @ offsets / self.query_spread**2 / 2
            gradient.append(np.bincount(self.group, by_score, len(offsets)) + offsets / self.query_spread**2)
        gradient.append((by_bias + bias / self.bias_spread**2)[1:])
        return float(value), np.concatenate(gradient)

    def fit(self) -> Fit:
        """The most probable weights, by L-BFGS."""
        bounds = [(self.least, None)] + [(None, None)] * (len(self.start) - 1)
        options = {"maxiter": 2_000, "maxcor": 20, "ftol": 1e-12, "gtol": 1e-6}
        found = minimize(self.value, self.start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        return Fit(*self._split(found.x))

    def held_out(self, fit: Fit) -> Doubles:
        """Minus the log likelihood of each query ``(queries,)`` under weights found on others; 0 where it has no pair.

        A query's own offset is not known beforehand and no matter of ranking: it is set to its best value.
        """
        counts = self._counts
        sizes = np.bincount(self.group, counts, int(self.group.max()) + 1)
        offsets = np.zeros(len(sizes))
        fixed = self.design @ fit.weights
        variance = self.query_spread**2
        low, high = -variance * sizes, variance * sizes  # a pair pulls by at most what it counts
        for _ in range(50 if variance else 0):
            offsets = (low + high) / 2
            chance, _ = _likelihood(fixed + offsets[self.group], self.place, fit.bias, self.grade)
            pull = np.bincount(self.group, counts * (chance @ self.place - self.place[self.grade]), len(sizes))
            above = pull + offsets / variance > 0
            low, high = np.where(above, low, offsets), np.where(above, offsets, high)
        _, likelihood = _likelihood(fixed + offsets[self.group], self.place, fit.bias, self.grade)
        penalty = offsets**2 / variance / 2 if variance else 0.0
        return np.asarray(np.bincount(self.group, -counts * likelihood, len(sizes)) + penalty)

    def only(self, rows: NDArray[np.bool_]) -> Posterior:
        """The same with some pairs alone; queries keep their numbers."""
        counts = None if self.counts is None else self.counts[rows]
        return replace(self, design=self.design[rows], grade=self.grade[rows], group=self.group[rows], counts=counts)

    def _split(self, unknowns: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        weights, offsets, bias = np.split(unknowns, [len(self.mean), len(unknowns) - len(self.place) + 1])
        return weights, offsets, np.concatenate([[0.0], bias])


def _likelihood(score: Doubles, place: Doubles, bias: Doubles, grade: Integers) -> tuple[Doubles, Doubles]:
    """Probabilities ``(n, levels)`` and the logarithm of each pair's own ``(n,)``."""
    logits = np.outer(score, place) + bias
    chance = softmax(logits)
    own = np.arange(len(grade))
    top = logits.max(axis=1)
    return chance, logits[own, grade] - top - np.log(np.exp(logits - top[:, None]).sum(axis=1))


# --- features ----------------------------------------------------------------------------------------------

Choice = tuple[float, float]
"""How much may be learnt: prior standard deviations of the two corrections and of the free weights; 0 is nothing."""


@dataclass(frozen=True)
class _Features:
    """What ``n`` pairs look like to the model, and the way back from weights to a head."""

    first: Doubles  # (n,), the ranking before any pair is seen: the cosine, and the wording as others taught
    told: float
    corrections: Doubles  # (n, 2): wording, and the centred cosine less the plain one, over their sizes
    free: Doubles  # (n, 3 rank + rank^2): x_q, x_i, |x_q - x_i| and the products, in the basis
    first_size: float
    correction_sizes: Doubles  # (2,)
    centre_query: Doubles
    centre_text: Doubles
    basis: Doubles  # (dim, rank)

    def design(self, choice: Choice) -> Doubles:
        """``(n, features)`` of which the prior's standard deviation is 1 but for the cosine's weight."""
        return np.concatenate([self.first[:, None], *self._scaled(choice)], axis=1)

    def _scaled(self, choice: Choice) -> list[Doubles]:
        return [part * spread for part, spread in zip((self.corrections, self.free), choice, strict=True) if spread]

    def head(self, fit: Fit, choice: Choice, scale: Doubles, gains: Doubles, belief: float) -> TaskHead:
        """The head with these weights: in units of cosine, of vectors that are not centred, corrections by belief."""
        slope, rest = fit.weights[0], belief * fit.weights[1:] / fit.weights[0]
        rank = self.basis.shape[1]
        words, centred = np.zeros(2)
        if choice[0]:
            words, centred = rest[:2] * choice[0] / self.correction_sizes
            rest = rest[2:]
        free = rest * choice[1] if choice[1] else np.zeros(rank * (rank + 3))
        query, text, distance, bilinear = np.split(free, [rank, 2 * rank, 3 * rank])
        place = (scale - scale[0]) / np.ptp(scale)
        middle = self.design(choice).mean(axis=0) @ np.append(slope, belief * fit.weights[1:])  # what centring took
        return TaskHead(
            grades=scale,
            gains=gains,
            bias=fit.bias - middle * place,
            slope=float(slope),
            centre_query=self.centre_query,
            centre_text=self.centre_text,
            centred=float(centred),
            wording=float(self.told + words),
            query=self.basis @ query,
            text=self.basis @ text,
            basis=self.basis,
            distance=distance,
            bilinear=bilinear.reshape(rank, rank),
        )


def _features(q: Doubles, t: Doubles, words: Doubles, group: Integers, settings: HeadSettings) -> _Features:
    _, first = np.unique(group, return_index=True)
    centre_query, centre_text = q[first].mean(axis=0), t.mean(axis=0)
    _, lengths, axes = np.linalg.svd(np.concatenate([q[first], t]), full_matrices=False)
    basis = axes[: settings.rank][lengths[: settings.rank] > 1e-6 * lengths[0]].T
    low_q, low_t = q @ basis, t @ basis
    cosine = np.einsum("ij,ij->i", q, t)
    first_score = cosine + settings.wording * words
    moved = centred_cosine(q, t, centre_query, centre_text) - cosine
    corrections = np.stack([words, moved], axis=1)
    sizes = _size(corrections, np.array(_USUAL_CORRECTIONS))
    products = (low_q[:, :, None] * low_t[:, None, :]).reshape(len(q), -1)
    return _Features(
        first=first_score,
        told=settings.wording,
        corrections=corrections / sizes,
        free=np.concatenate([low_q, low_t, np.abs(low_q - low_t), products], axis=1),
        first_size=float(_size(first_score, np.array(_USUAL_COSINE))),
        correction_sizes=sizes,
        centre_query=centre_query,
        centre_text=centre_text,
        basis=basis,
    )


def _size(columns: Doubles, usual: Doubles) -> Doubles:
    """Standard deviations, drawn to the usual one where there are few rows."""
    n = len(columns)
    return np.asarray(np.sqrt((n * columns.var(axis=0) + _USUAL_PAIRS * usual**2) / (n + _USUAL_PAIRS)))


# --- what to let in ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Problem:
    """Judged pairs, ready to be explained in one way or another."""

    features: _Features
    place: Doubles
    grade: Integers
    group: Integers
    settings: HeadSettings
    counts: Doubles

    def posterior(self, choice: Choice) -> Posterior:
        design = self.features.design(choice)
        mean, spread = np.zeros(design.shape[1]), np.ones(design.shape[1])
        mean[0] = _COSINE_LOGITS / self.features.first_size
        spread[0] = _COSINE_LOGITS_SPREAD / self.features.first_size
        return Posterior(
            design=design - design.mean(axis=0),
            place=self.place,
            grade=self.grade,
            group=self.group,
            mean=mean,
            spread=spread,
            query_spread=self.settings.query_spread,
            least=_LEAST_SLOPE * mean[0],
            counts=self.counts,
        )


def _choose(problem: _Problem, seed: int) -> Choice:
    """What to let in: wording and centre alone, unless another choice explains queries left out better.

    Better by more than two standard errors over the queries; of several such choices, the one that does so by most.
    """
    settings = problem.settings
    usual = (settings.correction_spread, 0.0)
    groups = int(problem.group.max()) + 1
    if len(problem.grade) < settings.choose_from or groups < 2 * settings.folds:
        return usual
    fold = np.random.default_rng(seed).permutation(groups)[problem.group] % settings.folds
    losses: dict[Choice, Doubles] = {}
    for choice in (usual, (0.0, 0.0), *((settings.correction_spread, spread) for spread in settings.free_spreads)):
        whole, losses[choice] = problem.posterior(choice), np.zeros(groups)
        for number in range(settings.folds):
            out = fold == number
            if out.any():
                found = whole.only(out).held_out(whole.only(~out).fit())
                losses[choice][: len(found)] += found
    gained = {choice: losses[usual] - loss for choice, loss in losses.items()}
    sure = [choice for choice, by in gained.items() if by.sum() > 2 * by.std() * np.sqrt(groups)]
    return max(sure, key=lambda choice: float(gained[choice].sum()), default=usual)
