"""The gate: numbers worked by hand or by scipy, each check failing alone, and never a crash for want of queries."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats

from aisle.errors import InputError, JudgmentError
from aisle.evaluate import bootstrap_mean, detectable_difference, sign_flip_p
from aisle.training.gate import Check, Evidence, MustPass, Terms, format_verdict, judge
from aisle.training.gate_checks import keeps_must_pass, latency, not_collapsed, number, one_line, signed

# Six queries, each better by .1 or .2.
CURRENT = {"q1": 0.5, "q2": 0.5, "q3": 0.4, "q4": 0.4, "q5": 0.6, "q6": 0.6}
CANDIDATE = {"q1": 0.6, "q2": 0.7, "q3": 0.5, "q4": 0.6, "q5": 0.7, "q6": 0.8}
SCORES = [[0.9, 0.1, 0.5, 0.4]] * 6
LENGTHS = [[10.0, 40.0, 20.0, 50.0]] * 6
KEPT = MustPass("red shoes", "red shoes 42", "blue hat", 0.8, 0.1)
BROKEN = MustPass("red shoes", "red shoes 42", "blue hat", 0.1, 0.8)


def verdict_of(current=CURRENT, candidate=CANDIDATE, scores=None, trivial=None, further=(), **terms):
    scores = SCORES[:1] * len(current) if scores is None else scores
    found = Evidence(current, candidate, scores, {} if trivial is None else trivial)
    return judge(found, Terms(**terms), further)


def shifted(differences, base=0.5):
    """A current and a candidate ranking that differ by these values."""
    current = {f"q{number:03}": base for number in range(len(differences))}
    return current, {query: base + value for query, value in zip(current, differences, strict=True)}


def reason(verdict, name):
    return next(check.reason for check in verdict.checks if check.name == name)


# --- the whole gate ------------------------------------------------------------------------------------------


def test_a_promotion_by_hand():
    verdict = verdict_of(trivial={"text length": LENGTHS}, must_pass=[KEPT], latency_ratio=1.02)
    assert (verdict.promoted, verdict.forced, verdict.failed) == (True, False, ())
    assert [check.name for check in verdict.checks] == ["better", "not collapsed", "must-pass", "latency"]
    assert (verdict.mean_current, verdict.mean_candidate) == pytest.approx((3.0 / 6, 3.9 / 6))
    assert verdict.difference.mean == pytest.approx(0.9 / 6)
    # of the 64 sign patterns only all + and all - are as far from 0 as what was seen
    assert (verdict.p, verdict.exact) == (2 / 64, True)
    # each difference lies .05 from the mean: sd = sqrt(6 * .05^2 / 5)
    assert verdict.detectable == pytest.approx(2.80159 * math.sqrt(0.003) / math.sqrt(6), rel=1e-4)
    assert (verdict.queries, verdict.wins, verdict.losses, verdict.ties) == (6, 6, 0, 0)
    assert [check.reason for check in verdict.checks] == [
        "+.150 [+.117, +.183], p .0312; queries: 6 better, 0 worse, 0 the same; "
        "the smallest detectable difference is .063",
        # ranks 4 1 3 2 and 1 3 2 4: the squared differences 9 4 1 4 sum to 18, 1 - 6 * 18 / (4 * 15) = -.8
        "scores differ in 6 of 6 queries; highest rank correlation with a trivial feature: "
        "-.800 with text length (measured in 6 of 6 queries)",
        "1 of 1 must-pass queries hold",
        "a query takes 1.02 times as long as now, at most 1.5 allowed",
    ]


def test_the_numbers_are_those_of_the_comparison():
    differences = np.random.default_rng(0).normal(0.01, 0.08, 95).round(3)
    current, candidate = shifted(differences)
    found = verdict_of(current, candidate, seed=4)
    values = [candidate[query] - current[query] for query in current]
    assert found.difference == bootstrap_mean(values, seed=4)
    assert (found.p, found.exact) == sign_flip_p(values, seed=4)
    assert not found.exact
    assert found.detectable == detectable_difference(values)
    assert verdict_of(current, candidate, alpha=0.01).detectable == detectable_difference(values, alpha=0.01)
    assert found.p == pytest.approx(
        scipy.stats.permutation_test((differences,), np.mean, permutation_type="samples", rng=1).pvalue, abs=0.02
    )
    other = verdict_of(current, candidate, seed=5)
    assert (found.difference, found.p) != (other.difference, other.p)


def test_the_order_of_the_queries_does_not_count():
    current, candidate = shifted(np.random.default_rng(1).normal(0.0, 0.1, 30))
    assert verdict_of(dict(reversed(current.items())), candidate) == verdict_of(current, candidate)


@pytest.mark.parametrize(
    ("change", "failed", "reason_given"),
    [
        (
            {"candidate": CURRENT | {"q1": 0.6, "q2": 0.4}},
            "better",
            "the interval does not lie above 0 and p 1 is not below .05: .000 [-.050, +.050], p 1; queries: 1 better, "
            "1 worse, 4 the same; the smallest detectable difference is .072",
        ),
        (
            {"scores": [[0.3, 0.3, 0.3]] * 6},
            "not collapsed",
            "scores are all equal (within 0.000001) in 6 of 6 queries",
        ),
        (
            {"trivial": {"text length": LENGTHS, "position in file": [[4, 1, 3, 2]] * 6}},
            "not collapsed",
            "scores only repeat a trivial feature: rank correlation +1.000 with position in file "
            "(measured in 6 of 6 queries)",
        ),
        (
            {"must_pass": [BROKEN]},
            "must-pass",
            "1 of 1 must-pass queries fail: 'red shoes' puts 'blue hat' (0.8) not below 'red shoes 42' (0.1)",
        ),
        ({"latency_ratio": 1.51}, "latency", "a query takes 1.51 times as long as now, more than the 1.5 allowed"),
    ],
    ids=["better", "flat", "trivial", "must-pass", "latency"],
)
def test_each_check_alone_stops_the_promotion(change, failed, reason_given):
    verdict = verdict_of(**change)
    assert (verdict.promoted, verdict.forced, verdict.failed) == (False, False, (failed,))
    assert reason(verdict, failed) == reason_given
    forced = verdict_of(**change, force=True)
    assert (forced.promoted, forced.forced, forced.failed) == (True, True, (failed,))
    assert forced == dataclasses.replace(verdict, promoted=True, forced=True)


def test_force_records_nothing_where_nothing_failed():
    assert verdict_of(force=True) == verdict_of()


# --- better --------------------------------------------------------------------------------------------------


def test_an_interval_above_0_is_not_enough():
    verdict = verdict_of(*shifted([0.1, 0.2, 0.1, 0.2, 0.1, 0.0]))
    assert verdict.difference.low > 0
    assert verdict.p == 2 / 32  # 0 has no sign
    assert verdict.failed == ("better",)
    assert reason(verdict, "better").startswith("p .0625 is not below .05: +.117 [")
    assert reason(verdict, "better").endswith("; it takes 6 differing queries or more to pass: hold out more")
    assert verdict_of(*shifted([0.1, 0.2, 0.1, 0.2, 0.1, 0.0]), alpha=0.07).promoted


def test_a_small_p_is_not_enough():
    verdict = verdict_of(CANDIDATE, CURRENT)
    assert verdict.p == 2 / 64
    assert (verdict.wins, verdict.losses) == (0, 6)
    assert verdict.failed == ("better",)
    assert reason(verdict, "better").startswith("worse on average: -.150 [-.183, -.117], p .0312; queries: 0 better")
    assert "hold out more" not in reason(verdict_of(*shifted([-0.1, -0.2])), "better")


def test_an_exact_p_by_hand():
    # of the 16 sums of .4 .3 .2 -.1 with any signs, those at least .8 from 0 are 1.0 and .8, twice each
    verdict = verdict_of(*shifted([0.4, 0.3, 0.2, -0.1]))
    assert (verdict.p, verdict.exact, verdict.wins, verdict.losses) == (4 / 16, True, 3, 1)


def test_how_many_queries_it_takes():
    for alpha, needed in ((0.05, 6), (0.01, 8), (0.0625, 6)):
        current, candidate = shifted([0.1, 0.2] * 4)
        enough, short = list(current)[:needed], list(current)[: needed - 1]
        assert verdict_of({q: current[q] for q in enough}, {q: candidate[q] for q in enough}, alpha=alpha).promoted
        failing = verdict_of({q: current[q] for q in short}, {q: candidate[q] for q in short}, alpha=alpha)
        assert f"it takes {needed} differing queries" in reason(failing, "better")


def test_noise_is_hardly_ever_promoted():
    draws = np.random.default_rng(3).normal(0.0, 0.1, (60, 12))
    promoted = sum(verdict_of(*shifted(row)).promoted for row in draws)
    assert promoted <= 6  # 1.5 expected, half of .05; more than 6 has a chance of 1 in 1,000


@pytest.mark.parametrize(
    ("queries", "reason_given"),
    [(0, "0 queries held out, at least 2 are needed to compare"), (1, "1 query held out, at least 2 are needed")],
)
def test_too_few_queries(queries, reason_given):
    verdict = verdict_of(*shifted([0.3] * queries))
    assert not verdict.promoted
    assert reason(verdict, "better").startswith(reason_given)
    assert (verdict.p, verdict.detectable) == (1.0, None)
    plain = json.loads(json.dumps(verdict.to_dict(), allow_nan=False))
    found = [plain[name] for name in ("p", "mean_current", "mean_candidate")]
    found += [plain["difference"][name] for name in ("mean", "low", "high")]
    assert found == (pytest.approx([1.0, 0.5, 0.8, 0.3, 0.3, 0.3]) if queries else [None] * 6)
    assert ("not measured" in format_verdict(verdict)[0]) == (not queries)
    assert format_verdict(verdict)[0].startswith("not promoted: nDCG@10")
    assert "detectable" not in format_verdict(verdict)[0]


def test_no_query_that_differs():
    current, candidate = shifted([0.0, 1e-15, 0.0], base=0.1)
    verdict = verdict_of(current, candidate)
    assert verdict.failed == ("better",)
    assert reason(verdict, "better") == "the metric is the same on all 3 held-out queries"
    assert (verdict.p, verdict.ties, verdict.detectable) == (1.0, 3, None)


def test_equal_gains_tell_no_detectable_difference_but_pass():
    verdict = verdict_of(*shifted([0.25] * 6))
    assert verdict.promoted
    assert reason(verdict, "better") == "+.250 [+.250, +.250], p .0312; queries: 6 better, 0 worse, 0 the same"


# --- not collapsed -------------------------------------------------------------------------------------------


def test_half_of_the_queries_flat_is_too_many():
    flat, fine = [0.5, 0.5 + 9e-7], [0.5, 0.5 + 2e-6]
    assert not_collapsed([fine, fine, flat], {}) == Check(
        "not collapsed", True, "scores differ in 2 of 3 queries; no trivial feature to compare with"
    )
    half = not_collapsed([fine, flat, [1.0], []], {})  # one score or none is neither flat nor not
    assert (half.passed, half.reason) == (False, "scores are all equal (within 0.000001) in 1 of 2 queries")
    single = not_collapsed([[1.0], [2.0]], {})
    assert not single.passed
    assert single.reason.startswith("no query has two scores to compare")


def test_scores_that_are_no_numbers():
    found = not_collapsed([[0.1, 0.2], [math.nan, 0.1], [math.inf, 0.1]], {})
    assert (found.passed, found.reason) == (False, "scores are not finite numbers in 2 of 3 queries")


def test_rank_correlation_against_scipy():
    generator = np.random.default_rng(0)
    scores = [generator.integers(0, 6, size) / 7 for size in (3, 8, 20, 40)]  # with ties
    lengths = [np.floor(row * 20 + generator.integers(0, 12, len(row))) for row in scores]
    theirs = np.mean([scipy.stats.spearmanr(*pair).statistic for pair in zip(scores, lengths, strict=True)])
    assert 0.5 < theirs < 0.9
    found = not_collapsed(scores, {"text length": lengths})
    assert found.passed
    assert found.reason.endswith(f": +{theirs:.3f} with text length (measured in 4 of 4 queries)".replace("+0.", "+."))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_rank_correlation_of_95_is_too_much(sign):
    feature = [[sign * value for value in (1, 2, 3, 4, 5)]] * 10
    # one swap of neighbours: 1 - 6 * 2 / (5 * 24) = .9
    same, swapped = [0.1, 0.2, 0.3, 0.4, 0.5], [0.2, 0.1, 0.3, 0.4, 0.5]
    at, below = (not_collapsed([same] * n + [swapped] * (10 - n), {"words\nin title": feature}) for n in (5, 4))
    mark = "+" if sign > 0 else "-"
    assert not at.passed
    assert at.reason.endswith(f" {mark}.950 with words in title (measured in 10 of 10 queries)")
    assert below.passed
    assert f": {mark}.940 with words in title" in below.reason


def test_the_nearest_feature_is_named_whichever_way_it_points():
    rows = [[1.0, 2.0, 3.0, 4.0]] * 2
    found = not_collapsed(rows, {"a": [[2, 1, 4, 3]] * 2, "b": [[4, 3, 1, 2]] * 2})  # .6 and -.8
    assert found.reason.endswith("trivial feature: -.800 with b (measured in 2 of 2 queries)")


def test_opposite_correlations_cancel():
    assert not_collapsed([[1, 2, 3, 4], [4, 3, 2, 1]], {"position": [[1, 2, 3, 4]] * 2}).passed


def test_what_the_correlation_leaves_out():
    scores = [[0.1, 0.2], [0.1, 0.2, 0.3], [0.5, 0.5, 0.5], [0.1, 0.3, 0.2]]
    feature = [
        [1.0, 2.0],
        [7.0, 7.0, 7.0],
        [1.0, 2.0, 3.0],
        [1.0, 2.0, 3.0],
    ]  # two texts, constant, flat scores, counted
    found = not_collapsed(scores, {"text length": feature})
    assert found.passed
    assert found.reason.endswith("+.500 with text length (measured in 1 of 4 queries)")  # 1 - 6 * 2 / (3 * 8)
    assert not_collapsed(scores[:3], {"text length": feature[:3]}).reason.endswith(
        "; no trivial feature to compare with"
    )


def test_every_feature_that_is_repeated_is_named():
    rows = [[1.0, 2.0, 3.0, 5.0]] * 3
    found = not_collapsed(rows, {"length": rows, "price": [[2, 1, 4, 3]] * 3, "position": [[4, 3, 2, 1]] * 3})
    assert (
        "+1.000 with length (measured in 3 of 3 queries); -1.000 with position (measured in 3 of 3 queries)"
        in found.reason
    )
    assert "price" not in found.reason


# --- must-pass and latency -----------------------------------------------------------------------------------


def test_must_pass_names_three_queries_and_counts_the_rest():
    failing = [MustPass(f"query {n}", "good", "bad", 0.5, 0.5 + n) for n in range(5)]
    found = keeps_must_pass([KEPT, *failing, *failing])
    assert not found.passed
    assert found.reason == (
        "5 of 6 must-pass queries fail: 'query 0' puts 'bad' (0.5) not below 'good' (0.5); "
        "'query 1' puts 'bad' (1.5) not below 'good' (0.5); 'query 2' puts 'bad' (2.5) not below 'good' (0.5); "
        "and 2 more"
    )
    assert keeps_must_pass(failing[:3]).reason.endswith("'query 2' puts 'bad' (2.5) not below 'good' (0.5)")


def test_a_query_passes_with_all_of_its_pairs():
    found = keeps_must_pass([KEPT, BROKEN, KEPT, MustPass("red shoes", "c", "d", 0.0, 1.0)])
    assert not found.passed
    assert found.reason == keeps_must_pass([BROKEN]).reason  # once, by its first failing pair
    assert keeps_must_pass([KEPT, KEPT]) == Check("must-pass", True, "1 of 1 must-pass queries hold")
    assert keeps_must_pass([]) == Check("must-pass", None, "no must-pass queries given")


def test_a_tie_or_no_number_fails_a_must_pass_query():
    assert not MustPass("q", "a", "b", 0.5, 0.5).passed
    assert not MustPass("q", "a", "b", math.nan, 0.5).passed
    assert not MustPass("q", "a", "b", 0.5, math.nan).passed


def test_long_texts_stay_on_one_line():
    found = keeps_must_pass([MustPass("手机\n壳", "a" * 300, "b", 0.0, 1.0)])
    assert "\n" not in found.reason
    assert f"'{'a' * 59}…'" in found.reason
    assert len(one_line("a" * 60)) == 60


@pytest.mark.parametrize(
    ("ratio", "passed", "reason_given"),
    [
        (None, None, "not measured"),
        (0.5, True, "a query takes 0.5 times as long as now, at most 2 allowed"),
        (2.0, True, "a query takes 2 times as long as now, at most 2 allowed"),
        (2.01, False, "a query takes 2.01 times as long as now, more than the 2 allowed"),
        (math.nan, False, "a query takes nan times as long as now, which is no measurement"),
        (-1.0, False, "a query takes -1 times as long as now, which is no measurement"),
    ],
)
def test_latency(ratio, passed, reason_given):
    assert latency(ratio, 2.0) == Check("latency", passed, reason_given)


# --- what cannot be judged -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"candidate": {"q1": 0.5, "q2": 0.1}},
            JudgmentError,
            "the candidate has no value for 4 of 6 held-out queries: 'q3', 'q4', 'q5', 1 more",
        ),
        (
            {"candidate": CANDIDATE | {"q9": 0.5}},
            JudgmentError,
            "the current ranking has no value for 1 of 7 held-out queries: 'q9'",
        ),
        ({"candidate": CANDIDATE | {"q2": math.nan}}, JudgmentError, "the candidate has the value nan for query 'q2'"),
        ({"scores": SCORES[:5]}, InputError, "scores of 5 queries\nallowed: one list for each of the 6 held-out"),
        (
            {"trivial": {"text length": LENGTHS[:4]}},
            InputError,
            "'text length' has values for 4 queries\nallowed: 6, as the scores",
        ),
        (
            {"trivial": {"text length": [*LENGTHS[:5], [1.0, 2.0]]}},
            InputError,
            "'text length' has 2 values for query number 5\nallowed: 4, one for each score",
        ),
        (
            {"trivial": {"price": [[1, 2, 3, math.nan]] * 6}},
            InputError,
            "'price' is no finite number .* query number 0",
        ),
        ({"alpha": 0.0}, InputError, "alpha is 0\nallowed: above 0 and below 1"),
        ({"alpha": 1.0}, InputError, "alpha is 1\nallowed: above 0 and below 1"),
        ({"max_latency_ratio": 0.0}, InputError, "highest latency ratio is 0\nallowed: above 0"),
    ],
)
def test_what_cannot_be_judged(arguments, error, message):
    with pytest.raises(error, match=message):
        verdict_of(**arguments)


# --- how it is told ------------------------------------------------------------------------------------------


def test_a_verdict_as_plain_data():
    verdict = verdict_of(trivial={"text length": LENGTHS}, must_pass=[BROKEN], latency_ratio=1.0, force=True)
    plain = verdict.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["difference"] == dataclasses.asdict(verdict.difference)
    assert (plain["promoted"], plain["forced"], plain["failed"]) == (True, True, ["must-pass"])
    assert plain["checks"][2] == dataclasses.asdict(verdict.checks[2])
    assert plain.keys() == {field.name for field in dataclasses.fields(verdict)} | {"failed"}


def test_numpy_numbers_come_out_plain():
    current, candidate = ({query: np.float32(value) for query, value in row.items()} for row in (CURRENT, CANDIDATE))
    scores = [np.asarray(row, dtype=np.float32) for row in SCORES]
    pair = MustPass("q", "a", "b", np.float32(0.2), np.float32(0.1))
    verdict = verdict_of(current, candidate, scores, {"n": scores}, must_pass=[pair], latency_ratio=np.float64(1.2))
    assert json.loads(json.dumps(verdict.to_dict())) == verdict.to_dict()


def test_a_promotion_in_words():
    differences = np.array([0.1, -0.06] * 40 + [0.05] * 10 + [0.0] * 5)
    verdict = verdict_of(*shifted(differences, base=0.847))
    lines = format_verdict(verdict)
    # mean 2.1 / 95; detectable 2.80159 sqrt((.569 - 2.1^2 / 95) / 94 / 95)
    theirs = scipy.stats.permutation_test((differences,), np.mean, permutation_type="samples", rng=1).pvalue
    assert verdict.p == pytest.approx(theirs, abs=0.003)
    assert lines[0] == (
        "promoted: nDCG@10 .847 -> .869, +.022 [+.007, +.037], p .0055, 95 queries; "
        "the smallest detectable difference is .021"
    )
    assert [check.passed for check in verdict.checks] == [True, True, None, None]
    shown = ["passed", "passed", "-     ", "-     "]
    assert lines[1:] == [
        f"  {state}  {check.name:<13}  {check.reason}" for state, check in zip(shown, verdict.checks, strict=True)
    ]
    assert format_verdict(verdict, "MRR@10")[0].startswith("promoted: MRR@10 .847")


def test_failures_in_words():
    change = {"scores": [[0.3, 0.3]] * 6, "latency_ratio": 9.0}
    refused, forced = (format_verdict(verdict_of(**change, force=force)) for force in (False, True))
    assert refused[0].startswith("not promoted: nDCG@10 .500 -> .650, +.150 [+.117, +.183], p .0312, 6 queries;")
    assert forced[0].startswith("promoted by force (failed: not collapsed, latency): nDCG@10 .500 -> .650")
    assert refused[1:] == forced[1:]
    assert refused[2] == "  FAILED  not collapsed  scores are all equal (within 0.000001) in 6 of 6 queries"
    assert refused[4] == "  FAILED  latency        a query takes 9 times as long as now, more than the 1.5 allowed"


def test_numbers_in_words():
    assert [number(value) for value in (0.8474, 1.0, -0.02, 0.0, -0.0001, 10.05)] == [
        ".847", "1.000", "-.020", ".000", ".000", "10.050",
    ]  # fmt: skip
    assert [signed(value) for value in (0.0214, -0.02, 0.0001, -0.0001, 1.0)] == [
        "+.021",
        "-.020",
        ".000",
        ".000",
        "+1.000",
    ]


def test_the_gate_needs_no_pytorch():
    code = "import sys; sys.modules['torch'] = None; import aisle.training.gate as gate; print(gate.MAX_LATENCY_RATIO)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("1.5\n", "")
