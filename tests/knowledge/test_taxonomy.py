"""Categories of a small shop and the queries that name them, by hand."""

import pytest

from aisle.filters import matches
from aisle.knowledge.taxonomy import PART, WHOLE, Taxonomy
from aisle.language.lexicon import Lexicon
from aisle.query.constraint import verdict
from aisle.types import Or, Product, Under

PATHS = {
    "Clothing > Women > Dresses": 3,
    "Clothing > Women > Shoes": 4,
    "Clothing > Women > Shoes > Sandals": 2,
    "Clothing > Men > Shoes": 5,
    "Clothing > Clothing Tops": 2,
    "Clothing > Clothing Tops > Blouses": 1,
    "Clothing > Coats & Jackets": 2,
    "Clothing > Accessories > Belts": 1,
    "Home > Kitchen > Kettles": 1,
}


def path(text: str) -> tuple[str, ...]:
    return tuple(text.split(" > "))


PRODUCTS = [Product(f"{name} {i}", "thing", category=path(name)) for name, count in PATHS.items() for i in range(count)]


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy.learn(PRODUCTS, Lexicon())


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("dresses", "Clothing > Women > Dresses"),
        ("Dress", "Clothing > Women > Dresses"),
        ("a summer dress", "Clothing > Women > Dresses"),
        ("连衣裙", "Clothing > Women > Dresses"),
        ("vestido", "Clothing > Women > Dresses"),
        ("jacket", "Clothing > Coats & Jackets"),
        ("coats & jackets", "Clothing > Coats & Jackets"),
        ("tops", "Clothing > Clothing Tops"),
        ("clothing", "Clothing"),
        ("women shoes", "Clothing > Women > Shoes"),
        ("shoes for men", "Clothing > Men > Shoes"),
        ("shoes", "Clothing > Women > Shoes"),  # six products with the sandals, the men's five
        ("sandals", "Clothing > Women > Shoes > Sandals"),
        ("kettle", "Home > Kitchen > Kettles"),
        ("dressing gown", None),
        ("lamp", None),
        ("", None),
    ],
)
def test_the_category_of_a_query(taxonomy, text, category):
    assert taxonomy.category_of(text) == (path(category) if category else None)


def test_sizes_count_what_is_below(taxonomy):
    assert taxonomy.sizes[path("Clothing")] == 3 + 4 + 2 + 5 + 2 + 1 + 2 + 1
    assert taxonomy.sizes[path("Clothing > Women > Shoes")] == 6


def test_a_query_for_a_category_reaches_its_descendants(taxonomy):
    named = taxonomy.named("women shoes")
    reached = {p.category for p in PRODUCTS if matches(taxonomy.constraint(named).filter, p)}
    assert reached == {path("Clothing > Women > Shoes"), path("Clothing > Women > Shoes > Sandals")}
    assert [expansion.name for expansion in taxonomy.expansions(named)] == ["Sandals"]
    assert taxonomy.below(path("Clothing > Clothing Tops")) == (path("Clothing > Clothing Tops > Blouses"),)


def test_a_name_of_two_categories_means_both(taxonomy):
    named = taxonomy.named("shoes")
    assert named.paths == (path("Clothing > Women > Shoes"), path("Clothing > Men > Shoes"))
    constraint = taxonomy.constraint(named)
    assert constraint.filter == Or(tuple(Under(p) for p in named.paths))
    assert constraint.kind == "category"
    shoe = next(p for p in PRODUCTS if p.category == path("Clothing > Men > Shoes"))
    dress = next(p for p in PRODUCTS if p.category == path("Clothing > Women > Dresses"))
    statuses = [verdict(constraint, product).status for product in (shoe, dress, Product("x", "thing"))]
    assert statuses == ["satisfied", "contradicted", "unknown"]


def test_certainty(taxonomy):
    assert taxonomy.named("dresses").certainty == WHOLE
    assert taxonomy.named("women shoes").certainty == WHOLE
    assert taxonomy.named("red dress").certainty == PART


def test_without_lexicon_and_without_categories():
    assert Taxonomy.learn(PRODUCTS).category_of("连衣裙") is None
    assert Taxonomy.learn(PRODUCTS).category_of("dresses") == path("Clothing > Women > Dresses")
    assert Taxonomy.learn([Product("1", "thing")], Lexicon()).category_of("dresses") is None
