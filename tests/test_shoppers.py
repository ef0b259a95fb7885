"""A shopper's context from judgments to searches: what was viewed decides which product is right."""

import dataclasses
import math

import numpy as np
import pytest

from aisle.engine import SearchEngine
from aisle.errors import InputError, RequestError
from aisle.explain import explain
from aisle.explain.asked import asked_of
from aisle.explain.linear import Again
from aisle.indexes.lance import LanceIndex
from aisle.learn_ranking import gather, learn_ranking
from aisle.ranking.features import NAMES, SHOPPER
from aisle.ranking.learnt import LearntRanking, Term
from aisle.shopper import MOST_VIEWED, parse_band
from aisle.training.ranking.recipe import LINEAR, RankingRecipe
from aisle.types import SearchRequest, Shopper
from tests.shoppers_shop import CASES, HELD_OUT, KINDS, OTHER, judged, products, shopper

RECIPE = RankingRecipe(rounds=0, depth=30)


@pytest.fixture(scope="module", params=CASES)
def taught(request, tmp_path_factory):
    """The case, an engine over its shop, and a model that was told who asked."""
    case, folder = request.param, tmp_path_factory.mktemp("shoppers")
    with SearchEngine.build(products(case), folder / "shop") as engine:
        judgments, shoppers = judged(case)
        notes = []
        trained = learn_ranking(engine, judgments, RECIPE, folder / "learnt", shoppers=shoppers, note=notes.append)
        yield case, engine, trained, notes


def serving(engine, learnt):
    """The same index with another learnt combination; not closed, for the first engine is."""
    return engine.with_recipe(
        dataclasses.replace(engine.recipe, ranking=dataclasses.replace(engine.recipe.ranking, learnt=str(learnt)))
    )


def first(engine, noun, who=Shopper()):  # noqa: B008
    return engine.search(SearchRequest(noun, shopper=who)).hits[0].product_id


def test_held_out_both_shoppers_find_theirs_with_the_same_word_and_without_context_one_does(taught):
    case, engine, trained, _ = taught
    assert trained.model.terms[case].weight > 0
    assert trained.verdict.promoted
    searching = serving(engine, trained.folder)
    for noun in HELD_OUT:
        for kind in KINDS:
            assert first(searching, noun, shopper(case, kind, noun, HELD_OUT)) == f"{noun}-{kind}"
    found = {noun: first(searching, noun) for noun in HELD_OUT}
    assert all(found[noun] in (f"{noun}-oak", f"{noun}-acrylic") for noun in HELD_OUT)
    right = [found[noun] == f"{noun}-{kind}" for noun in HELD_OUT for kind in KINDS]
    assert sum(right) == len(right) / 2  # one answer for both


def test_who_is_not_told_who_asked_learns_nothing_of_it(taught, tmp_path):
    case, engine, _, _ = taught
    judgments, _ = judged(case)
    plain = learn_ranking(engine, judgments, RECIPE, tmp_path / "plain")
    assert set(SHOPPER).isdisjoint(plain.model.reads)
    assert not plain.verdict.promoted
    searching = serving(engine, plain.folder)
    for noun in HELD_OUT:
        one, other = (first(searching, noun, shopper(case, kind, noun, HELD_OUT)) for kind in KINDS)
        assert one == other


def test_the_linear_part_gets_the_features_unless_the_recipe_names_its_own(taught, tmp_path):
    case, engine, trained, notes = taught
    judgments, shoppers = judged(case)
    metrics = (trained.folder / "recipe.toml").read_text(encoding="utf-8")
    assert all(f'"{name}"' in metrics for name in (*LINEAR, *SHOPPER))
    own = dataclasses.replace(RECIPE, linear=("fused", "wording"), choose=False)
    named = learn_ranking(engine, judgments, own, tmp_path / "own", shoppers=shoppers)
    assert set(named.model.terms) == {"fused", "wording"}
    viewed = 0 if case == "price:band" else 32
    bands = 32 - viewed
    assert notes[0] == (
        f"shoppers of 32 queries: {bands} with a band of prices; {viewed} of {viewed} products viewed are in the index"
    )


def by_hand(case, engine, who, product):
    """The feature of the case from the stored vectors, brands and prices."""
    if case == "price:band":
        low, high = who.price_band
        return min(0.0, math.log(product.price / low), math.log(high / product.price))
    viewed = engine.index.stored(list(who.viewed))
    if case == "views:brand":
        return sum(one.product.brand == product.brand for one in viewed.values()) / len(viewed)
    own = engine.index.stored([product.id])[product.id].vectors["text"]
    return max(float(own @ one.vectors["text"]) for one in viewed.values())


def test_what_is_learnt_from_is_what_was_known_of_who_asked(taught):
    case, engine, _, _ = taught
    judgments, shoppers = judged(case)
    known = dict(list(shoppers.items())[:5])
    for table in gather(engine, judgments, 30, shoppers=known):
        column = table.features[:, NAMES.index(case)]
        if table.query_id not in known:
            assert np.isnan(table.features[:, [NAMES.index(name) for name in SHOPPER]]).all()
            continue
        found = engine.index.get(table.product_ids)
        assert column == pytest.approx(
            [by_hand(case, engine, known[table.query_id], product) for product in found], abs=1e-5
        )


def test_explanations_see_who_asked(taught):
    case, engine, trained, _ = taught
    searching, noun = serving(engine, trained.folder), HELD_OUT[0]
    term = trained.model.terms[case]
    for kind in KINDS:
        who = shopper(case, kind, noun, HELD_OUT)
        request = SearchRequest(noun, shopper=who)
        for place, product_id in enumerate((f"{noun}-{kind}", f"{noun}-{OTHER[kind]}")):
            found = explain(searching, request, product_id)
            assert found.rank == place + 1
            assert sum(item.contribution for item in found.contributions) == pytest.approx(found.score, abs=1e-6)
            (learnt,) = (item for item in found.contributions if item.stage == "learnt")
            shares = dict(learnt.details)
            assert sum(shares.values()) == pytest.approx(learnt.score, abs=1e-5)
            worth = term.weight * (by_hand(case, searching, who, found.product) - term.centre)
            assert shares.get(case, 0.0) == pytest.approx(worth, abs=1e-4)
        hits = searching.search(dataclasses.replace(request, k=1000)).hits
        again = Again.of(searching, asked_of(searching, request), hits, hits[1], hits[0])
        assert again.then(again.read) == pytest.approx((hits[1].score, hits[0].score), abs=1e-5)
        stranger = asked_of(searching, SearchRequest(noun))
        assert Again.of(searching, stranger, hits, hits[1], hits[0]) is None  # other scores than these


class Watched:
    """An index that notes which products are asked for with their vectors."""

    def __init__(self, index):
        self._index, self.asked = index, []

    def __getattr__(self, name):
        return getattr(self._index, name)

    def stored(self, ids):
        self.asked.append(tuple(ids))
        return self._index.stored(ids)


@pytest.fixture
def watching(taught, tmp_path):
    """Opens the shop with terms of a linear part, and its index watched."""
    _, engine, trained, _ = taught

    def opened(*names):
        learnt = LearntRanking({"fused": Term(1.0), **{name: Term(1.0) for name in names}})
        details = trained.model.details or LearntRanking.load(trained.folder).details
        made = {
            name: details["fingerprint"][name] for name in details["fingerprint"] if name not in ("ranking", "trees")
        }
        learnt.save(tmp_path / "terms", made, {})
        watched = Watched(engine.index)
        recipe = dataclasses.replace(
            engine.recipe, ranking=dataclasses.replace(engine.recipe.ranking, learnt=str(tmp_path / "terms"))
        )
        return SearchEngine(watched, engine.encoder, recipe), watched

    return opened


@pytest.mark.parametrize(
    ("reads", "who", "looks"),
    [
        (("views",), Shopper(viewed=("gone", "bin-oak", "gone")), 1),
        (("views:brand", "views"), Shopper(viewed=("gone", "bin-oak"), price_band=(1.0, 2.0)), 1),
        (("price:band",), Shopper(viewed=("gone", "bin-oak"), price_band=(1.0, 2.0)), 0),
        (("wording",), Shopper(viewed=("gone", "bin-oak"), price_band=(1.0, 2.0)), 0),
        (("views", "price:band"), Shopper(price_band=(1.0, 2.0)), 0),
        (("views",), Shopper(), 0),
    ],
)
def test_viewed_products_are_looked_up_once_and_only_where_they_are_read(watching, reads, who, looks):
    engine, watched = watching(*reads)
    engine.search(SearchRequest("kettle", shopper=who))
    assert sum("gone" in asked for asked in watched.asked) == looks
    total = len(watched.asked)
    watched.asked.clear()
    engine.search(SearchRequest("kettle"))
    assert total - len(watched.asked) == looks


def test_products_that_are_not_there_tell_nothing(taught):
    case, engine, trained, _ = taught
    searching = serving(engine, trained.folder)
    plain = searching.search(SearchRequest("bin"))
    for viewed in (("gone",), ('it\'s "gone"', "also' OR '1'='1"), ("\udcff",), ("a\x00b",)):
        found = searching.search(SearchRequest("bin", shopper=Shopper(viewed=viewed)))
        assert [(hit.product_id, hit.score) for hit in found.hits] == [
            (hit.product_id, pytest.approx(hit.score, abs=1e-6)) for hit in plain.hits
        ]
    if case != "price:band":
        one, other = (
            searching.search(SearchRequest("bin", shopper=Shopper(viewed=viewed))).hits
            for viewed in (("rack-oak", "gone"), ("rack-oak", "rack-oak"))
        )
        assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], abs=1e-6)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (Shopper(viewed=tuple(map(str, range(MOST_VIEWED + 1)))), "51 products viewed lately"),
        (Shopper(viewed=("a", " ")), "a product viewed lately is no text or blank"),
        (Shopper(viewed=("a", 7)), "a product viewed lately is no text or blank"),
        (Shopper(viewed="abc"), "a product viewed lately is no text or blank"),
        (Shopper(price_band=(20.0, 10.0)), r"the price band is \(20.0, 10.0\)"),
        (Shopper(price_band=(0.0, 10.0)), "the price band is"),
        (Shopper(price_band=(1.0, math.inf)), "the price band is"),
        (Shopper(price_band=(math.nan, 10.0)), "the price band is"),
        (Shopper(price_band=(1.0,)), "the price band is"),
        (Shopper(price_band=("1", "2")), "the price band is"),
    ],
)
def test_what_no_search_can_use_is_refused(taught, who, said):
    _, engine, _, _ = taught
    with pytest.raises(RequestError, match=said):
        engine.search(SearchRequest("bin", shopper=who))


def test_the_most_that_may_be_said_is_taken(taught):
    _, engine, _, _ = taught
    most = Shopper(viewed=tuple(map(str, range(MOST_VIEWED))), price_band=(7.0, 7.0))
    assert engine.search(SearchRequest("bin", shopper=most)).hits


@pytest.mark.parametrize("text", ["", "5", "5:", ":5", "5:4", "0:4", "a:b", "1:2:3", "nan:5", "1:inf", "-1:5"])
def test_a_band_as_text_is_two_prices(text):
    assert parse_band(" 5 : 7.5") == (5.0, 7.5)
    with pytest.raises(RequestError, match="the price band is"):
        parse_band(text)


def test_a_shopper_of_no_judged_query_is_refused_before_anything_is_searched(taught, tmp_path, monkeypatch):
    case, engine, _, _ = taught
    judgments, shoppers = judged(case)

    def fail(*_):
        raise AssertionError("searched")

    monkeypatch.setattr(LanceIndex, "search", fail)
    with pytest.raises(InputError, match=r"query 'nobody', which is not among the queries \(nor are 1 more\)"):
        learn_ranking(
            engine,
            judgments,
            RECIPE,
            tmp_path / "learnt",
            shoppers=shoppers | {"nobody": Shopper(viewed=("1",)), "no": Shopper()},
        )
    assert not (tmp_path / "learnt").exists()
