"""Exchanges that keep a grade, and what is made of the scores, worked out by hand."""

import numpy as np
import pytest

from aisle.errors import MetricError
from aisle.evaluate.statistics import holm, sign_flip_p
from aisle.improve.bias import bias, variants
from aisle.improve.bias.tables import BRANDS, COUNTRIES, GENDERS
from aisle.judgments.pairs import PairSet, Scale, TextPair


def pair_set(rows):
    items = tuple(
        TextPair(query.replace(" ", "_"), query, str(row), title, grade=grade)
        for row, (query, title, grade) in enumerate(rows)
    )
    return PairSet(items, Scale(0, 2), "hand")


def made(pairs, axis, side):
    """What becomes of each row: group to (query, title)."""
    return [
        {group: {row: (pair.query, pair.title) for row, pair in rows.items()} for group, rows in one.pairs.items()}
        for one in variants(pairs, axis, side)
    ]


# --- exchanges -----------------------------------------------------------------------------------------------


def test_a_brand_in_a_title_gives_way_to_all_of_its_field():
    pairs = pair_set([("wifi router", "NETGEAR N300 router by Netgear", 2), ("wifi router", "garden hose", 0)])
    (found,) = made(pairs, "brand", "title")
    assert list(found) == list(BRANDS["networks"])
    assert found["Netgear"] == {0: ("wifi router", "NETGEAR N300 router by Netgear")}
    assert found["Linksys"] == {0: ("wifi router", "LINKSYS N300 router by Linksys")}
    assert variants(pairs, "brand", "title")[0].original == "Netgear"


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("netgear router", "Netgear router"),  # the query asks for one
        ("smartphone", "Samsung Galaxy S5"),  # no other brand makes a Galaxy
        ("running shoes", "Nike and Adidas shoes"),  # two of them
        ("running shoes", "Nikes shoes"),  # another word
        ("photo frame", "frame for 4x6 photos"),
    ],
)
def test_titles_that_are_left_alone(query, title):
    assert made(pair_set([(query, title, 1), (query, "hose", 0)]), "brand", "title") == []


def test_a_brand_in_query_and_titles_changes_places_with_the_other():
    pairs = pair_set(
        [("nike shoes", "nike running shoes", 2), ("nike shoes", "Adidas shoes", 0), ("nike shoes", "Nike Shox", 2)]
    )
    (found,) = made(pairs, "brand", "both")
    assert found["Adidas"] == {0: ("adidas shoes", "adidas running shoes"), 1: ("adidas shoes", "Nike shoes")}
    assert found["Puma"][1] == ("puma shoes", "Adidas shoes")
    assert set(found["Nike"]) == {0, 1}  # Shox is Nike's alone


def test_genders_change_places_in_all_their_forms():
    pairs = pair_set(
        [
            ("mens running shoes", "Men's shoe for MEN, not women", 2),
            ("mens running shoes", "Womens shoe", 0),
            ("mens running shoes", "women's dress shoe", 0),
        ]
    )
    (found,) = made(pairs, "gender", "both")
    assert found["women"] == {
        0: ("womens running shoes", "Women's shoe for WOMEN, not men"),
        1: ("womens running shoes", "Mens shoe"),
    }  # what is made for one gender is left alone
    chinese = pair_set([("运动鞋", "男士运动鞋", 2), ("运动鞋", "男女通用", 1), ("运动鞋", "水管", 0)])
    (found,) = made(chinese, "gender", "title")
    assert found["women"] == {0: ("运动鞋", "女士运动鞋")}


def test_a_country_is_added_where_none_is_named():
    rows = [
        ("belt", "leather belt", 2),
        ("belt", "Italian belt", 1),
        ("belt", "belt made in USA", 1),
        ("皮带", "皮带", 1),
    ]
    found = made(pair_set(rows), "origin", "title")
    assert [list(one) for one in found] == [list(COUNTRIES["en"])] * 2
    assert found[0]["Germany"] == {0: ("belt", "leather belt Made in Germany")}
    assert found[1]["Germany"] == {3: ("皮带", "皮带 德国制造")}
    assert variants(pair_set(rows), "origin", "both") == []


def test_the_tables_are_whole():
    assert len(COUNTRIES["en"]) == len(COUNTRIES["zh"])
    forms = [form.casefold() for pairs in GENDERS.values() for pair in pairs for form in pair]
    assert len(forms) == len(set(forms))
    assert all(len(brands) == len(set(brands)) >= 4 for brands in BRANDS.values())


# --- figures -------------------------------------------------------------------------------------------------

ROUTERS = [
    (f"router {word}", title, grade)
    for word in ("red", "blue", "green", "black", "white", "grey")
    for title, grade in (("Netgear box", 2), ("a hose", 1), ("a bed", 0))
]
WORTH = {"Netgear box": 0.6, "a hose": 0.4, "a bed": 0.2}


def fond_of_belkin(pairs):
    """One score for each title, and .3 more for one brand."""
    return np.array([WORTH.get(pair.title, 0.6) + 0.3 * ("belkin" in pair.title.lower()) for pair in pairs], np.float32)


def test_a_favoured_brand_is_found_and_measured():
    (found,) = bias(fond_of_belkin, pair_set(ROUTERS), ["brand"])
    spread = np.std([0.6, 0.4, 0.2])
    assert (found.axis, found.side, found.rows, found.queries) == ("brand", "title", 6, 6)
    # of the four other brands one moves the score by .3, the others not at all
    assert found.move.mean == pytest.approx(0.3 / 4 / spread, rel=1e-5)
    assert found.places.mean == 0.0  # the box is first with any of them
    shift = {group.name: group.shift.mean for group in found.groups}
    assert shift["Belkin"] == pytest.approx(0.3 * 4 / 5 / spread, rel=1e-5)
    assert shift["Netgear"] == pytest.approx(-0.3 / 5 / spread, rel=1e-5)
    p, _ = sign_flip_p([1.0] * 6)
    assert {group.p for group in found.groups} == {p}
    assert [group.adjusted_p for group in found.groups] == pytest.approx([5 * p] * 5)
    assert found.favoured == ()  # six queries cannot show it among five brands
    assert found.ndcg.interval.mean == 0.0
    assert found.example == ("Netgear box", "Linksys box")


def test_a_deaf_score_moves_nothing():
    found = bias(lambda pairs: np.array([WORTH.get(pair.title, 0.6) for pair in pairs]), pair_set(ROUTERS))
    for one in found:
        if one.axis == "brand":
            assert (one.move.mean, one.places.mean, one.ndcg.interval.mean) == (0.0, 0.0, 0.0)
            assert not one.favoured


def test_twelve_queries_name_who_is_favoured():
    rows = [(f"{query} {word}", title, grade) for query, title, grade in ROUTERS for word in ("fast", "slow")]
    (found,) = bias(fond_of_belkin, pair_set(rows), ["brand"])
    assert found.favoured[0].name == "Belkin"
    assert found.favoured[0].adjusted_p == pytest.approx(5 * 2 / 2**12)


def test_an_exchange_that_turns_the_order_costs_places_and_ndcg():
    def fond_of_men(pairs):
        return np.array([WORTH.get(p.title, 0.3 if "women" in p.title.lower() else 0.6) for p in pairs], np.float32)

    rows = [("sport shoes", "Men's shoe", 2), ("sport shoes", "a hose", 1), ("sport shoes", "a bed", 0)]
    (found,) = bias(fond_of_men, pair_set(rows), ["gender"])
    assert found.places.mean == 1.0
    ideal = 3 + 1 / np.log2(3)
    assert found.ndcg.interval.mean == pytest.approx((1 + 3 / np.log2(3)) / ideal - 1)


def test_what_moves_a_whole_query_alike_is_no_move():
    rows = [("nike shoes", "nike shoe", 2), ("nike shoes", "nike sock", 1), ("nike shoes", "a bed", 0)]

    def by_query(pairs):
        base = {"shoe": 0.6, "sock": 0.4, "bed": 0.2}
        return np.array([base[pair.title.split()[-1]] + 0.5 * ("puma" in pair.query) for pair in pairs], np.float32)

    (found,) = bias(by_query, pair_set(rows), ["brand"])
    assert found.side == "both"
    assert found.move.mean == pytest.approx(0.0, abs=1e-6)
    asked = []
    bias(lambda pairs: asked.append(pairs) or by_query(pairs), pair_set(rows), ["brand"])
    texts = {}
    for pair in asked[1]:  # a query id has one text, so that a re-ranker may group by it
        assert texts.setdefault(pair.query_id, pair.query) == pair.query
        assert pair.query_id.split("\n")[0] == "nike_shoes"


def test_nothing_to_exchange_says_so():
    with pytest.raises(MetricError, match="no pair names a brand, a gender"):
        bias(fond_of_belkin, pair_set([("usb hub", "a hub", 1), ("usb hub", "a hose", 0)]), ["brand"])


def test_holm_against_its_definition():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
