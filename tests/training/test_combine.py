"""Weights of signals: another optimiser of the sums written out, what no judgments may do, and what some must find."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from aisle.errors import InputError
from aisle.evaluate.pools import mean_ndcg
from aisle.training.combine import fit_weights


def groups_of(queries: int, texts: int) -> list[list[int]]:
    return [list(range(query * texts, (query + 1) * texts)) for query in range(queries)]


def ndcg(groups, levels, scores) -> float:
    return mean_ndcg({str(number): rows for number, rows in enumerate(groups)}, levels, scores)


def planted(queries: int = 30, texts: int = 8, seed: int = 0):
    """Three signals, of which the second decides; the first helps a little and the third is noise."""
    generator = np.random.default_rng(seed)
    groups = groups_of(queries, texts)
    signals = generator.normal(size=(queries * texts, 3)) * [0.1, 0.3, 1.0]
    wanted = 0.5 * signals[:, 0] / 0.1 + 2 * signals[:, 1] / 0.3
    levels = np.digitize(wanted, [-1.0, 0.5, 2.0]).astype(float)
    return signals, levels, groups


# --- the objective -----------------------------------------------------------------------------------------


def slow_weights(signals, levels, groups, least=0.15):
    """The documented objective one pair at a time, minimised without a gradient."""
    count = signals.shape[1]
    deviations = [float(np.std(signals[:, k])) for k in range(count)]

    def objective(weights):
        total = 0.0
        for rows in groups:
            losses, shares = [], []
            for better in rows:
                for worse in rows:
                    gained = (2 ** levels[better] - 1) - (2 ** levels[worse] - 1)
                    if gained > 0:
                        margin = sum(
                            weights[k] * (signals[better][k] - signals[worse][k]) / deviations[k] for k in range(count)
                        )
                        losses.append(gained * math.log1p(math.exp(-margin)))
                        shares.append(gained)
            total += sum(losses) / sum(shares) if shares else 0.0
        for k, prior in enumerate([1.5, *[0.0] * (count - 1)]):
            total += (weights[k] - prior) ** 2 / (2 * 0.6**2)
        return total

    exact = {"xtol": 1e-7, "ftol": 1e-12}
    bounds = [(least, 9.0), *[(-9.0, 9.0)] * (count - 1)]
    found = minimize(objective, [1.0, *[0.1] * (count - 1)], method="Powell", bounds=bounds, options=exact).x
    weights = [found[k] / deviations[k] for k in range(count)]
    return np.array(weights) / weights[0]


@pytest.mark.parametrize("seed", range(4))
def test_the_weights_are_those_of_a_slow_optimiser_of_the_sums_written_out(seed):
    generator = np.random.default_rng(seed)
    signals = generator.normal(size=(24, 3)) * [0.5, 1.0, 2.0]
    levels = generator.integers(0, 4, 24).astype(float)
    groups = [[0, 1, 2, 3, 4, 5, 6], [7, 8], [9], list(range(10, 24))]  # uneven: each query counts the same
    np.testing.assert_allclose(fit_weights(signals, levels, groups), slow_weights(signals, levels, groups), atol=1e-2)


def test_they_are_so_where_the_bound_of_the_first_holds():
    signals, _, groups = planted(40, 4)
    levels = np.digitize(-signals[:, 0] / 0.1 + signals[:, 1] / 0.3, [-1.0, 0.5, 2.0]).astype(float)
    found = fit_weights(signals, levels, groups)
    np.testing.assert_allclose(found, slow_weights(signals, levels, groups), rtol=1e-2, atol=1e-2)
    free = slow_weights(signals, levels, groups, least=-9.0)
    assert free[1] < 0 < found[1], "without the bound the first signal would be turned around"


# --- nothing to learn from ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "groups"),
    [
        (np.arange(12) % 3.0, []),
        (np.arange(12) % 3.0, [[]]),
        (np.arange(12) % 3.0, [[row] for row in range(12)]),
        (np.full(12, 2.0), groups_of(3, 4)),
        (np.repeat([0.0, 1.0, 3.0], 4), groups_of(3, 4)),
    ],
    ids=["no query", "an empty query", "one text each", "one level", "one level each"],
)
def test_without_pairs_that_tell_it_is_the_first_signal_alone(levels, groups):
    signals = np.random.default_rng(0).normal(size=(12, 3))
    assert fit_weights(signals, levels, groups).tolist() == [1, 0, 0]


def test_no_rows_at_all():
    assert fit_weights(np.empty((0, 3)), np.empty(0), []).tolist() == [1, 0, 0]


def test_where_nothing_varies_it_is_the_first_signal_alone():
    assert fit_weights(np.ones((4, 3)), np.array([0.0, 1.0, 0.0, 1.0]), groups_of(2, 2)).tolist() == [1, 0, 0]


# --- something to learn from -------------------------------------------------------------------------------


def test_a_signal_that_decides_is_found_and_serves_other_queries():
    signals, levels, groups = planted()
    found = fit_weights(signals, levels, groups)
    assert found[1] > 0.5
    # In standard deviations; 30 queries tell the noise from what decides.
    assert abs(found[2]) * 1.0 < 0.2 * found[1] * 0.3
    others, their_levels, their_groups = planted(seed=1)
    before = ndcg(their_groups, their_levels, others[:, 0])
    assert ndcg(their_groups, their_levels, others @ found) > before + 0.1


def test_one_that_misleads_is_turned_around():
    signals, levels, groups = planted()
    turned = signals * [1, -1, 1]
    np.testing.assert_allclose(
        fit_weights(turned, levels, groups), fit_weights(signals, levels, groups) * [1, -1, 1], atol=1e-4
    )


def test_more_queries_move_the_weights_further():
    signals, levels, groups = planted(60)
    weights = [fit_weights(signals, levels, groups[:count])[1] for count in (1, 4, 60)]
    assert 0 < weights[0] < weights[1] < weights[2]


def test_a_constant_signal_has_no_weight():
    signals, levels, groups = planted()
    for constant in (0.0, 0.1, 7.0):
        beside = np.column_stack([signals[:, :2], np.full(len(signals), constant)])
        found = fit_weights(beside, levels, groups)
        assert found[2] == 0
        np.testing.assert_allclose(found[:2], fit_weights(signals[:, :2], levels, groups), atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_first_weight_is_exactly_one(seed):
    generator = np.random.default_rng(seed)
    signals, levels = generator.normal(size=(60, 4)), generator.integers(0, 3, 60).astype(float)
    for scale in (1e-3, 1.0, 1e3):
        found = fit_weights(signals * scale, levels, groups_of(10, 6))
        assert found[0] == 1
        assert found.shape == (4,)


def test_the_first_signal_keeps_its_sign_however_the_judgments_fall():
    signals, _, groups = planted()
    found = fit_weights(signals, np.digitize(-signals[:, 0], [0.0]).astype(float), groups)
    assert found[0] == 1
    assert np.isfinite(found).all()


def test_the_unit_of_a_signal_does_not_count():
    signals, levels, groups = planted()
    found = fit_weights(signals, levels, groups)
    for place in (1, 2):
        unit = np.ones(3)
        unit[place] = 10
        scaled = fit_weights(signals * unit, levels, groups)
        np.testing.assert_allclose(scaled, found / unit, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose((signals * unit) @ scaled, signals @ found, atol=1e-5)
    # Of the first, everything else grows with it, and the order stays.
    scaled = fit_weights(signals * [10, 1, 1], levels, groups)
    np.testing.assert_allclose(scaled, found * [1, 10, 10], rtol=1e-4, atol=1e-5)


def test_rows_of_no_query_and_inputs_stay_untouched():
    signals, levels, groups = planted()
    kept = signals.copy(), levels.copy()
    ours = fit_weights(signals, levels, groups)
    np.testing.assert_array_equal(signals, kept[0])
    np.testing.assert_array_equal(levels, kept[1])
    np.testing.assert_array_equal(fit_weights(signals, levels, groups), ours)


# --- what does not fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4,), (3, 2), (4, 0), (4, 2, 1), (5, 2)])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(InputError, match=r"signals of shape \(.*\) for 4 levels") as caught:
        fit_weights(np.ones(shape), np.arange(4.0), [[0, 1]])
    assert caught.value.allowed == "(n, k) and (n,)"
