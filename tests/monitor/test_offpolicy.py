"""Off-policy estimates against the truth: hand calculations, and simulated shoppers on real judgments."""

import datetime as dt
import random

import numpy as np
import pytest

from aisle.errors import InputError, RequestError
from aisle.monitor.explore import explore
from aisle.monitor.offpolicy import Choices, evaluate_choices, evaluate_pages, exposures, mixed
from aisle.monitor.pages import Page, Place
from tests.monitor.conftest import START

LOOKS = (1.0, 0.6, 0.4, 0.3, 0.25)


def test_estimates_by_hand():
    # weights 2, 0, 1/2
    found = evaluate_choices(
        Choices(
            rewards=[1, 1, 0.5],
            logged=[0.5, 0.5, 0.8],
            target=[1.0, 0.0, 0.4],
            predicted=[0.8, 0.5, 0.5],
            expected=[0.8, 0.6, 0.4],
        )
    )
    assert found.ips.value == pytest.approx((2 + 0 + 0.25) / 3)
    assert found.snips.value == pytest.approx(2.25 / 2.5)
    assert found.dr.value == pytest.approx(((0.8 + 2 * 0.2) + 0.6 + (0.4 + 0.5 * 0.0)) / 3)
    assert found.ips.effective == pytest.approx(2.5**2 / 4.25)
    assert found.ips.heaviest == 2
    assert found.ips.error == pytest.approx(np.std([2, 0, 0.25], ddof=1) / 3**0.5)


@pytest.mark.parametrize(
    ("logged", "target", "said"),
    [([0.0], [1.0], "out of range"), ([0.5], [1.5], "out of range"), ([0.5, 0.5], [1.0], "1 rewards, 2 and 1")],
)
def test_wrong_probabilities_are_refused(logged, target, said):
    with pytest.raises(InputError, match=said):
        evaluate_choices(Choices([1.0], logged, target))


def relevance(grade):
    return 0.05 + 0.3 * grade


@pytest.fixture(scope="module")
def shelves(grades):
    """Query to its judged products, five of each grade mixture."""
    return {query: sorted(products)[:6] for query, products in grades.items() if len(products) >= 6}


def test_choices_are_unbiased_on_real_relevance(grades, shelves):
    """A policy that mostly takes the first product of a query, against one that takes the best."""
    queries = sorted(shelves)
    truth = np.mean([max(relevance(grades[query][id]) for id in shelves[query]) for query in queries])
    generator = np.random.default_rng(0)
    runs = {"ips": [], "snips": [], "dr": []}
    covered = 0
    for _ in range(200):
        rows = []
        for query in queries * 2:
            ids = shelves[query]
            chances = np.full(len(ids), 0.6 / len(ids))
            chances[0] += 0.4
            chosen = int(generator.choice(len(ids), p=chances))
            best = max(range(len(ids)), key=lambda n: grades[query][ids[n]])
            reward = float(generator.random() < relevance(grades[query][ids[chosen]]))
            model = [0.2 + 0.15 * grades[query][id] for id in ids]  # wrong, but of use
            rows.append((reward, chances[chosen], float(chosen == best), model[chosen], model[best]))
        found = evaluate_choices(Choices(*np.array(rows).T))
        for name, values in runs.items():
            values.append(getattr(found, name).value)
        covered += found.dr.low <= truth <= found.dr.high
    for name, values in runs.items():
        error = np.std(values, ddof=1) / len(values) ** 0.5
        assert abs(np.mean(values) - truth) < 4 * error + 0.003 * (name == "snips"), name
    assert np.std(runs["dr"]) < np.std(runs["ips"])
    assert covered > 175  # of 200: 95% less what rare weights take


def page_of(query, ranking, generator, grades, number):
    page = Page(
        START + dt.timedelta(seconds=number),
        query,
        tuple(Place(id, position) for position, id in enumerate(ranking, start=1)),
    )
    for place in page.places:
        if generator.random() < LOOKS[place.position - 1] * relevance(grades[query][place.id]):
            page.clicked.add(place.id)
    return page


def test_pages_are_unbiased_on_real_relevance(grades, shelves):
    """Half the pages in one order, half turned round; the other policy sorts by the judgments."""
    queries = sorted(shelves)

    def orders(query):
        ids = shelves[query][:5]
        return ids, ids[::-1]

    def logged(page):
        return mixed([(0.5, exposures(order, LOOKS)) for order in orders(page.query)])

    def best(page):
        return exposures(sorted(orders(page.query)[0], key=lambda id: -grades[page.query][id]), LOOKS)

    def model(query, product):
        return 0.2 + 0.15 * grades[query][product]

    truth = np.mean(
        [
            sum(look * relevance(grades[query][product]) for product, look in best(Page(START, query, ())).items())
            for query in queries
        ]
    )
    generator = np.random.default_rng(1)
    runs = {"ips": [], "snips": [], "dr": []}
    for _ in range(60):
        pages = [
            page_of(query, orders(query)[int(generator.integers(2))], generator, grades, number)
            for number, query in enumerate(queries)
        ]
        found = evaluate_pages(pages, logged, best, LOOKS, model)
        for name, values in runs.items():
            values.append(getattr(found, name).value)
    for name, values in runs.items():
        error = np.std(values, ddof=1) / len(values) ** 0.5
        assert abs(np.mean(values) - truth) < 4 * error, name
    assert np.std(runs["dr"]) < np.std(runs["ips"])
    plain = np.mean([len(page.clicked) for page in pages])
    assert plain < truth - 0.1  # what a plain count of the log says


def test_the_same_policy_earns_what_was_clicked(grades, shelves):
    generator = np.random.default_rng(2)
    pages = [
        page_of(query, shelves[query][:5], generator, grades, number) for number, query in enumerate(sorted(shelves))
    ]

    def same(page):
        return exposures([place.id for place in page.places], LOOKS)

    found = evaluate_pages(pages, same, same, LOOKS)
    clicks = np.mean([len(page.clicked) for page in pages])
    assert found.ips.value == pytest.approx(clicks)
    assert found.snips.value == pytest.approx(clicks)
    assert found.dr is None


def test_what_was_never_shown_cannot_be_judged():
    page = Page(START, "q", (Place("a", 1),))
    with pytest.raises(InputError, match="product 'b' would be shown for 'q', but never was"):
        evaluate_pages([page], lambda _: {"a": 1.0}, lambda _: {"b": 1.0}, LOOKS)
    with pytest.raises(InputError, match="no pages"):
        evaluate_pages([], lambda _: {}, lambda _: {}, LOOKS)


# --- exploration ---------------------------------------------------------------------------------------------


def test_an_explored_page_is_as_probable_as_it_says():
    ranking, coins, drawn = list("abcdefgh"), random.Random(0), {}
    for _ in range(20_000):
        page = explore(ranking, 3, 0.4, 2, coins, depth=7)
        drawn.setdefault(page.ids, [0, page.propensities])[0] += 1
        assert (page.slot, page.explored) == (2, page.ids[1] != "b")
    assert set(drawn) == {("a", id, "c") for id in "bdefg"}
    for ids, (count, propensities) in drawn.items():
        assert propensities == (1.0, 0.6 if ids[1] == "b" else 0.1, 1.0)
        assert count / 20_000 == pytest.approx(propensities[1], abs=0.012)


def test_nothing_to_explore_is_the_ranking():
    for page in (
        explore("ab", 3, 0.5, 1, random.Random(0)),
        explore("abcd", 2, 0.0, 1, random.Random(0)),
        explore("a", 1, 1.0, 1, random.Random(0)),
    ):
        assert (page.slot, page.explored) == (0, False)
        assert set(page.propensities) == {1.0}
    with pytest.raises(RequestError, match="epsilon 2, slot 1 of 3"):
        explore("abc", 3, 2, 1, random.Random(0))


def test_explored_pages_judge_what_was_never_first(grades, shelves):
    """From a slot's log: what showing the product in place 6 of a shelf instead would earn."""
    coins, generator = random.Random(5), np.random.default_rng(5)
    rows, truth = [], []
    for query in sorted(shelves) * 30:
        ids = shelves[query]
        page = explore(ids, 2, 0.5, 2, coins)
        reward = float(generator.random() < relevance(grades[query][page.ids[1]]))
        rows.append((reward, page.propensities[1], float(page.ids[1] == ids[5])))
        truth.append(relevance(grades[query][ids[5]]))
    found = evaluate_choices(Choices(*np.array(rows).T))
    assert found.snips.low < np.mean(truth) < found.snips.high
    assert abs(found.ips.value - np.mean(truth)) < 3 * found.ips.error
