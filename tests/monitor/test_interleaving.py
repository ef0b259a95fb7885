"""Team-draft interleaving and A/B splits: properties, exact counts, and shoppers simulated on real judgments."""

import datetime as dt
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aisle.errors import InputError
from aisle.monitor.interleaving import preference, team_draft
from aisle.monitor.pages import Page, Place
from aisle.monitor.split import MISMATCH_P, mismatch_p, per_user, two_samples, variant_of
from tests.monitor.conftest import START

RANKING = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10)


@given(RANKING, RANKING, st.integers(0, 12), st.integers(0, 2**32))
def test_a_page_is_fair(a, b, k, seed):
    page = team_draft(a, b, k, random.Random(seed))
    ids = [drafted.id for drafted in page]
    assert len(ids) == len(set(ids)) == min(k, len(set(a) | set(b)))
    teams = [drafted.team for drafted in page]
    for end in range(len(page) + 1):
        counts = Counter(teams[:end])
        assert abs(counts["a"] - counts["b"]) <= 1  # balanced down to every position
    assert "" not in teams[: teams.index("") if "" in teams else len(teams)]
    for team, ranking in (("a", a), ("b", b)):
        mine = [drafted.id for drafted in page if drafted.team == team]
        assert mine == sorted(mine, key=ranking.index)  # a captain chooses the best that is left
        for number, drafted in enumerate(page):
            if drafted.team == team:
                assert set(ranking[: ranking.index(drafted.id)]) <= set(ids[:number])


def test_pages_of_two_products_by_hand():
    # A says x y, B says y x: the coin decides who is first, then the other team takes what is left
    pages = {
        tuple((drafted.id, drafted.team) for drafted in team_draft("xy", "yx", 2, random.Random(seed)))
        for seed in range(50)
    }
    assert pages == {(("x", "a"), ("y", "b")), (("y", "b"), ("x", "a"))}


def interleaved(grades, orders, shoppers, seed):
    """Pages of shoppers who click what is relevant, less so further down."""
    generator, coins, pages = np.random.default_rng(seed), random.Random(seed), []
    queries = [query for query, products in grades.items() if len(products) >= 10]
    for number in range(shoppers):
        query = queries[int(generator.integers(len(queries)))]
        a, b = (order(query, grades[query]) for order in orders)
        drafted = team_draft(a, b, 10, coins)
        places = tuple(Place(one.id, position, one.team) for position, one in enumerate(drafted, start=1))
        page = Page(START + dt.timedelta(seconds=number), query, places, user=f"u{number}")
        for place in places:
            if generator.random() < (0.05 + 0.3 * grades[query][place.id]) / place.position:
                page.clicked.add(place.id)
        pages.append(page)
    return pages


def ideal(query, products):
    return sorted(products, key=lambda id: (-products[id], id))


def shuffled(query, products):
    return random.Random(query).sample(sorted(products), len(products))


def test_the_better_ranking_of_real_judgments_wins(grades):
    found = preference(interleaved(grades, (shuffled, ideal), 400, 0))
    assert found.share > 0.6
    assert found.sign_p < 0.001
    assert found.permutation_p < 0.001
    back = preference(interleaved(grades, (ideal, shuffled), 400, 0))
    assert back.share < 0.4


def test_a_ranking_against_itself_is_no_preference(grades):
    ps = [preference(interleaved(grades, (ideal, ideal), 60, seed)).sign_p for seed in range(40)]
    assert sum(p < 0.05 for p in ps) <= 6  # binomial(40, .05): more has a chance below .01


def test_preference_by_hand():
    def page(user, *clicks):
        places = tuple(Place(f"{team}{n}", n + 1, team) for n, team in enumerate(("a", "b", "a", "b", "")))
        return Page(START, "q", places, user=user, clicked=set(clicks))

    pages = [page("u1", "b1"), page("u1", "b3"), page("u2", "b1", "a0"), page("u3", "a0"), page("u4", "4"), page("u5")]
    found = preference(pages)
    assert (found.wins, found.losses, found.ties, found.share) == (1, 1, 1, 0.5)
    assert found.sign_p == 1.0
    many = [page(f"u{n}", "b1") for n in range(8)]
    assert preference(many).sign_p == pytest.approx(2 / 2**8)
    assert preference(many).permutation_p == pytest.approx(2 / 2**8)
    assert preference(many, "bought").share is None


# --- A/B -----------------------------------------------------------------------------------------------------


def test_users_are_split_stably_evenly_and_by_salt():
    shares = {"a": 1.0, "b": 1.0, "c": 2.0}
    users = [f"user-{n}" for n in range(20_000)]
    drawn = [variant_of(user, "ranking", shares, "salt") for user in users]
    assert drawn == [variant_of(user, "ranking", shares, "salt") for user in users]
    assert mismatch_p(Counter(drawn), shares) > 0.01
    other = [variant_of(user, "colour", shares, "salt") for user in users]
    pepper = [variant_of(user, "ranking", shares, "pepper") for user in users]
    for elsewhere in (other, pepper):
        table = np.zeros((3, 3))
        for one, two in zip(drawn, elsewhere, strict=True):
            table["abc".index(one), "abc".index(two)] += 1
        assert stats.chi2_contingency(table).pvalue > 0.01  # independent
    assert variant_of("b", "a", {"x": 1, "y": 1}, "c") in "xy"
    assert len({variant_of("1", "23", {str(n): 1 for n in range(99)}), variant_of("12", "3", {str(n): 1 for n in range(99)})}) == 2  # fmt: skip  # noqa: E501


def test_a_variant_that_grows_keeps_its_users():
    for n in range(2_000):
        if variant_of(f"u{n}", "e", {"new": 0.1, "old": 0.9}) == "new":
            assert variant_of(f"u{n}", "e", {"new": 0.3, "old": 0.7}) == "new"


def test_the_split_is_pinned():
    # a change of the hash would move every user of a running experiment
    assert [variant_of(f"u{n}", "e", {"a": 1, "b": 1}, "s") for n in range(12)] == list("aaabbaababab")


@pytest.mark.parametrize("shares", [{}, {"a": 0}, {"a": -1, "b": 2}, {"a": float("nan")}])
def test_wrong_shares_are_refused(shares):
    with pytest.raises(InputError, match="shares"):
        variant_of("u", "e", shares)


def test_a_mismatch_is_seen():
    assert mismatch_p({"a": 5_000, "b": 5_000}, {"a": 1, "b": 1}) == 1.0
    assert mismatch_p({"a": 5_000, "b": 4_700}, {"a": 1, "b": 1}) == pytest.approx(
        stats.chisquare([5_000, 4_700]).pvalue
    )
    assert mismatch_p({"a": 5_000, "b": 4_400}, {"a": 1, "b": 1}) < MISMATCH_P
    assert mismatch_p({}, {"a": 1, "b": 1}) == mismatch_p({"a": 7}, {"a": 1}) == 1.0  # nothing to compare
    with pytest.raises(InputError, match="users of variant 'c'"):
        mismatch_p({"c": 1}, {"a": 1, "b": 1})


def test_two_samples_are_welchs():
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=40), generator.normal(0.3, 2, size=70)
    found, reference = two_samples(a, b), stats.ttest_ind(b, a, equal_var=False)
    assert found.p == pytest.approx(reference.pvalue)
    interval = reference.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert two_samples([1, 1], [1, 1]).p == 1.0
    with pytest.raises(InputError, match="groups of 1 and 2 users"):
        two_samples([1], [1, 2])


def test_users_count_once_and_those_of_two_variants_not():
    def page(user, variant, clicks):
        return Page(START, "q", (), user=user, variant=variant, clicked=clicks)

    pages = [page("u", "a", {"1"}), page("u", "a", set()), page("v", "b", {"1"}), page("w", "a", set()), page("w", "b", set())]  # fmt: skip  # noqa: E501
    assert per_user(pages, lambda page: len(page.clicked)) == {"a": {"u": 0.5}, "b": {"v": 1.0}}
