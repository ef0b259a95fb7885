"""The log of experiments and what is read from it: lines, correlations by hand, simulated shoppers of known taste."""

import datetime as dt
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from scipy.stats import kendalltau

from aisle.errors import InputError, RequestError
from aisle.monitor.experiments import (
    PageLine,
    ShadowLine,
    Shown,
    line_of,
    rank_correlation,
    read_experiments,
    record_of,
)
from aisle.monitor.explore import explore, thompson
from aisle.monitor.interleaving import team_draft
from aisle.monitor.outcome import outcome
from aisle.monitor.split import variant_of
from aisle.serve.security.event import Event, Item, StoredEvent
from tests.monitor.conftest import START

IDS = [f"p{number:02}" for number in range(40)]


def test_lines_come_back_as_they_were_and_queries_masked(tmp_path):
    page = PageLine(
        START, "x", "explored", "r1", "f" * 32, "ink for jane@example.com", (Shown("1"), Shown("2", "b", 0.25)),
        first=11, share=0.5, slot=12, pool=("9", "2"), index="shop-1", failed=True,
    )  # fmt: skip
    shadow = ShadowLine(START, "x", "r1", "ink", 2, ("1", "2"), ("2", "3"), 1.25, 2.5, "shop-1", True, "ArtifactError")
    back = record_of(line_of(page))
    assert back.query == "ink for <email>"
    assert line_of(back) == line_of(page)
    assert record_of(line_of(shadow)) == shadow
    (tmp_path / "2026-11-29.jsonl").write_bytes(line_of(page) + b"     \n" + b"{}\n" + line_of(shadow) + b'{"v":1')
    log = read_experiments(tmp_path)
    assert (log.pages, log.shadows, log.torn) == ((back,), (shadow,), 1)
    assert read_experiments(tmp_path, until=START).pages == ()


def test_correlation_by_hand():
    assert rank_correlation("abc", "abc") == 1.0
    assert rank_correlation("abc", "cba") == -1.0
    # abc against abd: of the pairs ab, ac, ad, bc, bd agree (c and d stand behind what a list lacks), cd does not
    assert rank_correlation("abc", "abd") == pytest.approx((5 - 1) / 6)
    assert rank_correlation("abc", "abd") == pytest.approx(kendalltau([0, 1, 2, 3], [0, 1, 3, 2]).statistic)
    assert rank_correlation("a", "a") is None
    assert rank_correlation("", "") is None
    line = ShadowLine(START, "x", k=3, served=tuple("abc"), candidate=tuple("dab"))
    assert line.overlap == pytest.approx(2 / 3)
    assert not line.same_first
    assert ShadowLine(START, "x").overlap == 1.0


# --- Thompson sampling -----------------------------------------------------------------------------------------


def test_thompson_draws_by_the_shares_that_it_logs():
    seen = {"p09": (200, 10), "p15": (200, 40)}
    drawn = [
        thompson(IDS, 10, 10, lambda one: seen.get(one, (50, 1)), random.Random(seed), floor=0.2, depth=20)
        for seed in range(3_000)
    ]
    counts = Counter(page.ids[9] for page in drawn)
    chances = {page.ids[9]: page.propensities[9] for page in drawn}
    assert set(counts) == {"p09", *IDS[10:20]}  # the floor leaves none out
    assert all(page.ids[:9] == tuple(IDS[:9]) and page.propensities[:9] == (1.0,) * 9 for page in drawn)
    assert counts["p15"] / 3_000 == pytest.approx(chances["p15"], abs=0.03)
    assert counts["p15"] > 0.75 * 3_000
    # each share is what it was drawn by: the inverses of what was drawn count the arms (their mean is 11)
    assert sum(1 / page.propensities[9] for page in drawn) / 3_000 == pytest.approx(11, rel=0.15)
    assert {page.explored for page in drawn if page.ids[9] == "p09"} == {False}


def test_thompson_without_anything_to_draw():
    assert thompson(IDS[:10], 10, 10, lambda one: (0, 0), random.Random(1)).slot == 0
    with pytest.raises(RequestError, match="floor 0, slot 1 of 10"):
        thompson(IDS, 10, 1, lambda one: (0, 0), random.Random(1), floor=0)


# --- what came of it -------------------------------------------------------------------------------------------


def click(line, product, kind="click"):
    event = Event(kind, (Item(product),), request_id=line.request_id)
    return StoredEvent(line.time + dt.timedelta(seconds=5), event)


@dataclass
class Shoppers:
    """Who click a product with a probability of its own, less so further down."""

    coins: random.Random
    taste: dict

    def clicks(self, line):
        for place, one in enumerate(line.items, start=line.first):
            if self.coins.random() < self.taste.get(one.id, 0.0) / place**0.5:
                yield click(line, one.id)


def pages(variant_and_items, users=600, each=2):
    for number in range(users * each):
        user = f"{number % users:032x}"
        variant, items, more = variant_and_items(user, number)
        time = START + dt.timedelta(seconds=number)
        yield PageLine(time, "x", variant, f"r{number}", user, "usb hub", items, index="shop", **more)


def test_a_split_finds_a_difference_and_none_where_there_is_none():
    good = dict.fromkeys(IDS[20:23], 0.5)

    def drawn(user, number, b=IDS[20:30]):
        variant = variant_of(user, "x", {"b": 0.4, "a": 0.6})
        return variant, tuple(Shown(one) for one in (b if variant == "b" else IDS[:10])), {"share": 0.4}

    lines = list(pages(drawn))
    shoppers = Shoppers(random.Random(1), good | dict.fromkeys(IDS[:10], 0.1))
    events = [event for line in lines for event in shoppers.clicks(line)]
    found = outcome("x", lines, (), events)
    split = found.split
    assert split.users["a"] + split.users["b"] == 600
    assert split.users["b"] / 600 == pytest.approx(0.4, abs=0.06)
    assert split.mismatch_p > 0.001
    by_user = {}
    for line in lines:
        clicked = any(event.event.request_id == line.request_id for event in events)
        by_user.setdefault((line.variant, line.user), []).append(clicked)
    mean = {v: [sum(of) / len(of) for (w, _), of in by_user.items() if w == v] for v in "ab"}
    assert split.rates["clicked"] == pytest.approx({v: sum(of) / len(of) for v, of in mean.items()})
    assert split.differences["clicked"].difference > 0.1
    assert split.differences["clicked"].p < 0.001
    assert split.differences["bought"].difference == 0.0

    same = list(pages(lambda user, number: drawn(user, number, IDS[:10])))
    events = [event for line in same for event in Shoppers(random.Random(2), shoppers.taste).clicks(line)]
    assert outcome("x", same, (), events).split.differences["clicked"].p > 0.001


def test_a_split_whose_users_get_lost_is_told():
    lines = pages(lambda user, number: ("b" if int(user, 16) % 3 == 0 else "a", (Shown("p1"),), {"share": 0.5}))
    assert outcome("x", list(lines), (), ()).split.mismatch_p < 0.001


def test_interleaved_pages_are_known_without_impressions():
    def drafted(user, number):
        page = team_draft(IDS[:10], IDS[10:20], 10, random.Random(number))
        return "interleaved", tuple(Shown(one.id, one.team) for one in page), {}

    lines = list(pages(drafted))
    shoppers = Shoppers(random.Random(3), dict.fromkeys(IDS[10:15], 0.4) | dict.fromkeys(IDS[:10], 0.1))
    events = [event for line in lines for event in shoppers.clicks(line)]
    found = outcome("x", lines, (), events).interleaved
    assert (found.pages, found.shoppers) == (1_200, 600)
    clicked = found.preferences["clicked"]
    assert clicked.wins > clicked.losses
    assert clicked.sign_p < 0.001
    teams = {(line.request_id, one.id): one.team for line in lines for one in line.items}
    users, counts = {line.request_id: line.user for line in lines}, Counter()
    for event in events:
        team = teams[event.event.request_id, event.event.items[0].id]
        counts[users[event.event.request_id]] += {"b": 1, "a": -1, "": 0}[team]
    assert clicked.wins == sum(value > 0 for value in counts.values())
    assert clicked.losses == sum(value < 0 for value in counts.values())
    assert found.preferences["bought"].sign_p == 1.0


def test_a_candidate_is_judged_by_pages_that_explored():
    """Shoppers whose taste is known: the truth is their click rate of what each policy puts into the slot."""
    taste = dict.fromkeys(IDS, 0.08) | {"p09": 0.10, "p12": 0.30}
    shadows = []

    def explored(user, number):
        page = explore(IDS, 10, 0.5, 10, random.Random(number), 20)
        shadows.append(
            ShadowLine(START, "x", f"r{number}", "usb hub", 10, tuple(IDS[:10]), ("p01", "p12", "p15", "p09"))
        )
        shown = tuple(Shown(one, propensity=share) for one, share in zip(page.ids, page.propensities, strict=True))
        return "explored", shown, {"slot": 10, "pool": ("p09", *IDS[10:20])}

    lines = list(pages(explored, users=4_000, each=2))
    coins = random.Random(4)
    events = [click(line, line.items[9].id) for line in lines if coins.random() < taste[line.items[9].id]]
    found = outcome("x", lines, shadows, events).explored
    assert (found.pages, found.judged) == (8_000, 8_000)
    assert found.explored / 8_000 == pytest.approx(0.5, abs=0.02)
    for estimates, truth in ((found.served, 0.10), (found.candidate, 0.30)):
        for one in (estimates.ips, estimates.snips, estimates.dr):
            assert abs(one.value - truth) < 4 * one.error
    value, low, high = found.difference
    assert low < 0.20 < high
    assert low > 0
    assert value == pytest.approx(found.candidate.ips.value - found.served.ips.value)


def test_a_shadow_is_summed_up_without_what_is_unfair():
    served = tuple("abcd")
    lines = [
        ShadowLine(START, "x", "1", "one", 4, served, tuple("abcdx"), 2.0, 4.0),
        ShadowLine(START, "x", "2", "two", 4, served, tuple("wxyz"), 4.0, 8.0),
        ShadowLine(START, "x", "3", "three", 4, served, tuple("abcd"), 1.0, 1.0, degraded=True),
        ShadowLine(START, "x", "4", "four", 4, served, failed="ArtifactError"),
    ]
    found = outcome("x", (), lines, ()).shadow
    assert (found.searches, found.failed, found.degraded, found.k) == (4, 1, 1, 4)
    assert found.overlap.mean == 0.5
    assert found.same_first == 0.5
    assert found.latency == {"served": (2.0, 4.0), "candidate": (4.0, 8.0)}
    assert found.different == (("two", 0.0), ("one", 1.0))
    with pytest.raises(InputError, match="no search took part in the experiment 'y'"):
        outcome("y", (), lines, ())
