"""A learnt ranking: its scores written out, its trees walked by hand, and its folder."""

import json
import shutil

import lightgbm
import numpy as np
import pytest

from aisle.artifacts import Manifest, write_manifest
from aisle.errors import ArtifactError, FingerprintError, InputError
from aisle.ranking.feature_values import RatingPrior
from aisle.ranking.features import NAMES
from aisle.ranking.learnt import FILE, FORMAT, KIND, TREES, LearntRanking, Term, fusion_alone

COLUMNS = ("fused", "rating", "price:fit")
TERMS = {"fused": Term(2.0, 0.5), "wording": Term(-1.0, 0.25)}


def rows(count=40, seed=0):
    """Random features with gaps."""
    generator = np.random.default_rng(seed)
    found = generator.normal(size=(count, len(NAMES))).astype(np.float32)
    found[generator.random(found.shape) < 0.2] = np.nan
    return found


def column(features, name):
    return features[:, NAMES.index(name)].astype(np.float64)


@pytest.fixture(scope="module")
def trees():
    features = rows(400, 1)
    seen = features[:, [NAMES.index(name) for name in COLUMNS]].astype(np.float64)
    wanted = np.nan_to_num(seen[:, 0]) + np.nan_to_num(seen[:, 1]) ** 2 - np.nan_to_num(seen[:, 2])
    settings = {"num_leaves": 5, "verbosity": -1, "min_data_in_leaf": 10, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(seen, wanted), 7).model_to_string()


@pytest.fixture(scope="module")
def model(trees):
    return LearntRanking(TERMS, trees, COLUMNS, RatingPrior(3.5, 8.0), 120)


def walk(node, row):
    """A tree's value for a row, as LightGBM's dump describes it."""
    while "leaf_value" not in node:
        value = row[node["split_feature"]]
        if node["missing_type"] == "NaN" and np.isnan(value):
            left = node["default_left"]
        else:
            left = (0.0 if np.isnan(value) else value) <= node["threshold"]
        node = node["left_child"] if left else node["right_child"]
    return node["leaf_value"]


def test_scores_are_the_linear_terms_and_the_trees_walked_by_hand(model, trees):
    features = rows()
    dumped = lightgbm.Booster(model_str=trees).dump_model()["tree_info"]
    for row, score in zip(features, model.score(features), strict=True):
        fused, wording = row[NAMES.index("fused")], row[NAMES.index("wording")]
        linear = (0 if np.isnan(fused) else 2 * (float(fused) - 0.5)) - (
            0 if np.isnan(wording) else float(wording) - 0.25
        )
        seen = [float(row[NAMES.index(name)]) for name in COLUMNS]
        assert score == pytest.approx(linear + sum(walk(tree["tree_structure"], seen) for tree in dumped))


def test_contributions_sum_to_the_score_and_name_the_right_features(model, trees):
    features = rows()
    found = model.contributions(features)
    assert found.shape == (len(features), len(NAMES) + 1)
    assert found.sum(axis=1) == pytest.approx(model.score(features), abs=1e-9)
    moving = {name for name, column in zip(NAMES, found[:, :-1].T, strict=True) if np.any(column)}
    assert moving == set(model.reads) == {"fused", "rating", "price:fit", "wording"}
    seen = features[:, [NAMES.index(name) for name in COLUMNS]].astype(np.float64)
    shapley = lightgbm.Booster(model_str=trees).predict(seen, pred_contrib=True)
    for place, name in ((1, "rating"), (2, "price:fit")):
        assert found[:, NAMES.index(name)] == pytest.approx(shapley[:, place])
    assert found[:, -1] == pytest.approx(shapley[:, -1])
    wording = column(features, "wording")
    assert found[:, NAMES.index("wording")] == pytest.approx(np.where(np.isnan(wording), 0, 0.25 - wording))


def test_a_weight_of_nothing_is_not_read():
    model = LearntRanking({"fused": Term(1.0), "rerank": Term(0.0, 0.5), "wording": Term(-1.0)})
    assert model.reads == ("fused", "wording")
    features = rows()
    assert not model.contributions(features)[:, NAMES.index("rerank")].any()


def test_the_fusion_alone_orders_as_the_fusion():
    features = rows()
    features[:, NAMES.index("fused")] = np.arange(len(features))
    assert fusion_alone().score(features).tolist() == list(range(len(features)))
    assert not fusion_alone().contributions(features)[:, 1:].any()


def test_no_candidates(model):
    empty = np.empty((0, len(NAMES)), np.float32)
    assert model.score(empty).shape == (0,)
    assert model.contributions(empty).shape == (0, len(NAMES) + 1)


def test_another_number_of_columns_is_an_error(model):
    with pytest.raises(InputError, match=r"features of shape \(2, 3\)"):
        model.score(np.zeros((2, 3), np.float32))


# --- the folder ----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(model, tmp_path):
    model.save(tmp_path / "model", {"encoder": "abc"}, {"promoted": True})
    return tmp_path / "model"


def test_a_loaded_folder_scores_alike_and_says_what_it_is(model, folder):
    loaded = LearntRanking.load(folder)
    assert loaded.score(rows()).tolist() == model.score(rows()).tolist()
    assert loaded == model
    assert loaded.details["fingerprint"]["encoder"] == "abc"
    assert loaded.details["promoted"] is True
    assert not [path for path in folder.iterdir() if path.suffix not in {".json", ".txt"}]


def test_a_ranking_without_trees_has_no_file_of_them(folder):
    LearntRanking(TERMS).save(folder, {}, {})
    assert not (folder / TREES).exists()
    assert LearntRanking.load(folder).terms == TERMS


@pytest.mark.parametrize("name", [FILE, TREES])
def test_a_changed_part_is_refused(folder, name):
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace("120", "121") if name == FILE else text + "\n")
    with pytest.raises(FingerprintError, match="not those that were trained together"):
        LearntRanking.load(folder)


def test_trees_that_are_gone_are_missed(folder):
    (folder / TREES).unlink()
    with pytest.raises(FingerprintError, match="not those that were trained together"):
        LearntRanking.load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["terms"].update(odour={"weight": 1.0, "centre": 0.0}), "needs the feature 'odour'"),
        (lambda data: data["terms"]["fused"].update(weight=float("nan")), "a weight that is not finite"),
        (lambda data: data.pop("columns"), "KeyError 'columns'"),
    ],
)
def test_a_damaged_ranking_is_refused(folder, change, message):
    data = json.loads((folder / FILE).read_text())
    change(data)
    (folder / FILE).write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match=message):
        LearntRanking.load(folder)


def test_a_folder_of_another_kind_is_refused(folder):
    shutil.rmtree(folder)
    folder.mkdir()
    write_manifest(folder, Manifest("encoder", FORMAT, {}))
    with pytest.raises(ArtifactError, match=f"allowed: a folder of kind '{KIND}'"):
        LearntRanking.load(folder)
