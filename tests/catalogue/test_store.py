"""Products round-trip through JSON exactly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.catalogue.store import from_json, product_from_dict, product_to_dict, to_json
from aisle.errors import CatalogueError
from aisle.types import Offer, Product

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_number = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_count = st.none() | st.integers(0, 10**9)
_value = (
    _text | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.lists(_text, max_size=3).map(tuple)
)
_attributes = st.dictionaries(_text, _value, max_size=4)
_offers = st.builds(
    Offer, id=_text, price=_number, currency=st.none() | _text, stock=_count, available=st.none() | st.booleans(),
    attributes=_attributes,
)  # fmt: skip
_texts = st.lists(_text, max_size=3).map(tuple)
products = st.builds(
    Product, id=_text.filter(bool), title=_text, description=_text, brand=_text, category=_texts,
    attributes=_attributes,
    price=_number, currency=st.none() | _text, rating=_number, rating_count=_count, available=st.none() | st.booleans(),
    stock=_count, images=_texts, identifiers=_texts, family=_text, offers=st.lists(_offers, max_size=2).map(tuple),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(products)
def test_round_trip(product: Product) -> None:
    assert product_from_dict(json.loads(json.dumps(product_to_dict(product)))) == product
    assert from_json(to_json(product)) == product
    assert "\n" not in to_json(product)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"title": "x"}, "no id"),
        ({"id": "1", "title": 5}, "title is 5"),
        ({"id": "1", "title": "x", "price": "5"}, "price is '5'"),
        ({"id": "1", "title": "x", "stock": True}, "stock is True"),
        ({"id": "1", "title": "x", "colour": "red"}, "unknown field 'colour'"),
        ({"id": "1", "title": "x", "offers": [{"price": 1}]}, "offer has no id"),
    ],
)
def test_what_is_no_product_is_refused(data: dict[str, object], reason: str) -> None:
    with pytest.raises(CatalogueError, match=reason):
        product_from_dict(data)
    with pytest.raises(CatalogueError, match="not a stored product"):
        from_json(json.dumps(data))
