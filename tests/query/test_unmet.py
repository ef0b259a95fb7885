"""Demands that nothing shown meets, by hand."""

import pytest

from aisle.query.constraint import Constraint
from aisle.query.relax import relaxations, said, said_in_chinese, said_to
from aisle.query.unmet import LIKELY, said_of_unmet, unmet
from aisle.types import Compare, Not, Product

RED = Constraint("colour", "red", Compare("colour", "=", "Red"), 0.9)
CHEAP = Constraint("price", "under 50", Compare("price", "<", 50.0), 0.8)
GUESS = Constraint("brand", "apple", Compare("brand", "=", "Apple"), LIKELY - 0.01)
SMOOTH = Constraint("without", "no handle", Not(Compare("handle", "=", True)), 0.8)
BLUE_DEAR = Product("1", "a", price=60.0, attributes={"colour": "Blue"})
DEAR = Product("2", "b", price=50.0)
RED_SILENT = Product("3", "c", attributes={"colour": "Red"})
SILENT = Product("4", "d", attributes={"handle": True})


@pytest.mark.parametrize(
    ("products", "against", "silent"),
    [
        ((BLUE_DEAR, DEAR), (RED, CHEAP), ()),
        ((DEAR, SILENT), (CHEAP,), (RED,)),
        ((SILENT,), (SMOOTH,), (RED, CHEAP)),
        ((BLUE_DEAR, RED_SILENT), (CHEAP,), ()),
        ((RED_SILENT, Product("5", "e", price=49.99)), (), ()),
        ((), (), ()),
    ],
)
def test_what_none_meets(products, against, silent):
    assert unmet([RED, CHEAP, GUESS, SMOOTH], products) == (against, silent)


def test_in_words_of_the_query():
    assert said_of_unmet([RED, CHEAP], [BLUE_DEAR], "red mug under 50") == (
        "none of these products meets: colour (red), price (under 50)"
    )
    assert said_of_unmet([RED, CHEAP], [DEAR], "red mug under 50") == (
        "none of these products meets: price (under 50); none of these products says anything of: colour (red)"
    )
    assert said_of_unmet([RED, CHEAP], [DEAR], "红色 mug 50元以内") == (
        "以下商品均不符合：价格（under 50）；以下商品均未注明：颜色（red）"
    )
    assert said_of_unmet([RED], [SILENT], "红杯") == "以下商品均未注明：颜色（red）"
    assert said_of_unmet([RED, GUESS], [RED_SILENT], "red mug") is None
    assert said_of_unmet([RED], [], "red mug") is None


def test_what_was_given_up_is_said_in_the_language_of_the_query():
    step = relaxations([CHEAP, RED], 0.8)[1]
    assert said_to("red mug under 50", step) == said(step) != ""
    assert said_to("红色 iPhone 壳", step) == said_in_chinese(step) != ""
    assert said_to("rosa タオル", step) == said(step)
