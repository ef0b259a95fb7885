"""Pages from events, rates by hand, position bias and click nDCG by simulation with a known truth on real judgments."""

import datetime as dt
import math
import random
from dataclasses import replace

import numpy as np
import pytest

from aisle.errors import InputError
from aisle.judgments.split import query_key
from aisle.monitor.clicks import click_ndcg, rates
from aisle.monitor.pages import Page, Place, pages_of
from aisle.monitor.position_bias import estimate_propensities
from aisle.serve.security.event import Event, Item, StoredEvent
from tests.monitor.conftest import START

LOOKS = (1.0, 0.7, 0.5, 0.4, 0.3)


def at(second):
    return START + dt.timedelta(seconds=second)


def stored(second, kind, *ids, **fields):
    return StoredEvent(at(second), Event(kind, tuple(Item(id) for id in ids), **fields))


def shown(ranking, second=0, query="q", clicked=(), **fields):
    places = tuple(Place(id, position) for position, id in enumerate(ranking, start=1))
    return Page(at(second), query, places, clicked=set(clicked), **fields)


def test_events_are_joined_to_pages():
    events = [
        stored(9, "purchase", "p1", session="s"),
        stored(0, "impression", "p1", "p2", request_id="r1", session="s", query="usb"),
        stored(1, "click", "p2", request_id="r1"),
        stored(2, "impression", "p3", request_id="r1", session="s", query="usb"),  # as the shopper scrolls on
        stored(5, "impression", "p4", "p1", request_id="r2", session="s", query="usb hub"),
        stored(6, "cart", "p1", session="s"),
        stored(7, "click", "p9", session="s"),
        stored(8, "click", "p3", request_id="r2"),
        stored(4_000, "click", "p1", session="s"),
    ]
    found = pages_of(events)
    first, second = found.pages
    assert [(place.id, place.position) for place in first.places] == [("p1", 1), ("p2", 2), ("p3", 3)]
    assert (first.clicked, first.carted, first.bought) == ({"p2"}, set(), set())
    assert (second.clicked, second.carted, second.bought) == (set(), {"p1"}, {"p1"})
    assert found.orphans == 3  # never shown, not on that page, too late


def test_rates_by_hand():
    pages = [
        shown("ab", 0, "usb", session="s"),  # abandoned, and asked again
        shown("ab", 60, "usb hub", "b", session="s"),
        shown("ab", 100, "hdmi", session="t"),  # abandoned, the next is the same query
        shown("ab", 150, "HDMI ", "a", session="t"),
        replace(shown("ab", 200, "tv", session="u"), bought={"a"}),
        shown("", 300, "nothing", session="u"),
    ]
    found = rates(pages)
    assert (found.pages, found.empty) == (5, 1)
    assert found.click == 2 / 5
    assert (found.cart, found.purchase) == (0, 1 / 5)
    assert found.abandoned == 2 / 5
    assert found.reformulated == 1 / 5
    assert found.by_position == {1: 1 / 5, 2: 1 / 5}
    assert rates([]).click is None


def relevance(grade):
    """The chance that a product that is looked at is clicked."""
    return 0.05 + 0.3 * grade


def rankings(grades):
    """Query to two rankings of its real judged products."""
    found, keys = {}, set()
    for query, products in grades.items():
        ids = sorted(products)
        if len(ids) >= 5 and query_key(query) not in keys:  # "notebook" and "notebooks" are one query
            keys.add(query_key(query))
            two = [random.Random(f"{query}{which}").sample(ids, 5) for which in "ab"]
            two[1] = [*two[0][2:], *two[0][:2]]  # the same products elsewhere
            found[query] = two
    return found


def simulate(grades, pages, seed, looks=LOOKS):
    """Pages of one of two rankings at random, clicked by the position-based model."""
    generator = np.random.default_rng(seed)
    both, found = rankings(grades), []
    queries = list(both)
    for number in range(pages):
        query = queries[int(generator.integers(len(queries)))]
        ranking = both[query][int(generator.integers(2))]
        page = shown(ranking, number, query)
        draws = generator.random(len(ranking))
        for place, draw in zip(page.places, draws, strict=True):
            if draw < looks[place.position - 1] * relevance(grades[query][place.id]):
                page.clicked.add(place.id)
        found.append(page)
    return found


def test_position_bias_is_found_from_clicks(grades):
    found = estimate_propensities(simulate(grades, 20_000, 0), 5)
    assert found.values == pytest.approx(LOOKS, abs=0.05)
    assert found.unknown == ()
    assert found.moved == 5 * len(rankings(grades))
    flat = estimate_propensities(simulate(grades, 20_000, 1, (1.0,) * 5), 5)
    assert min(flat.values) > 0.9


def test_data_that_cannot_tell_say_so(grades):
    fixed = [shown(f"{n % 7}abc", n, f"q{n % 7}", "a") for n in range(400)]
    with pytest.raises(InputError, match="0 products stood at more than one position"):
        estimate_propensities(fixed)
    swapped = [shown("ab" if n % 2 else "ba", n, "q", "a") for n in range(400)]
    found = estimate_propensities(swapped, 4)
    assert found.unknown == (3, 4)
    assert found.values == pytest.approx((1.0, 1.0), abs=0.02)


def worth(pages):
    """Clicks over looks of two products: 1 for each time first, 1/2 for each time second."""
    seen, hits = {"a": 0.0, "b": 0.0}, {"a": 0, "b": 0}
    for page in pages:
        for look, place in zip((1.0, 0.5), page.places, strict=True):
            seen[place.id] += look
            hits[place.id] += place.id in page.clicked
    return {id: hits[id] / seen[id] for id in "ab"}


def test_click_ndcg_by_hand():
    pages = [shown("ab", n, "q", "a" if n < 6 else "") for n in range(20)]
    pages += [shown("ba", n, "q", "a" if n < 3 else "b" if n < 7 else "") for n in range(20)]
    second = 1 / math.log2(3)
    assert worth(pages) == {"a": (6 + 3) / (20 + 10), "b": 4 / (20 + 10)}
    a, b = worth(pages).values()
    one, other = worth(pages[::2]), worth(pages[1::2])
    assert one["a"] > one["b"]
    assert other["a"] > other["b"]  # both halves say a, b
    ideal = (one["a"] + one["b"] * second + other["a"] + other["b"] * second) / 2
    found = click_ndcg(pages, (1.0, 0.5), 10, 20)
    assert found.values["q"] == pytest.approx((a + b * second + b + a * second) / 2 / ideal)
    assert found.left_out == 0
    assert click_ndcg(pages, (1.0, 0.5), 10, 1_000).left_out == 1
    never = [shown("ab", n, "nobody clicks") for n in range(60)]
    assert click_ndcg([*pages, *never], (1.0, 0.5), 10, 20).left_out == 1
    assert click_ndcg([*pages, *never], (1.0, 0.5), 10, 20).values == found.values
    assert click_ndcg([], (1.0,)).interval is None


def test_click_ndcg_comes_to_the_truth_and_plain_clicks_do_not(grades):
    pages = simulate(grades, 20_000, 2)
    truth = {}
    for query, two in rankings(grades).items():
        chances = {id: relevance(grades[query][id]) for id in two[0]}
        discounted = [sum(chances[id] / math.log2(n + 2) for n, id in enumerate(ranking)) for ranking in two]
        ideal = sum(value / math.log2(n + 2) for n, value in enumerate(sorted(chances.values(), reverse=True)))
        truth[query] = sum(discounted) / 2 / ideal
    mean = sum(truth.values()) / len(truth)
    corrected = click_ndcg(pages, LOOKS).interval.mean
    assert corrected == pytest.approx(mean, abs=0.01)
    both = rankings(grades)
    only = [page for page in pages if [place.id for place in page.places] == both[page.query][0]]
    fair, plain = click_ndcg(only, LOOKS).interval.mean, click_ndcg(only, (1.0,) * 5).interval.mean
    assert plain > fair + 0.03  # what stands first looks best
