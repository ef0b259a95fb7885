from aisle.filters.write import format_filter
from aisle.query.constraint import Constraint
from aisle.query.relax import relaxations, said, said_in_chinese
from aisle.types import Compare, Not

COLOUR = Constraint("colour", "red", Compare("colour", "=", "Red"), 0.95)
BRAND = Constraint("brand", "acme", Compare("brand", "=", "Acme"), 0.85)
PRICE = Constraint("price", "under 50", Compare("price", "<", 50.0), 0.8)
WITHOUT = Constraint("without", "no handle", Not(Compare("handle", "=", True)), 0.82)
UNSURE = Constraint("size", "10 ft", Compare("length", "=", 3.0), 0.5)


def test_the_stated_order():
    steps = relaxations([PRICE, COLOUR, WITHOUT, UNSURE, BRAND], certain=0.8)
    assert [step.kept for step in steps] == [
        (PRICE, COLOUR, WITHOUT, BRAND),
        (PRICE, COLOUR, WITHOUT),
        (PRICE, WITHOUT),
        (PRICE,),
        (),
    ]
    assert steps[-1].dropped == (BRAND, COLOUR, WITHOUT, PRICE)


def test_equally_certain_the_later_one_goes_first():
    other = Constraint("brand", "bolt", Compare("brand", "=", "Bolt"), 0.95)
    assert [step.dropped for step in relaxations([COLOUR, other], 0.8)] == [(), (other,), (other, COLOUR)]


def test_without_certain_demands_there_is_one_step_without_a_filter():
    (step,) = relaxations([UNSURE], 0.8)
    assert (step.kept, step.dropped, step.filter, said(step)) == ((), (), None, "")


def test_filters_of_steps():
    both, one, none = relaxations([COLOUR, BRAND], 0.8)
    assert format_filter(both.filter) == 'colour = "Red" AND brand = "Acme"'
    assert format_filter(one.filter) == 'colour = "Red"'
    assert none.filter is None


def test_what_was_given_up_in_words():
    step = relaxations([PRICE, COLOUR, BRAND], 0.8)[2]
    assert said(step) == "nothing matched everything asked for; searched without brand (acme), colour (red)"
    assert said_in_chinese(step) == "没有商品符合全部条件；已放宽：品牌（acme）、颜色（red）"
    assert said(relaxations([COLOUR], 0.8)[0]) == said_in_chinese(relaxations([COLOUR], 0.8)[0]) == ""
