from dataclasses import replace

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from aisle.encoders.load import load_encoder
from aisle.errors import InputError
from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.ranking.calib_reliability import calibration_error, reliability
from aisle.ranking.calibration import Calibration
from aisle.ranking.cut_features import FEATURES
from aisle.rerankers.head import wording
from aisle.training.calibrate import CalibrationSettings, QueryTable, fit_calibration, tables_of
from aisle.training.calibrate_pairs import pair_tables
from aisle.types import Judgment

SIGNS = {"good": 1, "bad": -1, "query": 0}


def tables(count=60, seed=0, size=20):
    """Grades 0 to 2 by a logistic model: "good" helps, "bad" is noise, "query" says how many are relevant."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        level = rng.normal()
        features = np.column_stack([rng.normal(size=size), rng.normal(size=size), np.full(size, level)])
        latent = 1.5 * features[:, 0] + level + rng.logistic(size=size)
        made.append(QueryTable(f"query {number}x", features, np.digitize(latent, [0.0, 2.0]).astype(float)))
    return made


def test_the_score_is_the_regression_that_scikit_learn_finds():
    """Where no sign binds. Its C is the prior's variance with weights as they are; features standardised by hand."""
    made = tables()
    free = dict.fromkeys(SIGNS, 0)
    ours = fit_calibration(made, CalibrationSettings(curve="platt", spread=0.7), signs=free)
    features = np.concatenate([table.features for table in made])
    relevant = np.concatenate([table.grades >= 1 for table in made])
    weights = np.concatenate(
        [
            [
                0.5 / (table.grades >= 1).sum() if grade >= 1 else 0.5 / (table.grades < 1).sum()
                for grade in table.grades
            ]
            for table in made
        ]
    )
    middle, width = features.mean(axis=0), features.std(axis=0)
    theirs = LogisticRegression(C=0.7**2, tol=1e-10, max_iter=10_000)
    theirs.fit((features - middle) / width, relevant, sample_weight=weights)
    assert ours.weights == pytest.approx(tuple(theirs.coef_[0] / width), abs=1e-4)
    want = theirs.decision_function((features - middle) / width)
    assert ours.scores(features) == pytest.approx(want, abs=1e-3)


def test_the_error_kept_is_that_of_curves_and_weights_of_other_queries():
    """With as many folds as queries: each query by a model and a curve of all others, written out."""
    made = tables(count=12)
    settings = CalibrationSettings(curve="platt", folds=12)
    kept = fit_calibration(made, settings, signs=SIGNS)
    alone = [fit_calibration([t for t in made if t is not left], settings, signs=SIGNS) for left in made]
    held = [model.scores(left.features) for model, left in zip(alone, made, strict=True)]
    chances, relevant = [], []
    for place, left in enumerate(made):
        scores = np.concatenate([score for i, score in enumerate(held) if i != place])
        hit = np.concatenate([t.grades >= 1 for i, t in enumerate(made) if i != place])
        good, bad = (hit.sum() + 1) / (hit.sum() + 2), 1 / ((~hit).sum() + 2)
        both = np.concatenate([scores, scores])  # a target between 0 and 1 is both outcomes, weighed
        weight = np.concatenate([np.where(hit, good, bad), 1 - np.where(hit, good, bad)])
        outcome = np.repeat([1, 0], len(scores))
        curve = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(both[:, None], outcome, weight)
        chances.append(curve.predict_proba(held[place][:, None])[:, 1])
        relevant.append(left.grades >= 1)
    bins = reliability(np.concatenate(chances), np.concatenate(relevant).tolist())
    assert kept.details["calibration_error"] == pytest.approx(calibration_error(bins), abs=2e-3)
    assert [one["share"] for one in kept.details["reliability"]] == pytest.approx([one.share for one in bins], abs=0.05)


def test_no_weight_has_the_wrong_sign():
    wrong = {"good": -1, "bad": 1, "query": 0}
    good, bad, _ = fit_calibration(tables(), signs=wrong).weights
    assert good == 0.0
    assert bad >= 0.0
    assert fit_calibration(tables(), signs=SIGNS).weights[0] > 0.5


def test_probabilities_come_true_on_other_queries():
    calibration = fit_calibration(tables(150), signs=SIGNS)
    new = tables(400, seed=9)
    features, grades = np.concatenate([t.features for t in new]), np.concatenate([t.grades for t in new])
    chances = calibration.probabilities(features)
    for place, grade in enumerate(calibration.grades[1:], start=1):
        bins = reliability(chances[:, place:].sum(axis=1), list(grades >= grade))
        assert calibration_error(bins) < 0.05
    skewed = replace(calibration, intercept=calibration.intercept + 2)
    assert calibration_error(reliability(skewed.relevant(features), list(grades >= 1))) > 0.1


@pytest.mark.parametrize("apart", [0.0, 0.5])
def test_new_queries_lose_what_was_promised(apart):
    """The mean over 20 shops of 100 queries, each with 60 to calibrate on, is within noise of alpha at most."""
    lost = []
    for seed in range(20):
        calibration = fit_calibration(tables(60, seed), CalibrationSettings(apart=apart, curve="platt"), signs=SIGNS)
        threshold = calibration.threshold(0.1)
        assert threshold > 0
        for table in tables(40, seed + 1_000):
            relevant = table.features[table.grades >= 1]
            if len(relevant):
                lost.append((calibration.relevant(relevant) < threshold).mean())
    assert np.mean(lost) <= 0.1 + 2 * np.std(lost) / np.sqrt(len(lost))
    assert np.mean(lost) > 0.03  # and it does cut


def test_queries_apart_teach_the_model_nothing():
    made = tables(20)
    settings = CalibrationSettings(apart=0.25, curve="platt")
    first = fit_calibration(made, settings, signs=SIGNS)
    held = {one.probabilities for one in first.held_out}
    assert len(held) == 5
    spoilt = [
        replace(table, grades=2 - table.grades)
        if tuple(sorted(map(float, first.relevant(table.features[table.grades >= 1])))) in held
        else table
        for table in made
    ]
    assert sum(a is not b for a, b in zip(made, spoilt, strict=True)) == 5
    assert fit_calibration(spoilt, settings, signs=SIGNS).weights == first.weights


def test_the_same_query_in_other_words_is_never_on_both_sides():
    """Pure noise, enough of it to be learnt by heart: known are only candidates that stand on the other side too."""
    rng = np.random.default_rng(0)
    signs = {f"noise {number}": 0 for number in range(60)}
    made = [QueryTable(f"red shoe {n}x", rng.normal(size=(6, 60)), np.repeat([0.0, 1.0], 3)) for n in range(8)]
    settings = CalibrationSettings(folds=16, spread=30.0, curve="platt")

    def known(others):
        held_out = fit_calibration([*made, *others], settings, signs=signs).held_out
        assert len(held_out) == 16
        return np.mean([chance for one in held_out for chance in one.probabilities])

    assert known([replace(one, query=f"Shoes red, {number}x") for number, one in enumerate(made)]) < 0.6
    assert known([replace(one, query=f"green hat {number}y") for number, one in enumerate(made)]) > 0.9


def test_an_isotonic_curve_is_scikit_learns():
    made = tables(30)
    calibration = fit_calibration(made, CalibrationSettings(curve="isotonic"), signs=SIGNS)
    chances = sorted(chance for one in calibration.held_out for chance in one.probabilities)
    assert 0 < chances[0] <= chances[-1] < 1
    x, y = np.array(calibration.curves[0].knots).T
    again = IsotonicRegression().fit(x, y).predict(x)
    assert again == pytest.approx(y)
    assert calibration.curves[0](np.array([x[0] - 9, x[-1] + 9])) == pytest.approx([y[0], y[-1]])


def test_temperature_has_one_slope_and_platt_has_many():
    made = tables(30)
    shared = fit_calibration(made, CalibrationSettings(curve="temperature"), signs=SIGNS)
    single = fit_calibration(made, CalibrationSettings(curve="platt"), signs=SIGNS)
    assert len({curve.slope for curve in shared.curves}) == 1
    assert len({curve.slope for curve in single.curves}) == 2
    assert shared.curves[0].offset > shared.curves[1].offset


def test_platts_targets_keep_a_separable_shop_finite():
    features = np.column_stack([np.repeat([0.0, 1.0], 3), np.zeros(6), np.zeros(6)])
    made = [QueryTable(f"q{i}", features, np.repeat([0.0, 1.0], 3)) for i in range(4)]
    calibration = fit_calibration(made, CalibrationSettings(curve="platt"), signs=SIGNS)
    # 12 of each kind: the best curve gives the targets themselves, 1 / 14 and 13 / 14
    held = [chance for one in calibration.held_out for chance in one.probabilities]
    assert held == pytest.approx([13 / 14] * 12, abs=1e-3)


def test_the_same_tables_give_the_same_calibration():
    assert fit_calibration(tables(20), signs=SIGNS) == fit_calibration(tables(20), signs=SIGNS)


def test_what_lies_beyond_counts_as_lost():
    made = tables(30)
    deep = [replace(made[0], beyond=(2.0, 0.0)), *made[1:], QueryTable("deep", np.empty((0, 3)), np.empty(0), (1.0,))]
    calibration = fit_calibration(deep, CalibrationSettings(curve="platt"), signs=SIGNS)
    assert sorted(one.beyond for one in calibration.held_out)[-2:] == [1, 1]
    assert calibration.held_out[-1].probabilities == ()
    assert calibration.details["relevant_beyond"] == 2


def test_tables_of_a_search():
    judgments = [Judgment("q", "red shoe", name, grade) for name, grade in (("a", 2), ("b", 0), ("d", 1), ("z", 3))]
    features = np.arange(6.0).reshape(3, 2)
    (table,) = tables_of(judgments, {"q": (["a", "x", "b", "d"], features)})
    assert table.query == "red shoe"
    assert table.features.tolist() == [[0, 1], [4, 5]]
    assert table.grades.tolist() == [2, 0]
    assert (table.beyond, table.missing) == ((1,), (3,))


def test_more_features_than_candidates_are_refused():
    with pytest.raises(InputError, match="query 'q' has 2 rows of features for 1 candidates"):
        tables_of([], {"q": (["a"], np.ones((2, 3)))})


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        (lambda t: t[:1], {}, "1 queries with judged candidates"),
        (lambda t: [replace(one, query="the same") for one in t], {}, "2 or more"),
        (lambda t: t, {"relevant_grade": 0.0}, "relevant from 0 on"),
        (lambda t: t, {"relevant_grade": 1.5}, "it is itself a grade"),
        (lambda t: t, {"grades": (0.0, 1.0)}, "the declared ones"),
        (lambda t: t, {"apart": 1.0}, "apart is 1.0"),
        (lambda t: [*t, QueryTable("q", np.full((1, 3), np.nan), np.ones(1))], {}, "a row of 3 finite numbers"),
        (lambda t: [*t, QueryTable("q", np.ones((2, 3)), np.ones(1))], {}, r"shape \(2, 3\), 1 grades"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(change, settings, reason):
    with pytest.raises(InputError, match=reason):
        fit_calibration(change(tables(5)), CalibrationSettings(**settings), signs=SIGNS)


def test_pairs_become_tables_and_a_calibration_that_a_folder_keeps(tmp_path):
    """With the packaged encoder: each query's own things are relevant, those of the others are not."""
    things = {"red shoe": "shoe", "usb cable": "cable", "led lamp": "lamp", "coffee mug": "mug"}
    pairs = []
    for query, noun in things.items():
        for other, thing in things.items():
            for brand in ("Acme", "Nova"):
                name = f"{query}/{brand}/{other}"
                pairs.append(TextPair(query, query, name, f"{brand} {thing}", grade=float(noun == thing)))
    pairs.append(TextPair("red shoe", "red shoe", "ungraded", "Acme shoe lace"))
    found = pair_tables(PairSet(tuple(pairs), Scale(0, 1), "test"), load_encoder("embedded"), segment, wording,
                        {"bm25": 0.35, "dense:text": 0.65})  # fmt: skip
    assert [len(table.grades) for table in found] == [8, 8, 8, 8]
    assert found[0].features.shape == (8, len(FEATURES))
    assert found[0].grades[:2].tolist() == [1, 1]  # the best candidates come first
    calibration = fit_calibration(found, CalibrationSettings(folds=4), {"encoder": "embedded"})
    calibration.save(tmp_path / "calibration")
    again = Calibration.load(tmp_path / "calibration")
    chances = [again.relevant(table.features) for table in found]
    for table, chance in zip(found, chances, strict=True):
        assert chance[table.grades == 1].min() > chance[table.grades == 0].max()


def test_a_re_ranker_s_scores_are_a_column_beside_each_pair_and_leave_the_order():
    texts = ["lace", "blue shoe", "red shoe", "sandal"]
    pairs = tuple(TextPair("q", "red shoe", str(n), text, grade=float(n)) for n, text in enumerate(texts))
    given = PairSet(pairs, Scale(0, 3), "test"), load_encoder("embedded"), segment, wording, {"bm25": 0.35}
    (plain,) = pair_tables(*given)
    (read,) = pair_tables(*given, np.array([0.5, -1.5, 2.5, 7.0], np.float32))
    column = list(FEATURES).index("rerank")
    assert plain.features[:, column].tolist() == [0, 0, 0, 0]
    assert read.grades.tolist() == plain.grades.tolist() != [0, 1, 2, 3]  # the grade of a pair is its number here
    assert read.features[:, column].tolist() == [[0.5, -1.5, 2.5, 7.0][int(grade)] for grade in read.grades]
    assert np.delete(read.features, column, 1).tolist() == np.delete(plain.features, column, 1).tolist()
