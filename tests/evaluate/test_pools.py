"""nDCG in judged pools: by hand, and against ir_measures and pytrec_eval on random pools with ties."""

import math
import random

import ir_measures
import numpy as np
import pytest
import pytrec_eval
from ir_measures import nDCG

from aisle.errors import MetricError
from aisle.evaluate.pools import best_first, mean_ndcg, pool_ndcg

EXP2 = {level: 2**level - 1 for level in range(4)}


def test_hand_worked_example():
    # ranked by score the levels are 1, 0, 3, 2; gains 1, 0, 7, 3; best order 7, 3, 1, 0
    levels = np.array([0.0, 3.0, 1.0, 2.0])
    scores = np.array([0.8, 0.5, 0.9, 0.1])
    found = 1 + 7 / math.log2(4) + 3 / math.log2(5)
    ideal = 7 + 3 / math.log2(3) + 1 / math.log2(4)
    assert pool_ndcg({"a": range(4)}, levels, scores) == {"a": pytest.approx(found / ideal)}
    first_two = 1 / (7 + 3 / math.log2(3))
    assert pool_ndcg({"a": range(4)}, levels, scores, cutoff=2) == {"a": pytest.approx(first_two)}
    assert mean_ndcg({"a": [0, 1], "b": [2, 3]}, levels, scores) == pytest.approx(
        (1 / math.log2(3) + (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))) / 2
    )


def test_levels_between_whole_numbers():
    levels, scores = np.array([1.33, 0.0, 2.0]), np.array([0.3, 0.2, 0.1], np.float32)
    gain = 2**1.33 - 1
    want = (gain + 3 / math.log2(4)) / (3 + gain / math.log2(3))
    assert pool_ndcg({"a": range(3)}, levels, scores)["a"] == pytest.approx(want)


def test_flat_and_unjudged_queries_are_left_out():
    levels = np.array([2.0, 2.0, 0.0, 1.0, math.nan, math.nan])
    scores = np.arange(6.0)
    pools = {"flat": [0, 1], "zero": [2], "told": [2, 3], "half": [3, 4], "none": [4, 5], "empty": []}
    assert pool_ndcg(pools, levels, scores) == {"told": 1.0}


def test_a_row_without_a_level_takes_no_place():
    levels, scores = np.array([math.nan, 1.0, 0.0]), np.array([9.0, 2.0, 1.0])
    assert pool_ndcg({"a": [0, 1, 2]}, levels, scores) == {"a": 1.0}


def test_ties_to_six_decimals_go_by_row_in_whatever_order_rows_come():
    scores = np.array([0.5, 0.5 + 4e-7, 0.5 + 2e-6, 0.5 - 4e-7])
    for rows in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        assert best_first(rows, scores) == [2, 0, 1, 3]
    assert best_first([0, 1, 2], np.array([math.nan, -math.inf, 1.0])) == [2, 1, 0]


def test_inputs_stay_as_they_are():
    levels, scores, pools = np.array([0.0, 1.0]), np.array([1.0, 2.0]), {"a": [1, 0]}
    pool_ndcg(pools, levels, scores)
    assert (levels.tolist(), scores.tolist(), pools) == ([0.0, 1.0], [1.0, 2.0], {"a": [1, 0]})


def random_pools(seed):
    """Pools of 1 to 30 rows in mixed order, whole levels, scores with ties."""
    rng = random.Random(seed)
    rows = list(range(300))
    rng.shuffle(rows)
    pools = {}
    while rows:
        pools[f"q{len(pools)}"] = [rows.pop() for _ in range(min(len(rows), rng.randint(1, 30)))]
    levels = np.array([rng.choice([0, 0, 1, 2, 3]) for _ in range(300)], np.float64)
    scores = np.array([rng.randint(0, 12) / 7 for _ in range(300)], np.float32)
    return pools, levels, scores


@pytest.mark.parametrize("cutoff", [1, 5, 10])
@pytest.mark.parametrize("seed", range(4))
def test_against_ir_measures_and_pytrec_eval(seed, cutoff):
    pools, levels, scores = random_pools(seed)
    # they break ties by the greater name, so places stand in for scores
    run = {
        query: {str(row): -float(place) for place, row in enumerate(best_first(rows, scores))}
        for query, rows in pools.items()
    }
    told = {query for query, rows in pools.items() if len({levels[row] for row in rows}) > 1}
    grades = {query: {str(row): int(levels[row]) for row in pools[query]} for query in told}
    ours = pool_ndcg(pools, levels, scores, cutoff)
    measured = ir_measures.iter_calc([nDCG(gains=EXP2) @ cutoff], grades, run)
    assert ours == pytest.approx({item.query_id: item.value for item in measured}, abs=1e-9)

    gains = {query: {row: EXP2[level] for row, level in found.items()} for query, found in grades.items()}
    name = f"ndcg_cut_{cutoff}"
    theirs = pytrec_eval.RelevanceEvaluator(gains, {f"ndcg_cut.{cutoff}"}).evaluate(run)
    assert ours == pytest.approx({query: found[name] for query, found in theirs.items()}, abs=1e-9)
    assert mean_ndcg(pools, levels, scores, cutoff) == pytest.approx(np.mean([*ours.values()]))


def test_refused():
    with pytest.raises(MetricError, match="no query has two different levels"):
        mean_ndcg({"a": [0, 1]}, np.ones(2), np.ones(2))
    with pytest.raises(MetricError, match=r"\(3,\) scores for \(2,\) levels"):
        pool_ndcg({"a": [0, 1]}, np.ones(2), np.ones(3))
    with pytest.raises(MetricError, match="met grade 100"):
        pool_ndcg({"a": [0, 1]}, np.array([0.0, 100.0]), np.ones(2))
