"""Weak labels from clicks: looks from simulated clicks of known truth on real judgments; refusals; the command."""

import csv
import datetime as dt
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import beta

from aisle.cli.main import cli
from aisle.errors import ArtifactError, InputError
from aisle.improve.behaviour import grade_by, weak_labels
from aisle.improve.behaviour_looks import fitted, pairs_of
from aisle.judgments import read_judgments
from aisle.judgments.split import query_key
from aisle.monitor.pages import Page, Place
from aisle.serve.security.event import Event, Hasher, Item, line_of
from aisle.types import Judgment

FILE = Path(__file__).parent.parent / "data" / "judging" / "icecat_raters.csv"
RATERS = ("agent_1_rating", "agent_2_rating", "agent_3_rating")
LOOKS = (1.0, 0.6, 0.4, 0.25, 0.2)
LIKES = (0.05, 0.2, 0.4, 0.7)
START = dt.datetime(2026, 11, 29, 8, tzinfo=dt.UTC)


def page(number, query, ranking, clicked=(), **fields):
    places = tuple(Place(product, at) for at, product in enumerate(ranking, start=1))
    return Page(START + dt.timedelta(seconds=number), query, places, clicked=set(clicked), **fields)


@pytest.fixture(scope="module")
def grades():
    """Query to product to the three raters' grades and the settled one."""
    found = {}
    with FILE.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["query"], {})[row["docid"]] = [int(row[name]) for name in (*RATERS, "final_rating")]
    return {query: products for query, products in found.items() if len(products) >= 5}


def simulate(grades, count, other=0.3):
    """A good ranking, and sometimes another; each shopper likes what one of the three raters likes."""
    generator = np.random.default_rng(4)
    rankings = {}
    for query, products in grades.items():
        ids = [list(products)[at] for at in generator.choice(len(products), 5, replace=False)]
        best = sorted(ids, key=lambda one: (-products[one][3], one))
        rankings[query] = (best, [*best[2:], *best[:2]])
    queries, found = list(rankings), []
    for number in range(count):
        query = queries[int(generator.integers(len(queries)))]
        ranking = rankings[query][int(generator.random() < other)]
        rater = int(generator.integers(3))
        draws = generator.random(5)
        chances = [look * LIKES[grades[query][one][rater]] for look, one in zip(LOOKS, ranking, strict=True)]
        clicked = [one for one, draw, chance in zip(ranking, draws, chances, strict=True) if draw < chance]
        found.append(page(number, query, ranking, clicked))
    return found


@pytest.fixture(scope="module")
def pages(grades):
    return simulate(grades, 12_000)


@pytest.mark.parametrize("method", ["swaps", "em"])
def test_looks_are_found_from_clicks_and_labels_come_to_the_truth(grades, pages, method):
    found = weak_labels(pages, method=method)
    assert found.propensities == pytest.approx(LOOKS, abs=0.06)
    assert found.method == method
    assert found.moved == 5 * len(grades)
    truth = [np.mean([LIKES[grade] for grade in grades[one.query][one.product_id][:3]]) for one in found.labels]
    ours = [one.relevance for one in found.labels]
    plain = [one.relevance for one in weak_labels(pages, propensities=[1.0] * 5).labels]
    assert np.mean(np.abs(np.subtract(ours, truth))) < 0.05
    assert np.corrcoef(ours, truth)[0, 1] > 0.95 > np.corrcoef(plain, truth)[0, 1]
    inside = np.mean([one.low <= value <= one.high for one, value in zip(found.labels, truth, strict=True)])
    assert inside > 0.85


def test_em_is_a_maximum_of_the_likelihood(pages):
    """No step to any side of any position is more likely, each product's liking being fitted anew."""
    told = pairs_of(pages, "click", 5)

    def likelihood(looks):
        likes = np.full(len(told.pairs), 0.3)
        for _ in range(300):
            none = 1 - looks * likes[:, None]
            liked = told.hits + (told.shown - told.hits) * likes[:, None] * (1 - looks) / none
            likes = np.clip(liked.sum(1) / told.shown.sum(1), 1e-6, 1 - 1e-9)
        rate = np.clip(looks * likes[:, None], 1e-9, 1 - 1e-9)
        return float((told.hits * np.log(rate) + (told.shown - told.hits) * np.log1p(-rate)).sum())

    best = np.array(fitted(told))
    top = likelihood(best)
    for at in range(1, 5):
        for step in (-0.04, 0.04):
            other = best.copy()
            other[at] += step
            assert likelihood(other) < top


def test_a_label_by_hand():
    pages = [
        page(n, "USB  hub" if n % 4 else "usb hub", "ab", "a" if n < 8 else "b" if n < 11 else "") for n in range(20)
    ]
    pages += [page(n, "usb hub", "c") for n in range(3)]
    found = weak_labels(pages, propensities=(1.0, 0.5), minimum=5)
    a, b = found.labels
    assert (a.product_id, a.hits, a.shown, a.looks) == ("a", 8, 20, 20)
    assert (b.product_id, b.hits, b.shown, b.looks) == ("b", 3, 20, 10)
    assert a.query == "USB  hub"  # as it was typed most often
    assert found.left_out == 1
    mean, weight = found.prior
    for one in (a, b):
        assert one.relevance == pytest.approx((mean * weight + one.hits) / (weight + one.looks))
        given = beta(mean * weight + one.hits, (1 - mean) * weight + one.looks - one.hits)
        assert (one.low, one.high) == pytest.approx(given.interval(0.95))
    assert [one.grade for one in found.judgments()] == pytest.approx([3 * a.relevance, 3 * b.relevance])
    assert [one.grade for one in found.judgments([0.0, (a.relevance + b.relevance) / 2, 1.0])] == [2, 1]
    beyond = weak_labels(pages, propensities=(1.0,), minimum=1)
    assert beyond.beyond == 20
    assert {one.product_id for one in beyond.labels} == {"a", "c"}


def test_purchases_count_by_the_looks_of_clicks(pages):
    bought = [
        Page(one.time, one.query, one.places, clicked=one.clicked, bought=set(sorted(one.clicked)[:1])) for one in pages
    ]
    found = weak_labels(bought, signal="purchase")
    assert found.propensities == weak_labels(pages).propensities
    assert sum(one.hits for one in found.labels) == sum(bool(one.clicked) for one in pages)


def test_data_that_cannot_tell_are_refused_with_the_reason():
    fixed = [page(n, f"q{n % 7}", [f"{n % 7}a", "b", "c"], [f"{n % 7}a"]) for n in range(400)]
    for method in ("swaps", "em"):
        with pytest.raises(InputError, match="0 products stood at more than one position"):
            weak_labels(fixed, method=method)
    assert min(fitted(pairs_of(fixed, "click", 3))) < 1  # numbers come of it all the same: hence the refusal
    with pytest.raises(InputError, match="no impressions") as error:
        weak_labels([page(1, "", "", bought={"a", "b"})], signal="purchase")
    assert "not what a query asks for" in error.value.fix
    with pytest.raises(InputError, match="no cart on 400 pages"):
        weak_labels(fixed, signal="cart", propensities=(1.0,))
    with pytest.raises(InputError, match=r"propensities 1\.5"):
        weak_labels(fixed, propensities=(1.5,))
    with pytest.raises(InputError, match="was looked at 1000 times"):
        weak_labels(fixed, propensities=(1.0,), minimum=1_000)
    with pytest.raises(InputError, match="method 'guess'"):
        weak_labels(fixed, method="guess")
    with pytest.raises(InputError, match="signal 'view'"):
        weak_labels(fixed, signal="view")


def test_cuts_to_grades_are_judged_on_other_queries(grades, pages):
    labels = weak_labels(pages).labels
    anchors = [Judgment(query, query, one, four[3]) for query, some in grades.items() for one, four in some.items()]
    found = grade_by(labels, anchors)
    assert found.pairs == len(labels)
    assert list(found.cuts) == sorted(found.cuts)
    assert 0.5 < found.kappa < 1
    generator = np.random.default_rng(1)
    shuffled = [Judgment(one.query_id, one.query, one.product_id, float(generator.integers(4))) for one in anchors]
    assert abs(grade_by(labels, shuffled).kappa) < 0.3  # learnt cuts would flatter themselves on their own pairs
    with pytest.raises(InputError, match="0 judged pairs have a label"):
        grade_by(labels, [])


def test_from_a_services_events_to_judgments(tmp_path, grades, pages):
    state = tmp_path / "shop.state"
    (state / "events").mkdir(parents=True)
    hasher, lines = Hasher(state), []
    for number, one in enumerate(pages[:4_000]):
        items = tuple(Item(place.id, place.position) for place in one.places)
        lines.append(line_of(Event("impression", items, one.query, request_id=f"r{number}"), one.time, hasher))
        for product in sorted(one.clicked):
            lines.append(line_of(Event("click", (Item(product),), request_id=f"r{number}"), one.time, hasher))
    (state / "events" / "2026-11-29.jsonl").write_bytes(b"".join(lines))
    anchors = tmp_path / "anchors.csv"
    with anchors.open("w", newline="", encoding="utf-8") as file:
        rows = [[query, one, four[3]] for query, some in grades.items() for one, four in some.items()]
        csv.writer(file).writerows([["query", "docid", "rating"], *rows])

    def call(*more):
        return CliRunner().invoke(
            cli,
            ["judge", "clicks", str(tmp_path / "shop"), "--out", str(tmp_path / "weak.csv"), *more],
            catch_exceptions=False,
        )

    told = json.loads(call("--anchors", str(anchors), "--positions", "5", "--json").stdout)
    written = read_judgments(tmp_path / "weak.csv")
    assert len(written) == told["labels"] == told["graded"]["pairs"]
    assert {one.grade for one in written} <= {0, 1, 2, 3}
    assert {query_key(one.query) for one in written} == {query_key(query) for query in grades}
    assert told["propensities"] == pytest.approx(LOOKS, abs=0.12)
    assert "looks (em)" in call("--method", "em", "--positions", "5").output
    assert all(math.isfinite(one.grade) for one in read_judgments(tmp_path / "weak.csv"))
    for value, why in (
        ("-5", "-5.0 is not in the range x>=0"),
        ("nan", "nan is no finite"),
        ("inf", "inf is no finite"),
    ):
        refused = call("--minimum", value)
        assert refused.exit_code == 2
        assert f"Invalid value for '--minimum': {why}" in refused.output
    with pytest.raises(ArtifactError, match="no events are kept"):
        call("--state", str(tmp_path / "none"))
