"""Training a ranking end to end: what is held out, what the gate sees, and the folder."""

import dataclasses
import json
import re
import tomllib

import numpy as np
import pytest

from aisle.artifacts import Manifest, write_manifest
from aisle.errors import ArtifactError, InputError, JudgmentError
from aisle.evaluate import evaluate
from aisle.judgments.split import query_key
from aisle.metrics import Metric
from aisle.ranking.feature_values import RatingPrior
from aisle.ranking.features import NAMES, READ
from aisle.ranking.learnt import LearntRanking, fusion_alone
from aisle.training.ranking.build import train_ranking
from aisle.training.ranking.crossfit import choose, cross_fit, fused, measured, order, variants_of
from aisle.training.ranking.data import QueryTable, fingerprint, turns
from aisle.training.ranking.evidence import must_pass_scores, not_worse
from aisle.training.ranking.importance import dependence, importance
from aisle.training.ranking.recipe import RankingRecipe
from aisle.types import Judgment
from tests.training.ranking_tables import tables

FAST = RankingRecipe(rounds=5, choose=False, folds=4)
NDCG = Metric.parse("nDCG@10")


@pytest.fixture(scope="module")
def found():
    return tables()


@pytest.fixture(scope="module")
def trained(found, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "shop"
    wanted = [(found[0].query, best(found[0]), worst(found[0]))]
    return train_ranking(found, FAST, out, rating=RatingPrior(4.0), made_with={"encoder": "abc"}, must_pass=wanted)


def best(table):
    return max(table.judged, key=table.judged.__getitem__)


def worst(table):
    return min(table.judged, key=table.judged.__getitem__)


# --- held out ------------------------------------------------------------------------------------------------


def test_every_query_is_held_out_once_and_spellings_together(found):
    again = [dataclasses.replace(table, query_id=f"{table.query_id}x", query=table.query.upper()) for table in found]
    masks = turns([*found, *again], 4, 0)
    assert np.sum(masks, axis=0).tolist() == [1] * 80
    assert query_key(found[3].query) == query_key(again[3].query)
    for mask in masks:
        assert mask[:40].tolist() == mask[40:].tolist()


def test_held_out_scores_owe_nothing_to_the_querys_own_grades(found):
    before = cross_fit(found, FAST)
    held = turns(found, 4, 0)[1]
    changed = [
        dataclasses.replace(table, grades=3 - table.grades) if out else table
        for table, out in zip(found, held, strict=True)
    ]
    after = cross_fit(changed, FAST)
    for place in np.flatnonzero(held):
        assert after.scores[place].tolist() == before.scores[place].tolist()
    other = int(np.flatnonzero(~held)[0])
    assert after.scores[other].tolist() != before.scores[other].tolist()


def test_the_choice_within_the_training_folds_does_not_see_the_held_out_ones(found):
    recipe = RankingRecipe(rounds=3, folds=2)
    held = turns(found, 2, 0)[0]
    changed = [
        dataclasses.replace(t, grades=3 - t.grades, judged={k: 3 - v for k, v in t.judged.items()}) if out else t
        for t, out in zip(found, held, strict=True)
    ]
    before, after = cross_fit(found, recipe), cross_fit(changed, recipe)
    assert before.models[0] == after.models[0]


def test_measured_is_what_evaluation_says(found):
    scores = cross_fit(found, FAST).scores
    run = {t.query_id: [(t.product_ids[row], 0.0) for row in order(t, s)] for t, s in zip(found, scores, strict=True)}
    judgments = [Judgment(t.query_id, t.query, product, grade) for t in found for product, grade in t.judged.items()]
    want = evaluate(run, judgments, [NDCG])
    for treatment in ("wrong", "removed"):
        assert measured(found, scores, treatment) == pytest.approx(want.values(NDCG, treatment))


def test_an_exact_identifier_stays_first_whatever_the_model_says():
    table = tables(1, 6)[0]
    features = table.features.copy()
    features[4, NAMES.index("identifier")] = 1.0
    lifted = dataclasses.replace(table, features=features)
    assert order(lifted, np.arange(6.0)) == [4, 5, 3, 2, 1, 0]
    assert order(lifted, np.zeros(6)) == [4, 0, 1, 2, 3, 5]  # ties by product id


def test_trees_and_all_features_are_kept_only_where_they_help(found):
    recipe = RankingRecipe(rounds=20, rate=0.2, leaf_rows=10, linear=("fused", "wording"), folds=3)
    assert [(len(v.linear), v.rounds) for v in variants_of(recipe)] == [
        (2, 0),
        (len(READ), 0),
        (2, 20),
        (len(READ), 20),
    ]
    perfect = [graded_by(table, table.fused) for table in found]
    assert choose(perfect, recipe) == dataclasses.replace(recipe, rounds=0)  # of equals the simplest
    bent = [graded_by(table, np.abs(table.features[:, NAMES.index("length")]).astype(float)) for table in found]
    assert choose(bent, recipe).rounds == 20
    assert choose(bent[:10], recipe).rounds == 0  # ten queries choose nothing


def graded_by(table, worth):
    """All judged: a tenth 3, a tenth 2, a fifth 1."""
    grades = np.searchsorted(np.quantile(worth, [0.6, 0.8, 0.9]), worth) * 1.0
    return dataclasses.replace(table, grades=grades, judged=dict(zip(table.product_ids, grades.tolist(), strict=True)))


# --- the gate ------------------------------------------------------------------------------------------------


def test_a_ranking_that_finds_more_is_promoted(trained, found):
    verdict = trained.verdict
    assert verdict.promoted
    assert not verdict.failed
    assert verdict.queries == 40
    assert verdict.mean_current == pytest.approx(np.mean(list(measured(found, fused(found), "removed").values())))
    assert verdict.difference.low > 0
    assert {check.name for check in verdict.checks} >= {"better", "not collapsed", "must-pass", "unjudged as wrong"}


def test_noise_is_not_promoted_but_by_force(tmp_path):
    noise = tables(25, 20, wording=0.0, fused=1.0)
    refused = train_ranking(noise, FAST, tmp_path / "a")
    assert refused.verdict.failed == ("better",)
    assert not refused.verdict.promoted
    forced = train_ranking(noise, FAST, tmp_path / "b", force=True)
    assert forced.verdict.promoted
    assert LearntRanking.load(tmp_path / "b").details["forced"] is True
    assert "promoted by force (failed: better)" in (tmp_path / "b" / "README.md").read_text()


def test_a_loss_with_unjudged_as_wrong_is_told_and_fails(found):
    worse = [-table.fused for table in found]
    check = not_worse(found, worse, 0.01)
    assert not check.passed
    assert re.match(r"-\.\d{3} \[-\.\d{3}, -\.\d{3}\]: below by more than the \.010 allowed", check.reason)
    assert not_worse(found, fused(found), 0.0).passed


def test_orders_that_must_hold(trained, found):
    table = found[0]
    wanted = [(table.query, best(table), "nowhere"), (table.query, "nowhere", best(table)), ("never asked", "a", "b")]
    assert [pair.passed for pair in must_pass_scores(trained.model, found, wanted)] == [True, False, False]


# --- the folder ----------------------------------------------------------------------------------------------


def test_the_folder_serves_the_model_and_tells_its_story(trained, found):
    folder = trained.folder
    loaded = LearntRanking.load(folder)
    assert loaded == trained.model
    assert loaded.rating == RatingPrior(4.0)
    assert loaded.score(found[0].features).tolist() == trained.model.score(found[0].features).tolist()
    assert loaded.details["fingerprint"]["encoder"] == "abc"
    assert loaded.details["data_sha256"] == fingerprint(found)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["verdict"]["promoted"] is True
    assert metrics["queries"] == {"all": 40, "with a relevant product": 40}
    card = (folder / "README.md").read_text()
    assert "promoted: nDCG@10" in card
    for linked in re.findall(r"\((plots/[^)]+)\)", card):
        assert (folder / linked).read_text().lstrip().startswith("<?xml")
    assert RankingRecipe.from_dict(tomllib.loads((folder / "recipe.toml").read_text())) == FAST
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".json", ".txt", ".md", ".toml", ".svg"}


def test_without_judgments_the_folder_is_the_fusion(tmp_path):
    notes = []
    trained = train_ranking([], FAST, tmp_path / "none", note=notes.append)
    assert trained.model.terms == fusion_alone().terms
    assert not trained.verdict.promoted
    assert "too few to hold any out" in " ".join(notes)
    assert "the fusion alone, for there was nothing to learn from" in (tmp_path / "none" / "README.md").read_text()


def test_an_older_ranking_is_replaced_and_anything_else_is_not(trained, tmp_path):
    few = tables(6, 8)
    train_ranking(few, FAST, tmp_path / "x")
    assert train_ranking(few, FAST, tmp_path / "x").folder == tmp_path / "x"
    (tmp_path / "index").mkdir()
    write_manifest(tmp_path / "index", Manifest("index", 1, {}))
    with pytest.raises(ArtifactError, match="is of kind 'index'"):
        train_ranking(few, FAST, tmp_path / "index")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists and is no learnt ranking"):
        train_ranking(few, FAST, tmp_path / "notes")


# --- importance ----------------------------------------------------------------------------------------------


def test_importance_finds_what_the_grades_were_made_of(trained, found):
    rows = {row.name: row for row in trained.importance}
    first = [row.name for row in trained.importance[:2]]
    assert set(first) == {"fused", "wording"}
    assert rows["wording"].permutation > 0.05 > rows["query:words"].permutation
    assert sum(row.gain for row in rows.values()) == pytest.approx(1.0)
    scored = importance(found, fusion_alone(), None, 0)
    assert [(row.name, row.permutation) for row in scored] == [("fused", 0.0)]


def test_dependence_is_the_mean_score_with_the_feature_set(trained, found):
    line = dependence(found, trained.model, "wording", 0)
    assert line is not None
    assert list(line.values) == sorted(line.values)
    assert line.scores[-1] > line.scores[0]
    rows = np.concatenate([table.features for table in found])  # 1,600: the sample is a part of them
    ends = []
    for value in (line.values[0], line.values[-1]):
        changed = rows.copy()
        changed[:, NAMES.index("wording")] = value
        ends.append(trained.model.score(changed).mean())
    assert line.scores[-1] - line.scores[0] == pytest.approx(ends[1] - ends[0], rel=0.05)
    assert dependence(found, trained.model, "identifier", 0) is None  # it has one value only


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(InputError, match=r"features of shape \(3, 2\) and grades of shape \(3,\) for 3 candidates"):
        QueryTable("q", "q", ("a", "b", "c"), np.zeros((3, 2), np.float32), np.zeros(3), {})
    with pytest.raises(JudgmentError, match="judgments of 1 queries"):
        turns(tables(1), 5, 0)
