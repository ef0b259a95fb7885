"""Training recipes: defaults, files, --set, and one clear error for whatever is wrong. No PyTorch."""

from __future__ import annotations

import pytest
import tomli_w

from aisle.errors import RecipeError
from aisle.training.relevance.recipe import RECIPES, FitSettings, TrainingRecipe, load_recipe


def test_without_anything_it_is_the_default():
    assert load_recipe(None) == load_recipe("default") == TrainingRecipe()
    assert TrainingRecipe().model == "auto"


def test_the_packaged_recipes_say_what_is_made():
    assert list(RECIPES) == ["default", "head", "encoder", "combination", "cross-encoder", "full"]
    for name in ("head", "encoder", "combination"):
        assert load_recipe(name) == TrainingRecipe(name=name, model=name)
        assert load_recipe(name, ["model=auto"]).model == "auto"
    assert load_recipe("head") == TrainingRecipe(name="head", model="head"), "a change leaves the packaged one alone"


def test_a_file_and_changes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[fit]\nepochs = 2\nrate = 1e-5\n', encoding="utf-8")
    found = load_recipe(str(path), ["fit.epochs=7", "base=folder/of/encoder", "fit.loss=pairwise", "description=true"])
    assert found.name == "mine"
    assert found.fit == FitSettings(epochs=7, rate=1e-5, loss="pairwise")
    assert found.base == "folder/of/encoder"
    assert found.description is True


def test_what_is_written_is_what_is_read(tmp_path):
    recipe = load_recipe(None, ["fit.mixtures=[0.5]", "fit.seed=3", "validation=0.2"])
    path = tmp_path / "recipe.toml"
    path.write_text(tomli_w.dumps(recipe.to_dict()), encoding="utf-8")
    assert load_recipe(str(path)) == recipe


@pytest.mark.parametrize(
    ("spec", "changes", "message"),
    [
        ("none.toml", [], "no recipe 'none.toml'"),
        (None, ["fit.epochs"], "is not KEY=VALUE"),
        (None, ["=3"], "is not KEY=VALUE"),
        (None, ["fit.=3"], "names no setting"),
        (None, ["fit.epochs=0"], "setting 'fit.epochs'.*received 0"),
        (None, ["fit.epoch=3"], "setting 'fit.epoch'"),
        ("bilingual", [], "no recipe 'bilingual'"),
        (None, ["model=tree"], "setting 'model'.*received 'tree'"),
        (None, ["more_epochs=0"], "setting 'more_epochs'.*received 0"),
        (None, ["max_rerank_ms=0"], "setting 'max_rerank_ms'"),
        (None, ["fit.loss=hinge"], "received 'hinge'"),
        (None, ["held_out=0.9"], "setting 'held_out'"),
        (None, ["fit=3"], "setting 'fit'"),
        (None, ["fit.rate=nan"], "setting 'fit.rate'"),
    ],
)
def test_what_is_wrong_is_said(spec, changes, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(spec, changes)


def test_a_broken_file_is_said(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("[fit\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(str(path))
