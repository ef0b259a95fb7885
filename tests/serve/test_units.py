"""Parts of the service by themselves: settings, filters as JSON, highlights, suggestions."""

import pytest

from aisle.errors import FilterError, RecipeError
from aisle.filters import parse_filter
from aisle.serve.highlight import highlight, words_to_mark
from aisle.serve.json_filter import read_filter
from aisle.serve.settings import Settings, read_config
from aisle.serve.suggest import Suggestions
from aisle.types import Product


def test_a_configuration_has_the_service_the_recipe_and_the_rest(tmp_path):
    from aisle.config import Recipe

    file = tmp_path / "aisle.toml"
    (tmp_path / "rules.toml").write_text("")
    file.write_text('[serve]\nthreads = 3\n[security]\nx = 1\n[ranking]\ndemands = "boost"\nrules = "rules.toml"\n')
    config = read_config(file)
    assert config.settings == Settings(threads=3)
    assert config.tables["security"] == {"x": 1}
    recipe = config.recipe_over(Recipe(name="mine"))
    assert (recipe.name, recipe.ranking.demands) == ("mine", "boost")
    assert recipe.ranking.rules == str(tmp_path / "rules.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[serve]\nthread = 3", "thread"),
        ("[serve]\nthreads = 0", "threads"),
        ("serve = 3", "'serve' is no table"),
        ("[serve", "not valid TOML"),
    ],
)
def test_a_wrong_configuration_is_told(tmp_path, text, said):
    file = tmp_path / "aisle.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=said):
        read_config(file)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"field": "price", "op": "<", "value": 500}, "price < 500"),
        ({"field": "PRICE", "op": "=", "value": "12"}, "price = 12"),
        ({"field": "attributes.price", "op": "=", "value": "12"}, 'attributes.price = "12"'),
        ({"field": "attributes.colour", "op": "in", "value": ["red"]}, "colour IN (red)"),
        ({"field": "category", "op": "under", "value": ["A > B", "C"]}, r'category UNDER "A \\> B > C"'),
        ({"field": "available", "op": "=", "value": True}, "available = true"),
        ({"not": {"or": [{"field": "a", "op": "exists"}, {"field": "b", "op": "=", "value": True}]}},
         "NOT (EXISTS a OR b = true)"),
    ],
)  # fmt: skip
def test_json_means_what_the_filter_language_means(given, text):
    assert read_filter(given) == parse_filter(text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], r"has \[\] where an object"),
        ({"and": [], "or": []}, "has the members and, or"),
        ({"field": "", "op": "=", "value": 1}, "field is ''"),
        ({"field": "price", "op": "<", "value": "much"}, "not a number"),
        ({"field": "price", "op": "=", "value": None}, "compared with None"),
        ({"field": "price", "op": "in", "value": []}, r"price in \[\]"),
        ({"field": "brand", "op": "under", "value": ["x"]}, "brand under"),
        ({"field": "brand", "op": "exists", "value": 3}, "exists with the value"),
        ({"field": "brand", "op": "=", "value": "x", "boost": 3}, "members field, op, value, boost"),
    ],
)
def test_what_is_no_filter_is_told(given, said):
    with pytest.raises(FilterError, match=said):
        read_filter(given)


def test_a_filter_may_not_be_endless():
    deep = {"field": "a", "op": "exists"}
    for _ in range(60):
        deep = {"not": deep}
    with pytest.raises(FilterError, match="too large"):
        read_filter(deep)
    with pytest.raises(FilterError, match="too large"):
        read_filter({"or": [{"field": "a", "op": "exists"}] * 3_000})


def marked(product, query):
    return {
        name: [one["text"][start:end] for start, end in one["ranges"]]
        for name, one in highlight(product, words_to_mark([query])).items()
    }


def test_highlights_ignore_case_and_accents_and_read_chinese():
    product = Product("1", "Café CREME machine 小米手机壳 red", "x " * 200 + "the crème, and cremes " + "y " * 200)
    assert marked(product, "creme 手机 cafe") == {"title": ["Café", "CREME", "手机"], "description": ["crème"]}
    one = highlight(product, words_to_mark(["creme"]))["description"]
    assert len(one["text"]) <= 200
    assert one["cut"] == [True, True]
    assert marked(product, "nothing") == {}


@pytest.fixture(scope="module")
def suggestions():
    rows = [
        ("1", "Sony wireless headphones black", "Sony", ("Audio", "Headphones")),
        ("2", "Sony wireless headphones white", "Sony", ("Audio", "Headphones")),
        ("3", "JBL wireless headphones", "JBL", ("Audio", "Headphones")),
        ("4", "小米手机 64GB", "小米", ("手机",)),
        ("5", "苹果手机壳", "", ("手机配件",)),
    ]
    return Suggestions(Product(one, title, "", brand, path) for one, title, brand, path in rows)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("head", "Headphones"),
        ("so", "Sony"),
        ("wireless h", "wireless headphones"),
        ("white so", "Sony wireless headphones white"),
        ("手", "手机"),
        ("机壳", "苹果手机壳"),
        ("shouji", "手机"),
        ("sjk", "苹果手机壳"),
        ("xiaomi", "小米"),
    ],
)
def test_suggestions_go_on_from_what_was_typed(suggestions, typed, first):
    assert suggestions.find(typed)[0].text == first


def test_suggestions_end_where_nothing_fits(suggestions):
    assert suggestions.find("headphonesx") == []
    assert suggestions.find("head sony") == []  # only the last word may go on
    assert suggestions.find(" ") == []
    assert len(suggestions.find("s", 1)) == 1
    texts = [one.text.casefold() for one in suggestions.find("h", 50)]
    assert len(texts) == len(set(texts))
