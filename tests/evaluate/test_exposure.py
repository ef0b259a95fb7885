"""Exposure: a hand calculation, a slow version with a loop for every sum, and intervals that behave."""

import json
import math
import random

import pytest

from aisle.errors import JudgmentError, MetricError
from aisle.evaluate.exposure import DEFINITIONS, exposure, merits_of
from aisle.evaluate.exposure_page import exposure_page
from aisle.evaluate.groups import NONE, groups_of
from aisle.metrics import Gain
from aisle.types import Judgment, Offer, Product

LOG3 = math.log2(3)


def run_of(lists):
    return {query: [(product, -float(place)) for place, product in enumerate(items)] for query, items in lists.items()}


def test_a_report_by_hand():
    # Brands A and B. Query 1 shows a1, b1, a2 (weights 1, 1/log2(3), 1/2); a2 is not judged.
    groups = {"brand": {"a1": "A", "a2": "A", "b1": "B", "b2": "B"}}
    merits = {"1": {"a1": 1.0, "b1": 3.0}, "2": {"b2": 1.0, "a1": 0.0}}
    report = exposure(run_of({"1": ["a1", "b1", "a2"], "2": ["a1"], "3": ["b1"]}), groups, merits)
    wrong = report.of("brand")
    first = 1 + 1 / LOG3 + 0.5
    a = (1.5 / first + 1) / 2  # A has 1.5 of the first query's attention and all of the second's
    assert [group.group for group in wrong.groups] == ["B", "A"]  # by relevance
    assert wrong.groups[1].exposure.mean == pytest.approx(a)
    assert wrong.groups[0].exposure.mean == pytest.approx(1 - a)
    # Relevance: A has 1/4 and 0, B 3/4 and 1.
    assert wrong.groups[1].relevance == pytest.approx(1 / 8)
    assert wrong.groups[1].ratio.mean == pytest.approx(a * 8)
    assert wrong.groups[0].ratio.mean == pytest.approx((1 - a) / (7 / 8))
    assert wrong.groups[1].treatment_ratio == pytest.approx((a * 8) / ((1 - a) / (7 / 8)))
    assert wrong.disparity.mean == pytest.approx(a - 1 / 8)  # two groups: half of twice the same
    # Ideal: query 1 shows b1, then a1; query 2 only b2.
    assert wrong.groups[1].ideal == pytest.approx(((1 / LOG3) / (1 + 1 / LOG3) + 0) / 2)
    assert wrong.ideal_disparity == pytest.approx(abs(wrong.groups[1].ideal - 1 / 8))
    assert (wrong.groups[1].shown, wrong.groups[1].relevant, wrong.groups[1].catalogue) == (2, 1, 0.5)
    # Judged only: query 1 closes up to a1, b1.
    removed = report.of("brand", "removed")
    assert removed.groups[1].exposure.mean == pytest.approx((1 / (1 + 1 / LOG3) + 1) / 2)
    assert (report.queries, report.skipped, report.missing, report.unjudged) == (2, 0, 0, 0)


def test_products_of_equal_merit_take_turns_in_the_ideal_order():
    groups = {"brand": {"a": "A", "b": "B", "c": "C"}}
    report = exposure(run_of({"q": ["a", "x"]}), groups, {"q": {"a": 1.0, "b": 1.0, "c": 1.0}})
    # Three equal products share two places' attention, whatever their order.
    assert [group.ideal for group in report.of("brand").groups if group.group != NONE] == pytest.approx([1 / 3] * 3)
    assert report.of("brand").ideal_disparity == pytest.approx(0)
    # With a first: it has place 1, b and c share the one place that is left.
    first = exposure(run_of({"q": ["a", "x"]}), groups, {"q": {"a": 3.0, "b": 1.0, "c": 1.0}}).of("brand")
    ideal = {group.group: group.ideal for group in first.groups}
    assert ideal["A"] == pytest.approx(1 / (1 + 1 / LOG3))
    assert ideal["B"] == ideal["C"] == pytest.approx((1 / LOG3) / 2 / (1 + 1 / LOG3))
    # With three places they share two; unrelated products are in no ideal order.
    three = exposure(run_of({"q": ["a", "x", "y"]}), groups, {"q": {"a": 3.0, "b": 1.0, "c": 1.0, "y": 0.0}})
    ideal = {group.group: group.ideal for group in three.of("brand").groups}
    assert ideal["B"] == ideal["C"] == pytest.approx((1 / LOG3 + 1 / 2) / 2 / (1 + 1 / LOG3 + 1 / 2))
    assert ideal[NONE] == 0


def test_what_is_left_out_is_counted():
    groups = {"brand": {"a": "A"}}
    merits = {"1": {"a": 1.0}, "2": {"a": 0.0}, "3": {"a": 1.0}, "4": {"a": 2.0}}
    report = exposure(run_of({"1": ["a"], "2": ["a"], "4": ["x"]}), groups, merits)
    assert (report.queries, report.skipped, report.missing, report.unjudged) == (2, 1, 1, 1)
    shown = {group.group: group.exposure.mean for group in report.of("brand").groups}
    assert shown == {"A": 0.5, NONE: 0.5}  # x is of no known brand
    assert report.of("brand", "removed").groups[0].exposure.mean == 1.0


def slow_shares(lists, group_of, merits, cutoff):
    """Exposure and relevance of each group, one addition at a time."""
    seen, worth = {}, {}
    for query, items in lists.items():
        total = sum(1 / math.log2(rank + 1) for rank in range(1, min(cutoff, len(items)) + 1))
        for rank, product in enumerate(items[:cutoff], start=1):
            name = group_of.get(product, NONE)
            seen[name] = seen.get(name, 0) + 1 / math.log2(rank + 1) / total / len(lists)
        for product, merit in merits[query].items():
            name = group_of.get(product, NONE)
            worth[name] = worth.get(name, 0) + merit / sum(merits[query].values()) / len(lists)
    return seen, worth


@pytest.mark.parametrize("cutoff", [1, 3, 10])
def test_against_a_slow_obvious_version(cutoff):
    rng = random.Random(5)
    group_of = {f"p{i}": rng.choice("ABCD") for i in range(25)}  # p25 to p29 have none
    products = [f"p{i}" for i in range(30)]
    lists = {str(query): rng.sample(products, rng.randint(1, 15)) for query in range(20)}
    merits = {
        query: {product: rng.choice([0, 1, 3, 7]) + 0.1 for product in rng.sample(products, 8)} for query in lists
    }
    found = exposure(run_of(lists), {"brand": group_of}, merits, cutoff=cutoff).of("brand")
    seen, worth = slow_shares(lists, group_of, merits, cutoff)
    assert {group.group for group in found.groups} == set(seen) | set(worth)
    for group in found.groups:
        assert group.exposure.mean == pytest.approx(seen.get(group.group, 0))
        assert group.relevance == pytest.approx(worth.get(group.group, 0))
    names = set(seen) | set(worth)
    assert found.disparity.mean == pytest.approx(sum(abs(seen.get(n, 0) - worth.get(n, 0)) for n in names) / 2)
    assert sum(group.exposure.mean for group in found.groups) == pytest.approx(1)
    assert sum(group.ideal for group in found.groups) == pytest.approx(1)


def test_exposure_by_relevance_has_no_disparity_worth_the_name():
    """Two brands alike in everything, shown first in turns: both have their share, and the interval says so."""
    groups = {"brand": {"a": "A", "b": "B"}}
    lists = {str(query): ["a", "b"] if query % 2 else ["b", "a"] for query in range(60)}
    fair = exposure(run_of(lists), groups, {query: {"a": 1.0, "b": 1.0} for query in lists}).of("brand")
    assert fair.disparity.mean == pytest.approx(0)
    assert all(group.ratio.low < 1 < group.ratio.high for group in fair.groups)
    always = {query: ["a", "b"] for query in lists}
    unfair = exposure(run_of(always), groups, {query: {"a": 1.0, "b": 1.0} for query in lists})
    by_name = {group.group: group for group in unfair.of("brand").groups}
    assert by_name["A"].ratio.low > 1 > by_name["B"].ratio.high
    assert by_name["A"].treatment_ratio == pytest.approx(LOG3)


def test_the_interval_is_seeded_and_holds_the_mean():
    rng = random.Random(1)
    groups = {"brand": {f"p{i}": rng.choice("AB") for i in range(10)}}
    lists = {str(query): rng.sample(sorted(groups["brand"]), 5) for query in range(30)}
    merits = {query: {items[0]: 1.0} for query, items in lists.items()}
    one = exposure(run_of(lists), groups, merits, seed=1)
    assert one == exposure(run_of(lists), groups, merits, seed=1)
    assert one != exposure(run_of(lists), groups, merits, seed=2)
    for group in one.of("brand").groups:
        assert group.exposure.low < group.exposure.mean < group.exposure.high
        assert group.exposure.n == 30


def test_merits_are_the_gains_of_ndcg():
    judgments = [Judgment("q", "q", "a", 3), Judgment("q", "q", "b", 0), Judgment("r", "r", "a", 1)]
    assert merits_of(judgments) == {"q": {"a": 7.0, "b": 0.0}, "r": {"a": 1.0}}
    assert merits_of(judgments, Gain("linear"))["q"] == {"a": 3.0, "b": 0.0}
    with pytest.raises(JudgmentError, match="'a' has two grades"):
        merits_of([*judgments, Judgment("q", "q", "a", 2)])


def test_groups_of_a_catalogue():
    products = [
        Product("1", "", brand="HP", price=10.0, attributes={"seller": "Shop A"}),
        Product("2", "", brand=" hp ", price=20.0, attributes={"seller": "shop  a"}),
        Product("3", "", brand="Epson", price=30.0),
        Product("4", "", offers=(Offer("x", price=1234.5), Offer("y", price=2000.0))),
        Product("5", "", brand="HP"),
    ]
    groups = groups_of(products, bands=2)
    assert groups["brand"] == {"1": "HP", "2": "HP", "3": "Epson", "4": NONE, "5": "HP"}
    assert groups["seller"] == {"1": "Shop A", "2": "Shop A", "3": NONE, "4": NONE, "5": NONE}
    assert groups["price"] == {"1": "up to 20", "2": "up to 20", "3": "above 20", "4": "above 20", "5": NONE}
    quarters = groups_of(products)["price"]
    assert quarters == {"1": "up to 10", "2": "10 to 20", "3": "20 to 30", "4": "above 30", "5": NONE}
    assert groups_of(products, bands=1)["price"]["1"] == "any price"
    assert set(groups_of([Product("1", "")])) == set()


def test_price_bands_are_those_of_a_currency_and_equally_full():
    products = [Product(f"e{i}", "", price=float(i), currency="EUR") for i in range(1, 101)]
    products += [Product(f"j{i}", "", price=float(i) * 100, currency="JPY") for i in range(1, 101)]
    found = groups_of(products)["price"]
    euros = {"EUR up to 25", "EUR 25 to 50", "EUR 50 to 75", "EUR above 75"}
    yen = {"JPY up to 2,500", "JPY 2,500 to 5,000", "JPY 5,000 to 7,500", "JPY above 7,500"}
    assert set(found.values()) == euros | yen
    assert all(list(found.values()).count(band) == 25 for band in set(found.values()))
    alike = groups_of([Product(str(i), "", price=5.0) for i in range(9)])["price"]
    assert set(alike.values()) == {"any price"}


def test_the_report_as_data_and_as_a_page():
    groups = {"brand": {"a": "A & <b>", "b": "B"}, "price": {"a": "up to 5", "b": "above 5"}}
    report = exposure(run_of({"q": ["a", "b"]}), groups, {"q": {"a": 1.0, "b": 1.0}})
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert set(data["kinds"]) == {"brand", "price"}
    assert data["kinds"]["brand"]["wrong"]["groups"][0]["exposure"]["mean"] == pytest.approx(1 / (1 + 1 / LOG3))
    assert data["kinds"]["brand"]["wrong"]["groups"][0]["treatment_ratio"] == pytest.approx(LOG3)
    assert data["counts"] == {"queries": 1, "skipped": 0, "missing": 0, "unjudged": 0}
    assert data["definitions"].keys() >= DEFINITIONS.keys()
    page = exposure_page(report, "hybrid", "ratings.csv")
    assert "A &amp; &lt;b&gt;" in page
    assert "<b>" not in page
    assert page.count("<h2>") == 5  # two kinds under two treatments, and what the numbers mean
    assert "http" not in page


def test_a_group_without_relevance_has_no_ratio():
    groups = {"brand": {"a": "A", "b": "B"}}
    report = exposure(run_of({"q": ["b", "a"]}), groups, {"q": {"a": 1.0}})
    by_name = {group.group: group for group in report.of("brand").groups}
    assert by_name["B"].ratio is None
    assert by_name["B"].treatment_ratio is None
    assert by_name["A"].treatment_ratio is None  # nobody else deserves anything
    json.dumps(report.to_dict(), allow_nan=False)
    assert "–" in exposure_page(report, "hybrid", "ratings.csv")


def test_what_cannot_be_measured_is_refused():
    groups = {"brand": {"a": "A"}}
    with pytest.raises(MetricError, match="cut-off 0"):
        exposure(run_of({"q": ["a"]}), groups, {"q": {"a": 1.0}}, cutoff=0)
    with pytest.raises(MetricError, match="no groups"):
        exposure(run_of({"q": ["a"]}), {}, {"q": {"a": 1.0}})
    with pytest.raises(JudgmentError, match="of 1 judged queries none"):
        exposure(run_of({"other": ["a"]}), groups, {"q": {"a": 1.0}})
    with pytest.raises(MetricError, match="no exposure of 'seller'"):
        exposure(run_of({"q": ["a"]}), groups, {"q": {"a": 1.0}}).of("seller")
    with pytest.raises(MetricError, match="0 price bands"):
        groups_of([], bands=0)
