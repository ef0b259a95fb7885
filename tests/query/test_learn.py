import re

import pytest

from aisle.errors import ArtifactError
from aisle.query.certainty import STRENGTH
from aisle.query.facts import CatalogueFacts
from aisle.query.learn import learn
from aisle.types import Product
from tests.query.rows import icecat, shop


@pytest.fixture(scope="module")
def facts():
    return learn(iter(shop()))


@pytest.fixture(scope="module")
def real():
    return icecat(1_500)


@pytest.fixture(scope="module")
def real_facts(real):
    return learn(iter(real))


def term(facts, key, kind):
    return next((term for term in facts.terms.get(key, ()) if term.kind == kind), None)


def test_an_ambiguous_brand_is_less_certain_by_hand(facts):
    """Five titles have "case", two of them as Case Logic, which is the longer name; of three left one is of brand Case.

    That one brought the name and says nothing: 0 right of 2. Likewise Acme is right in 3 of 3, Bolt in 4 of 4 and Case
    Logic in 1 of 1 titles: 8 of 10 for all brands, (8 + 2 * 0.5) / (10 + 2) = 0.75. The three of four letters are right
    in 7 of 9: (7 + 2 * 0.75) / (9 + 2) = 0.7727, which counts as two titles for each of them.
    """
    assert STRENGTH == 2.0
    alike = 8.5 / 11
    assert term(facts, "case", "brand").certainty == pytest.approx((0 + 2 * alike) / 4, abs=1e-4)
    assert term(facts, "acme", "brand").certainty == pytest.approx((3 + 2 * alike) / 5, abs=1e-4)
    assert term(facts, "bolt", "brand").certainty == pytest.approx((4 + 2 * alike) / 6, abs=1e-4)
    assert term(facts, "caselogic", "brand").certainty > 0.8


def test_both_names_of_a_brand(facts):
    assert term(facts, "华为", "brand").values == term(facts, "huawei", "brand").values == {"brand": ("HUAWEI 华为",)}


def test_colours_of_one_concept_are_one_and_known_in_other_languages(facts):
    grey = {"jacket_colour": {"Grey", "Gray", "Blue/Grey"}}
    for key in ("grey", "gray", "灰色"):
        assert {name: set(values) for name, values in term(facts, key, "colour").values.items()} == grey
    assert set(term(facts, "blue", "colour").values["jacket_colour"]) == {"Blue/Grey", "Midnight Blue"}
    assert term(facts, "红色", "colour").values == {"jacket_colour": ("Red",)}
    assert term(facts, "rojo", "colour").values == {"jacket_colour": ("Red",)}


def test_the_unit_of_an_attribute_comes_from_titles(facts):
    (length,) = facts.measured
    assert (length.field, length.unit, length.texts) == ("length", "m", ())
    assert length.agreement == pytest.approx(6 / 8, abs=1e-4)  # 6 titles agree, 2 are added that do not
    assert facts.units == {"m": pytest.approx(5 / 7, abs=1e-4), "ft": pytest.approx(1 / 3, abs=1e-4)}


def test_a_text_with_its_unit_is_measured_without_titles():
    facts = learn(
        [Product(str(n), "Cup", attributes={"volume": text}) for n, text in enumerate(["500 ml", "0.5 L", "1升"])]
    )
    (volume,) = facts.measured
    assert volume.unit in ("ml", "L")
    assert {text for text, _ in volume.texts} == {"500 ml", "0.5 L", "1升"}


def test_categories_by_any_label(facts):
    assert term(facts, "mugs", "category").values == {"category": ("Kitchen > Mugs",)}
    assert term(facts, "kitchen", "category").values == {"category": ("Kitchen",)}


def test_prices_currencies_words(facts):
    assert (facts.products, facts.priced, facts.currencies) == (16, 16, ("USD",))
    assert facts.size_fields == ("size",)
    assert {"black", "cable", "handle"} <= facts.words
    assert not {"hdmi", "case"} & facts.words


def test_brand_certainty_on_real_rows_like_a_slow_count(real, real_facts):
    """For one-word brands that are in no longer brand: count titles with a regular expression, one brand at a time."""
    brands = {product.brand for product in real}
    checked = 0
    for brand in brands:
        key = brand.casefold()
        if not re.fullmatch(r"[a-z]{5,}", key) or sum(key in other.casefold() for other in brands) > 1:
            continue
        titles = [p for p in real if re.search(rf"(?<![^\W_]){key}(?:s|es)?(?![^\W_])", p.title.casefold())]
        if len(titles) < 10:
            continue
        right = sum(p.brand == brand for p in titles)
        found = term(real_facts, key, "brand").certainty
        low, high = (right - 1) / (len(titles) + 1), (right + 1) / (len(titles) + 1)  # any mean from 0 to 1
        assert low - 1e-4 <= found <= high + 1e-4, brand
        checked += 1
    assert checked >= 15


def test_real_units_as_icecat_documents_them(real_facts):
    units = {measured.field: measured.unit for measured in real_facts.measured}
    assert units["display_diagonal"] == "inch"
    assert units["cable_length"] == "m"


def test_saved_and_read_it_is_the_same(real_facts, tmp_path):
    path = tmp_path / "facts.json"
    real_facts.save(path)
    assert CatalogueFacts.load(path) == real_facts
    assert CatalogueFacts.load(path).correctable == real_facts.correctable
    assert [file.name for file in tmp_path.iterdir()] == ["facts.json"]


def test_learning_twice_gives_the_same(real, real_facts):
    assert learn(real) == real_facts


def test_no_products_no_facts():
    assert learn([]) == CatalogueFacts()


def test_an_attribute_called_like_a_field_keeps_apart():
    products = [
        Product(str(n), f"Thing {c}", attributes={"brand": c}) for n, c in enumerate(["Red", "Blue", "Black", "White"])
    ]
    assert term(learn(products), "red", "colour").values == {"attributes.brand": ("Red",)}


def test_brands_of_titles_where_there_is_no_brand_column():
    titles = ["Panasonic shaver", "Panasonic phone", "Panasonic oven", "Vintage rack", "Vintage mug", "Vintage lamp"]
    text = "A vintage thing, like Panasonic makes"
    facts = learn([Product(str(n), title, text) for n, title in enumerate(titles)])
    assert term(facts, "panasonic", "brand").certainty == 0.5  # 3 of 3 + 1, but no more than what cannot be checked
    assert term(facts, "panasonic", "brand").values == {}
    assert term(facts, "vintage", "brand") is None


def test_brands_of_titles_without_descriptions_have_to_begin_nearly_all_of_them():
    titles = [
        f"{brand} {thing}" for brand in ("Kohler", "Large") for thing in ("sink", "tap", "tub", "mat", "rug", "bin")
    ]
    facts = learn([Product(str(n), title) for n, title in enumerate([*titles, "Rug, large", "Mat, large"])])
    assert term(facts, "kohler", "brand").certainty == 0.5  # 6 of 6 + 1
    assert term(facts, "large", "brand") is None  # 6 of 8 + 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "cannot read"),
        ("[]", "cannot read"),
        ('{"format": 99}', "has format 99"),
        ('{"format": 1, "products": 1}', "cannot read"),
    ],
)
def test_a_damaged_file_says_so(content, says, tmp_path):
    path = tmp_path / "facts.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactError, match=says):
        CatalogueFacts.load(path)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ArtifactError, match="no such file"):
        CatalogueFacts.load(tmp_path / "none.json")
