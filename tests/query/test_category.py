import pytest

from aisle.query.category import DEPTH, category_asked, wanted_category
from aisle.query.learn import learn
from aisle.query.parse import read_demands
from aisle.types import Hit, Product, Ranking, SearchRequest

DRESSES, SHOES = ("Clothing", "Dresses"), ("Clothing", "Shoes")


def hit(path, score=1.0, title="x"):
    return Product("1", title, category=path), score


def test_the_share_of_votes_by_hand():
    hits = [hit(DRESSES, 1.0), hit(DRESSES, 0.5), hit(SHOES, 0.5), hit((), 0.4)]
    assert wanted_category(hits) == (DRESSES, pytest.approx(1.5 / 2.0))


def test_without_a_majority_the_parent():
    hits = [hit(DRESSES), hit(SHOES, 0.9), hit(("Clothing", "Hats"), 0.9)]
    assert wanted_category(hits) == (("Clothing",), pytest.approx(1.0))


def test_without_any_majority_none():
    assert wanted_category([hit(("A",)), hit(("B",), 0.9), hit(("C",), 0.9)]) is None
    assert wanted_category([]) is None
    assert wanted_category([hit(())]) is None


def test_a_named_category_has_more_say():
    """Shoes 1.2 to dresses 1: named with certainty .9 a dress counts 1 + 2 * 0.9 = 2.8 times."""
    products = [Product(str(n), "Nice dress", category=DRESSES) for n in range(20)]
    products += [Product(str(n), "Nice shoes", category=SHOES) for n in range(20, 40)]
    facts = learn(products)
    asked = read_demands("dress to go with shoe laces", facts)
    named = [c for c in asked.constraints if c.text == "dress"]
    hits = [hit(DRESSES), hit(SHOES, 0.6), hit(SHOES, 0.6)]
    assert wanted_category(hits) == (SHOES, pytest.approx(1.2 / 2.2))
    weight = 1 + 2 * named[0].certainty
    assert wanted_category(hits, named) == (DRESSES, pytest.approx(weight / (weight + 1.2)))


def test_only_the_best_hits_vote():
    hits = [hit(DRESSES)] * DEPTH + [hit(SHOES)] * 100
    assert wanted_category(hits) == (DRESSES, pytest.approx(1.0))


def test_case_does_not_divide_and_the_first_spelling_is_shown():
    assert wanted_category([hit(("Clothing", "DRESSES")), hit(DRESSES)]) == (
        ("Clothing", "DRESSES"),
        pytest.approx(1.0),
    )


def test_the_category_of_the_hits_shown_for_json():
    hits = tuple(
        Hit(place, product, score, {})
        for place, (product, score) in enumerate([hit(DRESSES, 2.0), hit(SHOES, 1.0), hit(DRESSES, 1.0)], start=1)
    )
    found = Ranking(SearchRequest("evening dress"), hits, 3)
    assert category_asked(found) == {"path": ["Clothing", "Dresses"], "share": 0.75}
    assert category_asked(Ranking(SearchRequest(" "), hits, 3)) is None
    assert category_asked(Ranking(SearchRequest("dress"), (), 0)) is None
