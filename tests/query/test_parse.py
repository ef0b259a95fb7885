import pytest

from aisle.filters.matching import matches
from aisle.filters.parse import parse_filter
from aisle.filters.write import format_filter
from aisle.query.learn import learn
from aisle.query.parse import KINDS, read_demands
from aisle.types import Product
from tests.query.rows import shop

PRODUCTS = shop()


@pytest.fixture(scope="module")
def facts():
    return learn(PRODUCTS)


def ids(constraint):
    """Which products of the shop meet a demand."""
    return {int(product.id) for product in PRODUCTS if matches(constraint.filter, product)}


def demand(text, kind, facts, **options):
    found = [c for c in read_demands(text, facts, **options).constraints if c.kind == kind]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("text", "kind", "words", "meets"),
    [
        ("black cable", "colour", "black", {0, 1, 14}),
        ("grey sleeve", "colour", "grey", {3, 5, 7}),
        ("红色手机", "colour", "红色", {4, 9, 15}),
        ("funda rojo", "colour", "rojo", {4, 9, 15}),
        ("acme cable", "brand", "acme", {0, 1, 2, 3}),
        ("小米手机", "brand", "小米", {15}),
        ("HUAWEI phone", "brand", "HUAWEI", {14}),
        ("case logic red", "brand", "case logic", {4, 5}),
        ("cable under $12", "price", "under $12", {0, 3, 4, 5, 6, 7, 8, 9, 11, 12} - {4, 5}),
        ("cable 10 ft", "size", "10 ft", {2}),
        ("cable 180cm", "size", "180 cm", {3}),
        ("1.8 m cable", "size", "1.8 m", {3}),
        ("42码", "size", "42码", {15}),
        ("size 42 shoes", "size", "size 42", {15}),
        ("mugs", "category", "mugs", {11, 12, 13}),
        ("mug", "category", "mug", {11, 12, 13}),
        ("mug without handle", "without", "without handle", set(range(16)) - {8, 11, 13}),
        ("不要红色", "without", "不要红色", set(range(16)) - {4, 9, 15}),
        ("case logc", "category", "case", {4, 5, 6, 7, 8}),
    ],
)
def test_what_a_demand_means(facts, text, kind, words, meets):
    found = demand(text, kind, facts)
    assert (found.text, ids(found)) == (words, meets)
    assert 0 < found.certainty <= 1


def test_every_filter_can_be_written_and_read_back(facts):
    asked = read_demands("red acme cable 10 ft under $50 without handle mugs", facts)
    assert {c.kind for c in asked.constraints} == {"colour", "brand", "category", "size", "price", "without"}
    for constraint in asked.constraints:
        assert parse_filter(format_filter(constraint.filter)) == constraint.filter


def test_what_is_left(facts):
    asked = read_demands("  RED   acme usb hub under $50 without wheels ", facts)
    assert asked.text == "RED acme usb hub under $50 without wheels"
    assert [c.text for c in asked.constraints] == ["RED", "acme", "under $50"]
    assert (asked.rest, asked.searched) == ("usb hub", "RED acme usb hub")
    assert asked.unwanted == ("wheels",)


def test_kinds_switch(facts):
    assert [c.kind for c in read_demands("red acme under $50", facts, kinds=("price",)).constraints] == ["price"]
    assert read_demands("red acme under $50", facts, kinds=()).constraints == ()
    assert [c.kind for c in read_demands("mug handle", facts, kinds=KINDS).constraints] == ["category", "attribute"]


def test_after_for_a_brand_is_what_a_thing_goes_with(facts):
    assert read_demands("cable for acme", facts, kinds=("brand",)).constraints == ()
    assert read_demands("适用于小米的数据线", facts, kinds=("brand",)).constraints == ()


def test_of_two_brands_either_may_be_meant(facts):
    found = demand("acme or case logic", "brand", facts)
    assert (found.text, ids(found)) == ("acme, case logic", {0, 1, 2, 3, 4, 5})


@pytest.mark.parametrize(("written", "name"), [("blakc", "Black"), ("greeen", "Green"), ("wihte", "White")])
def test_one_wrong_letter_is_corrected_and_visible(facts, written, name):
    right = demand(f"{name} cable", "colour", facts)
    found = demand(f"{written} cable", "colour", facts)
    assert found.text == f"{written} -> {name}"
    assert found.filter == right.filter
    assert found.certainty < right.certainty


def test_words_of_titles_are_not_corrected():
    facts = learn(
        [Product(str(n), "Blank black book", attributes={"colour": c}) for n, c in enumerate(["Black", "Black"])]
    )
    assert read_demands("blank", facts, kinds=("colour",)).constraints == ()
    assert [c.text for c in read_demands("blakk", facts, kinds=("colour",)).constraints] == ["blakk -> Black"]


def test_a_price_in_another_currency_is_hardly_certain(facts):
    assert demand("under 200元", "price", facts).certainty < 0.5 < demand("under $200", "price", facts).certainty


def test_where_currencies_are_mixed_a_price_is_of_its_own():
    shop = [Product("1", "Shoes", price=14.0, currency="USD"), Product("2", "Boots", price=14.0, currency="EUR")]
    found = demand("shoes under 20 euro", "price", learn([*shop, Product("3", "Clogs", price=14.0)]))
    assert [matches(found.filter, product) for product in shop] == [False, True]
    assert matches(found.filter, Product("3", "Clogs", price=14.0)), "one without a currency may be meant"
    assert not matches(found.filter, Product("3", "Clogs", price=24.0))
    assert matches(demand("shoes under 20", "price", learn(shop)).filter, shop[0]), "no currency was said"
    only = demand("shoes under 20 euro", "price", learn(shop[1:])).filter
    assert only == demand("shoes under 20", "price", learn(shop[1:])).filter


def test_what_no_product_can_confirm_is_not_certain():
    facts = learn([Product("1", "Red dress"), Product("2", "Blue dress")])
    for text, kind in (("red dress", "colour"), ("dress under $5", "price"), ("10 ft dress", "size")):
        found = demand(text, kind, facts)
        assert found.certainty == 0.5
        assert not any(matches(found.filter, Product(str(n), "Red dress 10 ft")) for n in range(2))


@pytest.mark.parametrize("text", ["", "   ", "x" * 300, "的", "!!!", "-", "\u200b"])
def test_nothing_is_read_in_nothing(facts, text):
    assert read_demands(text, facts).constraints == ()
