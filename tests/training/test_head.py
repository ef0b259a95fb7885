"""Fitting the layer: its gradient, other solvers, what no data and little data may do, and what much data must find."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize
from sklearn.linear_model import LogisticRegression

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import InputError
from aisle.metrics import Metric
from aisle.rerankers.head import TaskHead, wording
from aisle.training.head import HeadSettings, Posterior, fit_head

DIM = 12


def unit_rows(count: int, seed: int, dim: int = DIM) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def a_posterior(seed: int = 0, **changes) -> Posterior:
    """40 pairs of 7 queries, 3 features, 4 grades at uneven places."""
    generator = np.random.default_rng(seed)
    made = Posterior(
        design=generator.normal(size=(40, 3)),
        place=np.array([0.0, 0.2, 0.5, 1.0]),
        grade=generator.integers(0, 4, 40),
        group=np.arange(40) % 7,
        mean=np.array([2.0, 0.0, 0.0]),
        spread=np.array([0.7, 1.0, 0.3]),
        query_spread=0.8,
    )
    return dataclasses.replace(made, **changes)


def judged(count: int, seed: int, queries: int = 20) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Random pairs of vectors, ``queries`` queries in turn."""
    q = unit_rows(queries, seed)[np.arange(count) % queries]
    t = unit_rows(count, seed + 1) + q
    return q, t / np.linalg.norm(t, axis=1, keepdims=True), [f"q{i % queries}" for i in range(count)]


# --- the objective -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query_spread", [0.8, 0.0])
def test_gradient_is_that_of_finite_differences(query_spread):
    posterior = a_posterior(query_spread=query_spread)
    for seed in range(5):
        point = posterior.start + np.random.default_rng(seed).normal(size=len(posterior.start))
        away = check_grad(lambda x: posterior.value(x)[0], lambda x: posterior.value(x)[1], point)
        assert away < 1e-5 * np.linalg.norm(posterior.value(point)[1])


def test_value_is_the_sum_written_out():
    posterior = a_posterior()
    weights, offsets, bias = np.array([1.0, -0.5, 2.0]), np.linspace(-1, 1, 7), np.array([0.0, 0.3, -0.2, 1.0])
    total = 0.0
    for row, grade, group in zip(posterior.design, posterior.grade, posterior.group, strict=True):
        score = sum(row * weights) + offsets[group]
        powers = [np.exp(place * score + b) for place, b in zip(posterior.place, bias, strict=True)]
        total -= np.log(powers[grade] / sum(powers))
    total += sum((weights - posterior.mean) ** 2 / posterior.spread**2) / 2
    total += sum(offsets**2) / 0.8**2 / 2 + sum(bias**2) / 3.0**2 / 2
    assert posterior.value(np.concatenate([weights, offsets, bias[1:]]))[0] == pytest.approx(total, rel=1e-12)


def test_the_minimum_is_that_of_a_slow_optimiser_without_gradient():
    posterior = a_posterior()
    found = posterior.fit()
    exact = {"xtol": 1e-10, "ftol": 1e-14, "maxiter": 1_000, "maxfev": 200_000}
    slow = minimize(lambda x: posterior.value(x)[0], posterior.start, method="Powell", options=exact)
    ours = np.concatenate([found.weights, found.offsets, found.bias[1:]])
    assert posterior.value(ours)[0] <= slow.fun + 1e-9
    np.testing.assert_allclose(ours, slow.x, atol=1e-4)


def test_two_grades_without_offsets_are_logistic_regression():
    generator = np.random.default_rng(3)
    design = generator.normal(size=(200, 4))
    grade = (design @ [1.0, -2.0, 0.0, 0.5] + generator.normal(size=200) > 0.3).astype(np.int64)
    posterior = Posterior(
        design, np.array([0.0, 1.0]), grade, np.zeros(200, np.int64), np.zeros(4), np.full(4, 0.6), 0.0, bias_spread=1e6
    )
    found = posterior.fit()
    reference = LogisticRegression(C=0.6**2, tol=1e-10, max_iter=10_000).fit(design, grade)
    np.testing.assert_allclose(found.weights, reference.coef_[0], rtol=1e-4, atol=1e-5)
    assert found.bias[1] == pytest.approx(reference.intercept_[0], abs=1e-4)


def test_a_query_left_out_has_its_best_offset():
    posterior = a_posterior()
    fit = posterior.fit()
    found = posterior.held_out(fit)
    for query in range(7):
        alone = posterior.only(posterior.group == query)
        fixed = alone.design @ fit.weights

        def loss(offset, alone=alone, fixed=fixed):
            logits = np.outer(fixed + offset, alone.place) + fit.bias
            own = logits[np.arange(len(alone.grade)), alone.grade]
            return float(np.log(np.exp(logits).sum(axis=1)).sum() - own.sum() + offset**2 / 0.8**2 / 2)

        assert found[query] == pytest.approx(min(loss(offset) for offset in np.linspace(-8, 8, 16_001)), abs=1e-5)


def test_the_slope_never_turns_the_cosine_around():
    q, t, groups = judged(200, 5)
    against = (np.einsum("ij,ij->i", q, t) < 0.7).astype(float)
    assert fit_head(q, t, against, groups, HeadSettings(), 0).slope > 0


# --- little data -------------------------------------------------------------------------------------------


def test_no_pair_is_the_cosine_exactly():
    none = fit_head(np.zeros((0, DIM)), np.zeros((0, DIM)), np.zeros(0), [], HeadSettings(scale=(0, 1, 2)), 0)
    queries, texts = unit_rows(300, 1), unit_rows(300, 2)
    cosines = np.einsum("ij,ij->i", queries, texts)
    np.testing.assert_array_equal(none.score(queries, texts), cosines.astype(np.float32))
    np.testing.assert_array_equal(none.gains, [0, 1, 3])
    np.testing.assert_array_equal(np.argsort(none.gain(queries, texts)), np.argsort(cosines))


@pytest.mark.parametrize("grade", [0.0, 3.0])
def test_one_grade_alone_teaches_nothing(grade):
    q, t, groups = judged(10, 1)
    head = fit_head(q, t, np.full(10, grade), groups, HeadSettings(), 0, np.linspace(0, 1, 10))
    np.testing.assert_array_equal(head.score(q, t), np.einsum("ij,ij->i", q, t).astype(np.float32))


def test_eight_pairs_move_the_ranking_little_whatever_they_say():
    """Every way of judging eight pairs good or bad: the order of other texts hardly leaves that of the cosine."""
    q, t, groups = judged(8, 7, queries=4)
    others, texts, _ = judged(400, 50, queries=1)
    cosines = np.einsum("ij,ij->i", others, texts)
    words, asked = np.random.default_rng(0).random(8), np.random.default_rng(1).random(400)
    least = min(
        np.corrcoef(fit_head(q, t, np.array(y), groups, HeadSettings(), 0, words).score(others, texts, asked), cosines)[
            0, 1
        ]
        for y in itertools.product((0.0, 1.0), repeat=8)
    )
    assert least > 0.9


def test_one_query_decides_less_than_many():
    """The same pairs, all for wording: told as one query's they move less than told as forty queries'."""
    q, t, _ = judged(40, 7, queries=1)
    words = np.linspace(0, 1, 40)
    told = [
        fit_head(q, t, (words > 0.5).astype(float), groups, HeadSettings(), 0, words).wording
        for groups in (["one"] * 40, [f"q{i}" for i in range(40)])
    ]
    assert 0 < told[0] < told[1] / 3


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_handful_of_pairs_is_fitted_and_stays_finite(count):
    q, t, groups = judged(count, 3)
    head = fit_head(q, t, np.arange(count) % 2, groups, HeadSettings(scale=(0, 1, 2)), 0, np.ones(count))
    assert np.isfinite(head.score(*judged(50, 9)[:2], np.linspace(0, 1, 50))).all()
    np.testing.assert_allclose(head.probabilities(q, t, np.ones(count)).sum(axis=1), 1.0)


# --- what there is to learn --------------------------------------------------------------------------------


def ordered(score: np.ndarray, truth: np.ndarray, group: np.ndarray) -> float:
    """Share of pairs of one query with different truth that the score orders rightly."""
    right = total = 0
    for query in np.unique(group):
        s, y = score[group == query], truth[group == query]
        better = y[:, None] > y[None, :]
        right += int((better & (s[:, None] > s[None, :])).sum())
        total += int(better.sum())
    return right / total


def planted(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Only half the coordinates say what is relevant; the cosine hears the other half as loudly."""
    q, t = np.repeat(unit_rows(60, seed), 20, axis=0), unit_rows(1200, seed + 1)
    heard = np.einsum("ij,ij->i", q[:, :6], t[:, :6])
    return q, t, np.digitize(heard, [-0.15, 0.0, 0.15]).astype(float), np.repeat(np.arange(60), 20)


def test_it_learns_which_directions_matter_where_cosine_cannot():
    q, t, y, group = planted(11)
    head = fit_head(q, t, y, [str(g) for g in group], HeadSettings(), 0)
    other_q, other_t, truth, other = planted(77)
    assert ordered(np.einsum("ij,ij->i", other_q, other_t), truth, other) < 0.8
    assert ordered(head.score(other_q, other_t), truth, other) > 0.95
    assert np.abs(head.bilinear).max() > 0


def test_it_learns_that_raters_go_by_the_wording():
    q, t, groups = judged(300, 1, queries=30)
    words = np.random.default_rng(2).random(300)
    y = np.digitize(words + 0.05 * np.random.default_rng(3).normal(size=300), [0.25, 0.5, 0.75]).astype(float)
    head = fit_head(q, t, y, groups, HeadSettings(), 0, words)
    group = np.array([int(name[1:]) for name in groups])
    assert ordered(np.einsum("ij,ij->i", q, t), y, group) < 0.6
    assert ordered(head.score(q, t, words), y, group) > 0.85
    assert fit_head(q, t, y, groups, HeadSettings(), 0).wording == 0.0


def test_noise_lets_no_free_weights_in():
    q, t, groups = judged(300, 21, queries=30)
    y = np.random.default_rng(5).integers(0, 3, 300).astype(float)
    head = fit_head(q, t, y, groups, HeadSettings(), 0)
    for part in (head.text, head.query, head.distance, head.bilinear):
        assert not part.any()


def test_probabilities_are_right_on_average():
    q, t, y, group = planted(11)
    head = fit_head(q, t, y, [str(g) for g in group], HeadSettings(scale=(0, 1, 2, 3, 4)), 0)
    other_q, other_t, truth, _ = planted(77)
    shares = np.bincount(truth.astype(int), minlength=5) / len(truth)
    chances = head.probabilities(other_q, other_t)
    np.testing.assert_allclose(chances.mean(axis=0), shares, atol=0.03)
    own = chances[np.arange(len(truth)), truth.astype(int)]
    assert np.log(own).mean() > (shares[:4] * np.log(shares[:4])).sum() + 0.3


def test_four_classes_with_their_own_gains():
    q, t, y, group = planted(11)
    settings = HeadSettings(scale=(0, 1, 2, 3), gains=(0.0, 0.01, 0.1, 1.0))
    head = fit_head(q, t, y, [str(g) for g in group], settings, 0)
    expected = head.probabilities(q, t) @ [0.0, 0.01, 0.1, 1.0]
    np.testing.assert_allclose(head.gain(q, t), expected)
    best = np.argsort(-head.gain(q, t))[:100]
    assert y[best].mean() > 2.9


def test_binary_labels_of_real_titles():
    """A shop that asks for the phone and not for what belongs to it, said by ten pairs of each kind."""
    encoder = EmbeddedEncoder(threads=1)
    phones = [f"{name} smartphone" for name in ("Nokia 8", "Huawei P30", "Galaxy S9", "Pixel 3", "Moto G7")]
    cases = [f"case for {name} smartphone" for name in ("Nokia 8", "Huawei P30", "Galaxy S9", "Pixel 3", "Moto G7")]
    queries = ["smartphone", "mobile phone"]
    pairs = [(q, t, float(t in phones)) for q in queries for t in phones + cases]
    vectors = [encoder.encode([pair[i] for pair in pairs], kind) for i, kind in ((0, "query"), (1, "product"))]
    words = np.concatenate([wording(q, [t]) for q, t, _ in pairs])
    y = np.array([pair[2] for pair in pairs])
    head = fit_head(*vectors, y, [pair[0] for pair in pairs], HeadSettings(), 0, words)
    metric = Metric.parse("nDCG@10")
    for query in queries:
        rows = [i for i, pair in enumerate(pairs) if pair[0] == query]
        scores = head.score(vectors[0][rows], vectors[1][rows], words[rows])
        ranked = [y[rows[i]] for i in np.argsort(-scores)]
        cosines = np.einsum("ij,ij->i", vectors[0][rows], vectors[1][rows])
        plain = [y[rows[i]] for i in np.argsort(-cosines)]
        assert metric.score(ranked, y[rows].tolist()) >= metric.score(plain, y[rows].tolist())


# --- the same again ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_head():
    q, t, y, group = planted(31)
    heads = [fit_head(q, t, y, [str(g) for g in group], HeadSettings(), 4) for _ in range(2)]
    for field in dataclasses.fields(TaskHead):
        np.testing.assert_array_equal(getattr(heads[0], field.name), getattr(heads[1], field.name))


def test_the_names_of_queries_and_the_inputs_stay_out_of_it():
    q, t, groups = judged(100, 1)
    y, words = np.random.default_rng(2).integers(0, 3, 100).astype(float), np.random.default_rng(3).random(100)
    kept = [part.copy() for part in (q, t, y, words)]
    head = fit_head(q, t, y, groups, HeadSettings(), 0, words)
    other = fit_head(q, t, y, [f"another name {name}" for name in groups], HeadSettings(), 0, words)
    np.testing.assert_array_equal(head.score(q, t, words), other.score(q, t, words))
    for before, after in zip(kept, (q, t, y, words), strict=True):
        np.testing.assert_array_equal(before, after)


# --- what cannot be used -----------------------------------------------------------------------------------

Q, T, GROUPS = judged(4, 1, queries=2)
Y = np.array([0.0, 1.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((Q, T[:3], Y, GROUPS), {}, r"queries of shape \(4, 12\) and texts of shape \(3, 12\)"),
        ((Q[0], T[0], Y, GROUPS), {}, r"queries of shape \(12,\)"),
        ((Q, T, Y[:3], GROUPS), {}, r"4 pairs, levels of shape \(3,\)"),
        ((Q, T, Y, GROUPS[:3]), {}, "3 query ids"),
        ((2 * Q, T, Y, GROUPS), {}, "queries: row 0 has length 2"),
        ((Q, np.where(np.eye(4, DIM) == 1, np.nan, T), Y, GROUPS), {}, "texts: row 0 has length nan"),
        ((Q, T, Y, GROUPS), {"scale": (0, 1)}, "grade 2 is not of the scale"),
        ((Q, T, np.array([0.0, np.nan, 1.0, 1.0]), GROUPS), {}, r"scale \(0.0, 1.0, nan\)"),
        ((Q, T, Y, GROUPS), {"scale": (0, 2, 1)}, r"scale \(0.0, 2.0, 1.0\)"),
        ((Q, T, Y, GROUPS), {"gains": (0, 1)}, r"gains \(0.0, 1.0\) for the grades \(0.0, 1.0, 2.0\)"),
        ((Q, T, Y, GROUPS), {"gains": (0, 3, 1)}, r"gains \(0.0, 3.0, 1.0\)"),
    ],
)
def test_what_cannot_be_used_is_an_error(arguments, settings, message):
    with pytest.raises(InputError, match=message):
        fit_head(*arguments, HeadSettings(**settings), 0)


@pytest.mark.parametrize(
    ("words", "message"), [(np.zeros(3), r"wording of shape \(3,\)"), (np.full(4, np.nan), "wording has numbers")]
)
def test_wording_that_cannot_be_used_is_an_error(words, message):
    with pytest.raises(InputError, match=message):
        fit_head(Q, T, Y, GROUPS, HeadSettings(), 0, words)
