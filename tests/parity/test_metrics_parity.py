"""Our metrics against ir_measures (pytrec_eval, gdeval, its own judged provider) on random rankings."""

import random
import shutil

import ir_measures
import pytest
from ir_measures import AP, ERR, RR, Judged, P, R, nDCG

from aisle.evaluate import evaluate
from aisle.judgments import read_run
from aisle.metrics import Metric
from aisle.types import Judgment

EXP2 = {0: 0, 1: 1, 2: 3, 3: 7, 4: 15}
PAIRS = [
    ("nDCG@10", nDCG(gains=EXP2) @ 10),
    ("nDCG", nDCG(gains=EXP2)),
    ("nDCG(gain=linear)@10", nDCG @ 10),
    ("nDCG(gain=linear)@3", nDCG @ 3),
    ("nDCG(gain=0:0,1:0.01,2:0.1,3:1,4:2)@10", nDCG(gains={0: 0, 1: 1, 2: 10, 3: 100, 4: 200}) @ 10),
    ("MAP", AP),
    ("MAP@7", AP @ 7),
    ("MAP(rel=2)@7", AP(rel=2) @ 7),
    ("MRR", RR),
    ("MRR(rel=3)", RR(rel=3)),
    ("P@5", P @ 5),
    ("P(rel=2)@10", P(rel=2) @ 10),
    ("R@5", R @ 5),
    ("R(rel=2)@20", R(rel=2) @ 20),
]


def random_case(seed, lowest=0):
    """Judgments and a run with ties, gaps, unjudged products, a query without results and one without judgments."""
    rng = random.Random(seed)
    qrels, run = {}, {}
    for number in range(12):
        query = str(number)
        pool = [f"d{product}" for product in range(rng.choice([3, 15, 40]))]
        judged = rng.sample(pool, rng.randint(1, len(pool)))
        qrels[query] = {product: rng.randint(lowest, 4) for product in judged}
        qrels[query][judged[0]] = rng.randint(3, 4)  # something relevant at every level that is measured
        if number == 5:
            continue
        found = rng.sample(pool, rng.randint(1, len(pool)))
        run[query] = {product: float(rng.randint(0, 6)) for product in found}
    run["99"] = {"d1": 1.0}
    return qrels, run


def write_and_read(run, tmp_path):
    """The order comes from our reader, so that its ties are checked too."""
    path = tmp_path / "run.trec"
    lines = [f"{query} Q0 {product} 0 {score} x" for query, hits in run.items() for product, score in hits.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_run(path)


def judgments_of(qrels):
    return [
        Judgment(query, "", product, float(grade)) for query, found in qrels.items() for product, grade in found.items()
    ]


def reference(measure, qrels, run, queries):
    """Per query; one that the reference leaves out for want of results counts as 0, as in the reference's mean."""
    found = {item.query_id: item.value for item in ir_measures.iter_calc([measure], qrels, run)}
    return {query: found.get(query, 0.0) for query in queries}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("name", "measure"), PAIRS, ids=[name for name, _ in PAIRS])
def test_against_trec_eval_in_both_treatments(seed, name, measure, tmp_path):
    qrels, run = random_case(seed)
    metric = Metric.parse(name)
    ours = evaluate(write_and_read(run, tmp_path), judgments_of(qrels), [metric])
    expected = reference(measure, qrels, run, qrels)
    assert ours.values(metric, "wrong") == pytest.approx(expected, abs=1e-9)
    assert ours.summary(metric).interval.mean == pytest.approx(
        ir_measures.calc_aggregate([measure], qrels, run)[measure]
    )
    expected = reference(measure(judged_only=True), qrels, run, qrels)
    assert ours.values(metric, "removed") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["nDCG@10", "MAP", "MRR", "P@5", "R@5"])
def test_negative_grades_are_as_good_as_grade_0(seed, name, tmp_path):
    qrels, run = random_case(seed, lowest=-2)
    floor = {query: {product: max(0, grade) for product, grade in found.items()} for query, found in qrels.items()}
    metric, measure = Metric.parse(name), dict(PAIRS)[name]
    ours = evaluate(write_and_read(run, tmp_path), judgments_of(qrels), [metric])
    for treatment, judged_only in (("wrong", False), ("removed", True)):
        expected = reference(measure(judged_only=judged_only), floor, run, qrels)
        assert ours.values(metric, treatment) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("cutoff", [1, 5, 10])
def test_mrr_with_a_cutoff(cutoff, tmp_path):
    """trec_eval has no cut-off for it: where the first relevant rank is beyond, the value is 0."""
    qrels, run = random_case(7)
    metric = Metric.parse(f"MRR@{cutoff}")
    ours = evaluate(write_and_read(run, tmp_path), judgments_of(qrels), [metric])
    full = reference(RR, qrels, run, qrels)
    expected = {query: value if value >= 1 / cutoff - 1e-9 else 0.0 for query, value in full.items()}
    assert ours.values(metric) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_judged_share(seed, tmp_path):
    """ir_measures breaks ties the other way here, so scores are made distinct."""
    qrels, run = random_case(seed)
    run = {q: {p: score + 0.001 * place for place, (p, score) in enumerate(found.items())} for q, found in run.items()}
    metric = Metric.parse("judged@10")
    ours = evaluate(write_and_read(run, tmp_path), judgments_of(qrels), [metric])
    assert ours.values(metric) == pytest.approx(reference(Judged @ 10, qrels, run, qrels))


@pytest.mark.skipif(shutil.which("perl") is None, reason="gdeval is a Perl script")
@pytest.mark.parametrize("cutoff", [1, 5, 20])
def test_err_and_ndcg_against_gdeval(cutoff, tmp_path):
    """gdeval prints five decimals; its scale ends at 4."""
    qrels, run = random_case(3, lowest=-1)
    err, gain = Metric.parse(f"ERR@{cutoff}"), Metric.parse(f"nDCG@{cutoff}")
    ours = evaluate(write_and_read(run, tmp_path), judgments_of(qrels), [err, gain])
    for metric, measure in ((err, ERR @ cutoff), (gain, nDCG(dcg="exp-log2") @ cutoff)):
        assert ours.values(metric) == pytest.approx(reference(measure, qrels, run, qrels), abs=6e-6)
