"""Whole explanations on a real index: what they promise is tried on an index with the changed product."""

import dataclasses
import gzip
import itertools
import json
from pathlib import Path

import pytest

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings, Recipe
from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.explain import NearWords, explain, explain_page
from aisle.explain.asked import asked_of
from aisle.explain.change import Fusion, changes
from aisle.explain.linear import Again
from aisle.explain.notes import UNHEEDED
from aisle.explain.title_word import lacking_words
from aisle.filters import parse_filter, parse_sort
from aisle.ranking.clock import Clock
from aisle.ranking.fusion import fuse
from aisle.ranking.learnt import for_everybody
from aisle.shelf import Shelf
from aisle.stages import Context
from aisle.types import Part, SearchRequest
from tests.explain.shop import PRODUCTS, TitleLength

ROOT = Path(__file__).parent.parent.parent


def place(engine, text, product_id):
    return [hit.product_id for hit in engine.search(SearchRequest(text)).hits].index(product_id)


def test_everything_of_a_hit_is_there(engine):
    ranking = engine.search(SearchRequest("wireless mouse"))
    hit = ranking.hits[2]
    found = explain(engine, SearchRequest("wireless mouse"), hit.product_id)
    assert (found.rank, found.score) == (3, hit.score)
    assert sum(item.contribution for item in found.contributions) == pytest.approx(found.score, abs=1e-9)
    assert found.counterfactual.above_id == ranking.hits[1].product_id
    assert found.counterfactual.gap == pytest.approx(ranking.hits[1].score - hit.score)
    assert found.words.model == "encoder"
    assert found.absence is None
    assert json.loads(json.dumps(found.to_dict()))["rank"] == 3


def test_the_first_has_nothing_above_it_and_pages_do_not_matter(engine):
    first = engine.search(SearchRequest("wireless mouse")).hits[0].product_id
    assert explain(engine, SearchRequest("wireless mouse"), first).counterfactual is None
    assert explain(engine, SearchRequest("wireless mouse", k=1, offset=5), first).rank == 1


def test_a_query_words_bm25_is_what_the_score_loses_without_it(engine):
    found = explain(engine, SearchRequest("wireless mouse", mode="bm25"), "m1")
    by_word = {
        effect.name: effect.bm25 for effect in explain(engine, SearchRequest("wireless mouse"), "m1").words.query
    }
    (bm25,) = found.contributions
    scores = {
        word: {hit.product_id: hit.score for hit in engine.search(SearchRequest(word, mode="bm25")).hits}["m1"]
        for word in ("wireless", "mouse")
    }
    assert by_word["wireless"] == pytest.approx(bm25.score - scores["mouse"], abs=1e-3)
    assert {effect.name: effect.effect for effect in found.words.query} == pytest.approx(by_word)
    assert (found.words.model, found.words.score) == ("bm25", pytest.approx(bm25.score, abs=1e-3))
    assert by_word["mouse"] == pytest.approx(bm25.score - scores["wireless"], abs=1e-3)


def changed_shop(folder, encoder, product_id, recipe=None, **changes):
    """A shop in which one product is another."""
    changed = [dataclasses.replace(product, **changes) if product.id == product_id else product for product in PRODUCTS]
    return SearchEngine.build(changed, folder, recipe, encoder=encoder)


def title_of(product_id):
    return next(product.title for product in PRODUCTS if product.id == product_id)


@pytest.mark.parametrize(
    ("query", "product_id", "enough"),
    [
        ("black headphones", "h2", ("black",)),
        ("laser mouse", "m2", ("laser",)),
        ("wireless keyboard", "m1", ("keyboard",)),
        ("laser mouse", "m1", ()),  # "laser" is tried, and is not
    ],
)
def test_a_word_is_promised_if_an_index_with_that_title_keeps_the_promise(
    engine, encoder, tmp_path, query, product_id, enough
):
    against = explain(engine, SearchRequest(query), product_id).counterfactual
    promised = tuple(change.name for change in against.changes if change.kind == "word")
    assert promised == enough
    assert place(engine, query, against.above_id) < place(engine, query, product_id)
    for word in promised or lacking_words(query, title_of(product_id)):
        with changed_shop(tmp_path / word, encoder, product_id, title=f"{title_of(product_id)} {word}") as other:
            passes = place(other, query, product_id) < place(other, query, against.above_id)
            assert passes == (word in promised)


def test_a_word_that_is_part_of_another_in_the_title_is_not_lacking():
    assert lacking_words("usb 3.0 hub", "Logi USB-C hub") == ["3.0"]  # BM25 finds usb in USB-C
    assert lacking_words("无线鼠标", "无线鼠标 静音") == []


@pytest.mark.parametrize(
    ("learnt", "text", "product_id", "brand", "times"),
    [("", "logi mouse", "m3", "Logi", 1.0), ("embedded", "hama mouse", "m2", "Hama", 3.0)],
)
def test_a_demand_is_promised_and_an_index_with_a_product_that_meets_it_keeps_the_promise(
    encoder, tmp_path, learnt, text, product_id, brand, times
):
    recipe = Recipe.from_dict({"ranking": {"demands": "boost", "learnt": learnt}})
    with SearchEngine.build(PRODUCTS, tmp_path / "shop", recipe, encoder=encoder) as shop:
        found = explain(shop, SearchRequest(text), product_id)
        (wanted,) = found.verdicts
        assert (wanted.constraint.kind, wanted.status) == ("brand", "contradicted")
        (demand,) = [change for change in found.counterfactual.changes if change.kind == "demand"]
        above = found.counterfactual.above_id
        assert place(shop, text, above) < place(shop, text, product_id)
        best = max(
            sum(part.contribution for stage, part in hit.parts.items() if stage in ("bm25", "dense:text"))
            for hit in shop.search(SearchRequest(text)).hits
        )
        worth = 0.1 * wanted.constraint.certainty * best  # taken away now, and added then
        assert demand.needed - demand.now == pytest.approx(times * 2 * worth, abs=1e-6)
    with changed_shop(tmp_path / "met", encoder, product_id, recipe, brand=brand) as other:
        assert place(other, text, product_id) < place(other, text, above)


def test_demands_that_the_ranking_does_not_heed_are_judged_all_the_same(encoder, tmp_path):
    with SearchEngine.build(PRODUCTS, tmp_path / "shop", Recipe(), encoder=encoder) as shop:
        assert shop.recipe.ranking.demands == "off"
        request = SearchRequest("hama mouse under 20")
        found = explain(shop, request, "m2")
        assert {(one.constraint.kind, one.status) for one in found.verdicts} == {
            ("brand", "contradicted"),
            ("price", "satisfied"),
        }
        assert UNHEEDED in found.notes
        changes = found.counterfactual.changes if found.counterfactual else ()
        assert not [one for one in changes if one.kind == "demand" or one.name in ("under", "20")]
        page = explain_page(shop, shop.search(request))
        assert all(len(one.verdicts) == 2 for one in page)


def with_score(engine, text, product_id, change):
    """The order of a search in which a product's raw score of a stage is another."""
    read, (_, reading) = asked_of(engine, SearchRequest(text)).request, engine.read(SearchRequest(text))
    _, vector = engine.asked(read)
    lists = dict(engine.index.search(read, {"text": vector}, engine.recipe.search.depth).lists)
    items = [item for item in lists[change.stage] if item[0] != product_id] + [(product_id, change.needed)]
    lists[change.stage] = sorted(items, key=lambda item: (-item[1], item[0]))
    context = Context(read, reading, vector, Clock(None), Shelf(engine.index))
    return [item[0] for item in engine.stages.arrange(fuse(lists, engine.recipe.search.weights), context).scored]


@pytest.fixture(scope="module")
def cameras(tmp_path_factory, encoder):
    """Products of the Icecat sample whose titles say camera."""
    folder = tmp_path_factory.mktemp("cameras")
    with gzip.open(ROOT / "samples" / "icecat" / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [line for line in file if "camera" in json.loads(line)["title"].casefold()]
    (folder / "cameras.jsonl").write_text("".join(rows), encoding="utf-8")
    with (
        clean(folder / "cameras.jsonl", CatalogueSettings()) as products,
        SearchEngine.build(products, folder / "shop", encoder=encoder) as engine,
    ):
        yield engine


def test_under_the_learnt_combination_a_score_that_is_named_is_enough(cameras):
    """Also where the product comes among the first of the fusion, with whose mean the others are compared."""
    told = 0
    for text in ("camera battery", "camera"):
        hits = cameras.search(SearchRequest(text, k=100)).hits
        asked, fusion = asked_of(cameras, SearchRequest(text)), Fusion.of(hits, cameras.recipe.search)
        for above, own in itertools.pairwise(hits[:8]):
            again = Again.of(cameras, asked, hits, own, above)
            for change in changes(own, above, hits, fusion, (), again):
                assert (change.kind, change.needed > change.now) == ("score", True)
                then = with_score(cameras, text, own.product_id, change)
                assert then.index(own.product_id) < then.index(above.product_id)
                told += 1
    assert told > 20


def test_a_linear_combination_asked_again_repeats_itself_and_trees_are_not_asked(engine):
    again = SearchEngine(engine.index, engine.encoder, engine.recipe)
    hits = again.search(SearchRequest("black headphones")).hits
    asked = asked_of(again, SearchRequest("black headphones"))
    repeated = Again.of(again, asked, hits, hits[1], hits[0])
    assert repeated.then(repeated.read) == pytest.approx((hits[1].score, hits[0].score), abs=1e-5)
    lifted = [dataclasses.replace(hit, parts=hit.parts | {"rule:x": Part(0.1, None, 2.0)}) for hit in hits]
    assert repeated.then(lifted) == pytest.approx((hits[1].score + 2.0, hits[0].score + 2.0), abs=1e-5)
    assert Again.of(again, asked, hits[:3], hits[1], hits[0]) is None  # of three products another mean is compared with
    again.stages.learnt = dataclasses.replace(for_everybody(), trees="tree", columns=("fused",))
    assert Again.of(again, asked, hits, hits[1], hits[0]) is None
    again.stages.learnt = None
    assert Again.of(again, asked, hits, hits[1], hits[0]) is None


def test_who_is_filtered_out_is_told_by_what(engine):
    request = SearchRequest("wireless mouse", filter=parse_filter('price < 20 AND brand = "Logi"'))
    found = explain(engine, request, "m3")
    assert (found.rank, found.score, found.contributions) == (None, None, ())
    assert found.absence.filtered == (("price < 20", (("price", 35.0),)), ('brand = "Logi"', (("brand", "Hama"),)))
    assert "price < 20: price is 35" in found.in_words()
    passing = explain(engine, request, "m1")
    assert [verdict.status for verdict in passing.verdicts] == ["satisfied", "satisfied"]


def test_who_is_not_found_is_told_by_which_stage(engine):
    found = explain(engine, SearchRequest("mouse", mode="bm25"), "c1")
    (short,) = found.absence.shortfalls
    assert (short.stage, short.score) == ("bm25", 0.0)
    assert short.lowest > 0
    assert "It has none of the query's words." in found.in_words()
    assert "没有任何一个搜索词" in found.in_words("zh")


def test_sorted_rankings_say_what_they_are_sorted_by(engine):
    request = SearchRequest("mouse", sort=parse_sort("price:desc"))
    last = engine.search(request).hits[-1]
    found = explain(engine, request, last.product_id)
    assert found.counterfactual.sorted_by == ("price",)
    assert "ordered" in found.in_words() or "order is by price" in found.in_words()
    assert explain(engine, SearchRequest(""), "m1").words is None


def test_an_identifier_in_the_query_is_the_reason(engine):
    found = explain(engine, SearchRequest("QC45-BLK"), engine.search(SearchRequest("QC45-BLK")).hits[1].product_id)
    assert [change.kind for change in found.counterfactual.changes] == ["identifier"]


def test_an_unknown_product_is_refused(engine):
    with pytest.raises(InputError, match="the index has no product 'nobody'"):
        explain(engine, SearchRequest("mouse"), "nobody")


def test_with_a_reranker_its_own_scores_are_explained(engine, encoder):
    shop = SearchEngine(engine.index, encoder, engine.recipe, TitleLength())
    hits = shop.search(SearchRequest("wireless laser mouse")).hits
    assert [hit.product_id for hit in hits[:2]] == ["m3", "m1"]  # three of the words, then two
    found = explain(shop, SearchRequest("wireless laser mouse"), "m1")
    assert (found.words.model, found.words.score) == ("reranker", 2.0)
    assert sum(item.contribution for item in found.contributions) == pytest.approx(found.score, abs=1e-9)
    # "laser" makes it three words, as m3 has: a tie, which is not enough
    changes = {(change.kind, change.stage, change.name) for change in found.counterfactual.changes}
    assert changes == {("score", "rerank", "")}
    other = explain(shop, SearchRequest("wireless laser mouse"), hits[3].product_id)
    assert {change.name for change in other.counterfactual.changes if change.kind == "word"} <= {
        "wireless",
        "laser",
        "mouse",
    }


def test_a_page_may_have_estimated_words(engine, encoder):
    ranking = engine.search(SearchRequest("wireless mouse", k=3))
    for page in explain_page(engine, ranking, near=NearWords(encoder)):
        (dense,) = [item for item in page.contributions if item.stage == "dense:text"]
        assert page.words.estimated
        assert page.words.score == pytest.approx(dense.score, abs=1e-5)
    assert explain_page(engine, engine.search(SearchRequest("mouse", k=0))) == ()


def test_a_learnt_combination_is_split_into_its_features(engine):
    recipe = Recipe.from_dict({"ranking": {"learnt": "embedded"}})
    learnt = SearchEngine(engine.index, engine.encoder, recipe)
    for text in ("wireless mouse", "keyboard"):
        for hit in learnt.search(SearchRequest(text)).hits[:3]:
            found = explain(learnt, SearchRequest(text), hit.product_id)
            (part,) = (item for item in found.contributions if item.stage == "learnt")
            shares = dict(part.details)
            assert set(shares) <= {"fused", "wording", "neighbours"}
            assert sum(shares.values()) == pytest.approx(part.score, abs=1e-4)
            fused = sum(hit.parts[stage].contribution for stage in ("bm25", "dense:text") if stage in hit.parts)
            assert shares["fused"] == pytest.approx(3.0 * fused, abs=1e-5)
            assert "words and meaning together" in found.in_words()
            assert "关键词与语义" in found.in_words("zh")
