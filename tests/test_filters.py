"""The filter language: what parses, what it means, what is refused, and that text round-trips."""

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.errors import FilterError
from aisle.filters import (
    field_values,
    format_filter,
    matches,
    parse_field,
    parse_filter,
    parse_sort,
    resolve,
    value_key,
)
from aisle.types import And, Compare, Exists, In, Not, Offer, Or, Product, Sort, Under

PHONE = Product(
    "P1",
    "Galaxy S10",
    brand="Samsung",
    category=("Electronics", "Phones", "Smart phones"),
    attributes={
        "colour": ("Red", "deep Blue"), "weight": 157.0, "cores": "8", "5g": True, "颜色": "红色", "price": 3.0,
        "weight (kg)": 0.157, "empty": "", "code": "007", "size": "6.10", "memory": ("4", "16", "many"),
    },
    price=499.0,
    currency="EUR",
    available=True,
    stock=0,
)  # fmt: skip
BARE = Product("P2", "Mystery")


@pytest.mark.parametrize(
    ("text", "filter"),
    [
        ("price<500", Compare("price", "<", 500.0)),
        ('price >= 100 AND brand = "Sony"', And((Compare("price", ">=", 100.0), Compare("brand", "=", "Sony")))),
        ('brand IN ("HP", Dell)', In("brand", ("HP", "Dell"))),
        ("brand NOT IN (HP)", Not(In("brand", ("HP",)))),
        ("a=1 or b=2 and not c=3",
         Or((Compare("a", "=", 1.0), And((Compare("b", "=", 2.0), Not(Compare("c", "=", 3.0))))))),
        ("(a=1 OR b=2) AND c=3", And((Or((Compare("a", "=", 1.0), Compare("b", "=", 2.0))), Compare("c", "=", 3.0)))),
        ("category under 'Electronics > Phones'", Under(("Electronics", "Phones"))),
        (r"category UNDER 'A \\> B>C'", Under(("A > B", "C"))),
        ("exists colour", Exists("colour")),
        ("available = TRUE", Compare("available", "=", True)),
        ("price BETWEEN 10 AND 20", And((Compare("price", ">=", 10.0), Compare("price", "<=", 20.0)))),
        ("price:10..20", And((Compare("price", ">=", 10.0), Compare("price", "<=", 20.0)))),
        ("price:..20", Compare("price", "<=", 20.0)),
        ("weight:1.5..", Compare("weight", ">=", 1.5)),
        ("颜色=红色", Compare("颜色", "=", "红色")),
        ("`weight (kg)` < .2", Compare("weight (kg)", "<", 0.2)),
        ("'weight (kg)' < 2e-1", Compare("weight (kg)", "<", 0.2)),
        ("attributes.price = 3", Compare("attributes.price", "=", 3.0)),
        ("attributes.colour = red", Compare("colour", "=", "red")),
        ("PRICE <> 3", Compare("price", "!=", 3.0)),
        ("price ≤ '3'", Compare("price", "<=", 3.0)),
        ("id = 0042", Compare("id", "=", "0042")),
        ("code = '0042'", Compare("code", "=", "0042")),
        (r'brand = "a \"b\" \\ c"', Compare("brand", "=", 'a "b" \\ c')),
        ("not = 5", Compare("not", "=", 5.0)),
        ("price > -3 AND m = LC-51/C_2.0+", And((Compare("price", ">", -3.0), Compare("m", "=", "LC-51/C_2.0+")))),
        ("*", And(())),
    ],
)  # fmt: skip
def test_text_to_filter(text, filter):
    assert parse_filter(text) == filter
    assert parse_filter(format_filter(filter)) == filter


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("price < 499.01", False), ("price <= 499 AND price >= 499", False), ("price = 499.0", False),
        ("price != 3", False), ("NOT price = 3", True), ("NOT price < 400", True), ("rating > 0 OR stock = 0", False),
        ("brand = samsung", False), ("brand = ＳＡＭＳＵＮＧ", False), ("brand IN (x, SAMSUNG)", False),
        ("brand != HP", False), ("NOT brand = HP", True), ("NOT EXISTS rating", True),
        ("colour = red", False), ("colour = 'deep  BLUE'", False), ("NOT colour = green", True),
        ("colour != green", False), ("cores = 8", False), ("cores = '8.0'", False), ("cores > 5", False),
        ("memory >= 16 AND memory <= 4", False),
        ("NOT memory > 16", True), ("NOT memory < 4", True),
        ("NOT code = 7", True), ("code = '007'", False), ("size = 6.1", False), ("5g = true", False),
        ("NOT `5g` = 1", True), ("颜色 = 红色", False), ("weight BETWEEN 157 AND 157", False),
        ("attributes.price = 3", False), ("EXISTS colour", False), ("NOT EXISTS empty", True),
        ("category UNDER electronics", False), ("category UNDER 'ELECTRONICS>phones'", False),
        ("NOT category UNDER 'Electronics > Phone'", True), ("NOT category UNDER Phones", True),
        ("category = 'Electronics > Phones > Smart phones'", False), ("available = true", False), ("NOT id = p1", True),
        ("id = P1", False), ("*", True), ("title = 'galaxy s10'", False),
    ],
)  # fmt: skip
def test_what_filters_mean(text, bare):
    assert matches(parse_filter(text), PHONE)
    assert matches(parse_filter(text), BARE) is bare


@pytest.mark.parametrize(
    "text",
    [
        "price != 499",
        "colour != red",
        "weight < 157",
        "colour < 3",
        "NOT *",
        "5g = 'yes'",
        "cores > 8",
        "code > 1",
        "id = P",
    ],
)
def test_what_filters_do_not_mean(text):
    assert not matches(parse_filter(text), PHONE)
    assert not matches(And((parse_filter(text), Or(()))), PHONE)


def test_a_product_without_price_has_its_cheapest_offers():
    product = Product("1", "x", offers=(Offer("a", 30.0, "EUR", 2, False), Offer("b", 20.0, "GBP", 3), Offer("c")))
    values = {field: field_values(product, field) for field in ("price", "currency", "stock", "available", "rating")}
    assert values == {"price": (20.0,), "currency": ("GBP",), "stock": (5,), "available": (False,), "rating": ()}
    own = Product("1", "x", price=9.0, stock=1, available=True, offers=product.offers)
    assert [field_values(own, f) for f in ("price", "currency", "stock", "available")] == [(9.0,), (), (1,), (True,)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column 1: the filter is empty"),
        ("price<500; DROP TABLE products", "column 10: ';' means nothing here"),
        ("' OR 1=1 --", "column 1: the quote ' is not closed"),
        ("x = '' OR 1=1 --", "column 11: found '1' where a field name"),
        ("price < 500 --", "column 13: found '--' where AND, OR"),
        ("price < cheap", "column 1: price < 'cheap': 'cheap' is not a number"),
        ("price < €500", "'€500' is not a number"),
        ("price = true", "price = true: true is not a number"),
        ("colour < red", "'red' is not a number"),
        ("brand < 3", "brand holds text"),
        ("available = maybe", "available = 'maybe'"),
        ("price BETWEEN 1 OR 2", "column 17: found 'OR' where AND"),
        ("price:10", "'10' is no range"),
        ("price:..", "'..' is no range"),
        ("weight = 1e999", "too large a number"),
        ("brand IN ()", r"column 11: found '\)' where a value"),
        ("brand IN (a", "column 12: the text ends"),
        ("brand = HP Pavilion", "column 12: found 'Pavilion'"),
        ("price", "column 6: the text ends where a comparison"),
        ("price <", "column 8: the text ends where a value"),
        ("price < 5 OR", "column 13: the text ends where a field"),
        ("(price < 5", "column 11: the text ends where a closing"),
        ("price < 5)", r"column 10: found '\)' where AND"),
        ("NOT", "column 4: the text ends"),
        ("1 = 1", "column 1: found '1' where a field name"),
        ("title UNDER x", "UNDER works on category only"),
        ("category UNDER ' > '", "the category path is empty"),
        ("attributes. = 3", "the attribute has no name"),
        ("price = !", "column 9: '!' means nothing"),
        ("(" * 9_000 + "a=1" + ")" * 9_000, "nested too deep"),
        ("NOT " * 4_000 + "a=1", "nested too deep"),
        ("a=1 OR " * 2_500 + "a=1", "too many conditions"),
        ("(" * 10_000 + "a=1" + ")" * 10_000, "20,003 characters"),
    ],
)
def test_refusals_say_where_and_what_to_do(text, message):
    with pytest.raises(FilterError, match=message) as caught:
        parse_filter(text)
    lines = str(caught.value).splitlines()
    assert len(lines) <= 3
    assert "to fix: " in lines[-1]
    assert max(map(len, lines)) < 250


@pytest.mark.parametrize(
    ("text", "sorts"),
    [
        ("price", (Sort("price"),)),
        ("price:desc,id", (Sort("price", True), Sort("id"))),
        (" PRICE : ASC , `a:b` : desc", (Sort("price"), Sort("a:b", True))),
        ("重量:desc", (Sort("重量", True),)),
    ],
)
def test_sort_orders(text, sorts):
    assert parse_sort(text) == sorts


@pytest.mark.parametrize("text", ["", "price:down", "price desc", "price,,id", "price:desc,", "<", "price;id"])
def test_wrong_sort_orders_are_refused(text):
    with pytest.raises(FilterError, match=r"column \d+.*\n(.|\n)*to fix"):
        parse_sort(text)


names = st.sampled_from(["price", "brand", "colour", "a b", "not", "in", "attributes.price", "颜色", "`x", "\\y", "5"])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.one_of(
    st.builds(Compare, names.filter(lambda n: n not in {"price"}), st.sampled_from(["=", "!="]), texts),
    st.builds(Compare, names.filter(lambda n: n != "brand"), st.sampled_from(["=", "!=", "<", "<=", ">"]), numbers),
    st.builds(In, st.just("colour"), st.lists(texts | numbers | st.booleans(), min_size=1).map(tuple)),
    st.builds(Exists, names),
    st.builds(Under, st.lists(st.text("a>\\ 'b\"", min_size=1).filter(str.strip), min_size=1).map(
        lambda path: tuple(" ".join(part.split()) for part in path))),
)  # fmt: skip
groups = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=6,
)


@given(groups)
@settings(max_examples=300, deadline=None)
def test_filters_survive_being_written_and_read(filter):
    assert parse_filter(format_filter(filter)) == filter


@given(st.text(max_size=40) | st.text("price<>=!()'\"\\ANDORNTIU,.:*1 `", max_size=40))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_filter_or_a_filter_error(text):
    for parse in (parse_filter, parse_sort):
        with suppress(FilterError):
            parse(text)


def test_and_or_not_follow_logic():
    rng = random.Random(0)
    parts = [parse_filter(text) for text in ("price < 500", "EXISTS rating", "brand = HP", "colour = red")]
    for _ in range(50):
        a, b = rng.choice(parts), rng.choice(parts)
        for product in (PHONE, BARE):
            x, y = matches(a, product), matches(b, product)
            assert matches(And((a, b)), product) == (x and y)
            assert matches(Or((a, b)), product) == (x or y)
            assert matches(Not(Or((a, b))), product) == matches(And((Not(a), Not(b))), product)


def test_names_of_fields():
    assert resolve("price") == (False, "price")
    assert resolve("attributes.price") == (True, "price")
    assert resolve("attributes.attributes.x") == (True, "attributes.x")
    assert resolve(" screen  size ") == (True, "screen size")


@pytest.mark.parametrize(
    ("value", "key"),
    [(2.0, "2"), ("2", "2"), ("2.0", "2"), ("02", "02"), (True, "true"), ("TRUE", "true"), (-0.5, "-0.5"),
     (1e300, "1e+300"), ("Ｆull  Width", "full width"), ("STRASSE", "strasse"), ("straße", "strasse")],
)  # fmt: skip
def test_equal_values_have_one_key(value, key):
    assert value_key(value) == key


@pytest.mark.parametrize("text", ["weight (kg)", "`weight (kg)`", " `weight  (kg)` "])
def test_a_field_is_named_as_it_stands_or_in_backquotes(text):
    assert parse_field(text) == "weight (kg)"


@pytest.mark.parametrize(
    ("text", "reason"), [("`weight", "the quote ` is not closed"), ("`a` b", "found 'b' where the end")]
)
def test_what_is_no_field_in_backquotes(text, reason):
    with pytest.raises(FilterError, match=reason):
        parse_field(text)
