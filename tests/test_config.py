import pytest

from aisle.config import Recipe
from aisle.errors import RecipeError


def test_recipe_round_trips_through_toml():
    recipe = Recipe.from_toml(
        'name = "x"\n[search]\ndepth = 7\n[search.weights]\nbm25 = 0.25\n[catalogue.columns]\ntitle = "naam"'
    )
    assert recipe.search.depth == 7
    assert recipe.catalogue.columns == {"title": "naam"}
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert Recipe.from_toml(Recipe().to_toml()) == Recipe()


def test_what_a_recipe_leaves_out_keeps_the_base():
    base = Recipe.from_toml('encoder = "some/model"\n[search]\ndepth = 7\nrrf_k = 3')
    over = Recipe.from_toml("[search]\nrrf_k = 5", base=base)
    assert (over.encoder, over.search.depth, over.search.rrf_k) == ("some/model", 7, 5.0)
    assert base.search.rrf_k == 3.0


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("depth = 3", "setting 'depth'.*\nallowed: name, encoder"),
        ("[search]\ndepht = 3", "setting 'search.depht'.*\nallowed: depth, fusion, rrf_k"),
        ('[search]\ndepth = "many"', "valid integer.*received 'many'"),
        ("[search]\ndepth = 0", "greater than or equal to 1"),
        ("[search", "not valid TOML"),
        (
            "[search.weights]\nbm52 = 1",
            "setting 'search.weights': there is no stage 'bm52'.*\nallowed: bm25 and dense:t",
        ),
        ('[search.weights]\nbm25 = 0\n"dense:text" = 0', "every weight is 0.*\nallowed: bm25 and dense:text, not both"),
        ("[search.weights]\nbm25 = 'big'", "setting 'search.weights.bm25'"),
        ("[index.field_weights]\ntitle = 'big'", "index.field_weights.title"),
        ("[catalogue]\ncurrency = 'XYZ123'", "catalogue.currency.*received 'XYZ123'.*\nallowed: three letters such"),
        ("[catalogue]\ncurrency = 'EU'", "catalogue.currency.*received 'EU'"),
        ("[catalogue]\ncategory_separator = ''", "category_separator.*at least 1.*\nallowed: one character or more"),
    ],
)
def test_a_wrong_recipe_is_one_clear_error(text, match):
    with pytest.raises(RecipeError, match=match) as caught:
        Recipe.from_toml(text)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("currency", ["", "EUR", "eur", "€", "US$", "zł", "元", "人民币"])
def test_a_currency_by_code_or_sign(currency):
    assert Recipe.from_toml(f'[catalogue]\ncurrency = "{currency}"').catalogue.currency == currency


def test_a_recipe_file_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match="cannot read recipe"):
        Recipe.load(tmp_path / "none.toml")
