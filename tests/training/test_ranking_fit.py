"""The fit of a learnt ranking: the linear part against a slow obvious one, the trees' signs, and little data."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize

from aisle.errors import RecipeError
from aisle.ranking.features import FEATURES, NAMES
from aisle.ranking.learnt import Term, fusion_alone
from aisle.training.combine import fit_weights
from aisle.training.ranking.fit import fit, fit_terms, fit_trees, taught
from aisle.training.ranking.recipe import RankingRecipe
from tests.training.ranking_tables import tables

PLAIN = RankingRecipe(rounds=0, choose=False)


def with_column(table, name, values):
    features = table.features.copy()
    features[:, NAMES.index(name)] = values
    return dataclasses.replace(table, features=features)


def test_the_linear_part_is_the_minimum_of_the_loss_written_out():
    found = tables(6, 10)
    recipe = RankingRecipe(rounds=0, linear=("fused", "wording"), unjudged=0.25, unjudged_depth=6)
    terms = fit_terms(found, recipe)
    scale = {n: np.sqrt(np.mean([t.features[:, NAMES.index(n)].astype(float).var() for t in found])) for n in terms}

    def loss(w):
        total = ((w[0] - 1.5) ** 2 + w[1] ** 2) / (2 * 0.6**2)
        for table in found:
            x = [table.features[:, NAMES.index(n)].astype(float) / scale[n] for n in ("fused", "wording")]
            pairs = []
            for i, a in enumerate(table.grades):
                for j, b in enumerate(table.grades):
                    if (np.isnan(a) and i >= 6) or (np.isnan(b) and j >= 6):
                        continue
                    counted = (0.25 if np.isnan(a) else 1) * (0.25 if np.isnan(b) else 1)
                    gain = 2 ** np.nan_to_num(a) - 2 ** np.nan_to_num(b)
                    if gain > 0:
                        margin = w[0] * (x[0][i] - x[0][j]) + w[1] * (x[1][i] - x[1][j])
                        pairs.append((gain * counted, np.log1p(np.exp(-margin))))
            total += sum(w_ * l_ for w_, l_ in pairs) / sum(w_ for w_, _ in pairs)
        return total

    best = minimize(loss, [1.5, 0.0], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7}).x
    got = [terms[n].weight * scale[n] for n in ("fused", "wording")]
    assert got == pytest.approx(best, abs=1e-3)


def test_where_everything_is_judged_it_agrees_with_the_pairs_own_fit():
    found = [with_column(table, "rating", np.nan) for table in tables(10, 15, share_judged=1.0)]
    terms = fit_terms(found, RankingRecipe(rounds=0, linear=("fused", "wording"), unjudged=0.0))
    signals = np.concatenate([t.features[:, [NAMES.index("fused"), NAMES.index("wording")]] for t in found])
    groups = np.arange(150).reshape(10, 15).tolist()
    want = fit_weights(signals.astype(float), np.concatenate([t.grades for t in found]), groups)
    # the spread is measured within queries here and over all pairs there, which moves the prior a little
    assert terms["wording"].weight / terms["fused"].weight == pytest.approx(want[1], rel=0.1)


def test_centres_are_means_so_that_an_unknown_value_counts_as_an_average_one():
    found = tables(5, 20)
    terms = fit_terms(found, PLAIN)
    every = np.concatenate([table.features[:, NAMES.index("wording")] for table in found])
    assert terms["wording"].centre == pytest.approx(every.mean(), abs=1e-5)


def test_a_sign_that_sense_demands_is_kept_against_the_judgments():
    found = tables(30, 30, fused=1.0, wording=-1.0, length=-1.0)
    terms = fit_terms(found, dataclasses.replace(PLAIN, linear=("fused", "wording", "length")))
    assert terms["wording"].weight == 0.0
    assert terms["length"].weight < 0  # no sign demanded: the judgments decide


def test_a_fusion_that_the_judgments_contradict_still_counts_for_something():
    assert fit_terms(tables(30, 30, fused=-1.0), PLAIN)["fused"].weight > 0


@pytest.mark.parametrize("found", [[], tables(3, 10, share_judged=0.0)], ids=["no queries", "nothing judged"])
def test_without_judgments_it_is_the_fusion(found):
    model = fit(found, RankingRecipe())
    assert model.terms == fusion_alone().terms == {"fused": Term(1.0)}
    assert model.trees == ""


def test_little_is_learnt_from_one_query_and_more_from_many():
    shares = []
    for count in (1, 5, 60):
        terms = fit_terms(tables(count, 30), dataclasses.replace(PLAIN, linear=("fused", "wording")))
        shares.append(terms["wording"].weight / terms["fused"].weight)
    assert 0 < shares[0] < 0.5 < shares[2] < 1.1
    assert shares[0] < shares[1] < shares[2]


def test_unjudged_candidates_are_weak_wrong_ones_near_the_top_only():
    table = tables(1, 20)[0]
    rows, gains, weights = taught(table, RankingRecipe(unjudged=0.1, unjudged_depth=5))
    judged = np.flatnonzero(np.isfinite(table.grades))
    assert set(rows) == set(judged) | set(range(5))
    unjudged = np.isnan(table.grades[rows])
    assert set(weights[unjudged]) == {0.1}
    assert not gains[unjudged].any()
    assert gains[~unjudged].tolist() == [2**grade - 1 for grade in table.grades[judged]]
    assert set(taught(table, RankingRecipe(unjudged=0.0))[0]) == set(judged)


@pytest.mark.parametrize("linear", [("wording",), ("fused", "odour"), ("fused", "identifier")])
def test_a_recipe_of_other_features_is_refused(linear):
    with pytest.raises(RecipeError, match=r"linear part has (no 'fused'|the feature '(odour|identifier)')"):
        fit(tables(2, 5), RankingRecipe(linear=linear))


def test_no_tree_reads_an_exact_identifier_which_a_search_knows_only_afterwards():
    found = tables(40, 30, seed=5)
    named = [with_column(t, "identifier", (np.nan_to_num(t.grades) >= 2).astype(np.float32)) for t in found]
    recipe = RankingRecipe(rounds=20, choose=False, linear=("fused",), leaf_rows=5)
    made, plain = fit(named, recipe), fit(found, recipe)
    assert "identifier" not in made.columns
    assert made.trees == plain.trees != ""


# --- trees ---------------------------------------------------------------------------------------------------


def test_trees_learn_what_a_line_cannot():
    found = tables(60, 40, seed=4)
    found = [with_column(t, "length", np.abs(t.features[:, NAMES.index("wording")])) for t in found]
    bent = []
    for table in found:  # what counts is how far the wording is from 0, whichever way
        worth = np.abs(table.features[:, NAMES.index("wording")])
        bent.append(
            dataclasses.replace(table, grades=np.searchsorted(np.quantile(worth, [0.6, 0.8, 0.9]), worth) * 1.0)
        )
    recipe = RankingRecipe(rounds=40, choose=False, linear=("fused",), rate=0.2, leaf_rows=10)
    line, both = fit(bent, dataclasses.replace(recipe, rounds=0)), fit(bent, recipe)

    def agreement(model):
        return np.mean([np.corrcoef(model.score(t.features), t.grades)[0, 1] for t in bent])

    assert agreement(line) < 0.1
    assert agreement(both) > 0.6
    assert both.terms == line.terms


def test_more_of_a_feature_with_a_sign_never_goes_against_it_in_the_trees():
    found = tables(40, 30, fused=1.0, rating=-2.0, wording=-1.0)  # the better rated, the worse graded
    for copy in ("contradicted", "length"):  # one whose demanded sign is the judgments', one that has none
        found = [with_column(table, copy, table.features[:, NAMES.index("rating")]) for table in found]
    recipe = RankingRecipe(rounds=60, choose=False, rate=0.3, leaves=16, leaf_rows=5)
    trees, columns = fit_trees(found, fit(found, PLAIN), recipe)
    model = dataclasses.replace(fusion_alone(), trees=trees, columns=columns)
    sample = np.concatenate([table.features for table in found])[:200]
    moved = {}
    for feature in FEATURES:
        place = NAMES.index(feature.name)
        low, high = sample.copy(), sample.copy()
        low[:, place], high[:, place] = -1.0, 1.0
        difference = model.score(high) - model.score(low)
        if feature.sign:
            assert (feature.sign * difference >= -1e-9).all(), feature.name
        moved[feature.name] = difference.mean()
    assert moved["contradicted"] < -0.1
    assert moved["length"] < -0.1
    assert moved["rating"] >= 0


def test_trees_begin_where_the_linear_part_ends():
    found = tables(30, 30)
    recipe = RankingRecipe(rounds=10, choose=False, columns=1.0, bagging=1.0)
    from_fusion, from_line = (
        dataclasses.replace(fusion_alone(), trees=trees, columns=columns)
        for trees, columns in (fit_trees(found, start, recipe) for start in (fusion_alone(), fit(found, PLAIN)))
    )
    place = NAMES.index("wording")
    low, high = (np.concatenate([table.features for table in found]) for _ in range(2))
    low[:, place], high[:, place] = -1.0, 1.0
    moved = [(model.score(high) - model.score(low)).mean() for model in (from_fusion, from_line)]
    assert moved[0] > 1.5 * moved[1] >= 0  # what the line says already is not said again


def test_grades_of_many_values_are_taken_as_they_are():
    found = []
    for table in tables(30, 30):
        worth = table.features[:, NAMES.index("wording")].astype(float)
        found.append(dataclasses.replace(table, grades=np.round(3 / (1 + np.exp(-worth)), 3)))
    model = fit(found, RankingRecipe(rounds=20, choose=False))
    assert np.mean([np.corrcoef(model.score(t.features), t.grades)[0, 1] for t in found]) > 0.4


def test_the_same_tables_and_seed_give_the_same_model():
    found = tables(20, 20)
    recipe = RankingRecipe(rounds=15, choose=False)
    assert fit(found, recipe) == fit(found, recipe)
    assert fit(found, recipe).trees != fit(found, dataclasses.replace(recipe, seed=1)).trees
