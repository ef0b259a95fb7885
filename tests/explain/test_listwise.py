"""A re-ranker that looks at the whole list is explained in the list that it scored, whatever became of that later."""

from dataclasses import replace

import pytest

from aisle.calibrate import calibrate
from aisle.config import Recipe
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.explain import explain
from aisle.training.calibrate import CalibrationSettings
from aisle.types import Judgment, SearchRequest
from tests.rerankers.test_listwise import PRODUCTS, THINGS, write

BLOCK = """
[[rule]]
name = "no red hub"
when = {{ query = ["{query}"] }}
block = ["{blocked}"]
"""
QUERY = "usb hub"


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """An index whose recipe re-ranks twelve with a combination that counts neighbours, and a calibration of that."""
    folder = tmp_path_factory.mktemp("listwise")
    write(folder / "model")
    recipe = Recipe()
    recipe = replace(
        recipe,
        search=replace(recipe.search, rerank_depth=12),
        ranking=replace(recipe.ranking, model=str(folder / "model")),
    )
    words = ("shop", "new", "buy", "online")
    judgments = [
        Judgment(f"{thing} {word}", f"{thing} {word}", product.id, float(product.title.startswith(thing)))
        for thing in THINGS
        for word in words
        for product in PRODUCTS
    ]
    with SearchEngine.build(PRODUCTS, folder / "shop", recipe, encoder=EmbeddedEncoder()) as engine:
        calibrate(engine, judgments, CalibrationSettings()).save(folder / "calibration")
    return folder, recipe


def opened(work, **ranking):
    folder, recipe = work
    return SearchEngine.open(folder / "shop", replace(recipe, ranking=replace(recipe.ranking, **ranking)))


def scores_explained(engine):
    """The re-ranker's score of each hit that it read, and that of its explanation."""
    found = {}
    for hit in engine.search(SearchRequest(QUERY, k=16)).hits:
        if "rerank" in hit.parts:
            words = explain(engine, SearchRequest(QUERY), hit.product_id).words
            assert words.model == "reranker"
            found[hit.product_id] = (words.score, hit.parts["rerank"].score)
    return found


def test_of_a_list_that_the_cut_off_has_shortened(work):
    folder, _ = work
    with opened(work) as engine:
        whole = engine.search(SearchRequest(QUERY, k=16))
    with opened(work, calibration=str(folder / "calibration"), cut=0.2, cut_guaranteed=False) as engine:
        ranking = engine.search(SearchRequest(QUERY, k=16))
        assert set(ranking.reranked) == {hit.product_id for hit in whole.hits if "rerank" in hit.parts}
        assert 0 < len(ranking.hits) < 5 < len(ranking.reranked) == 12  # the mean is of five
        found = scores_explained(engine)
    assert set(found) == set(ranking.ids)
    for explained, given in found.values():
        assert explained == pytest.approx(given, abs=1e-6)


def test_of_a_list_without_what_a_rule_blocks(work, tmp_path):
    with opened(work) as engine:
        whole = engine.search(SearchRequest(QUERY, k=16))
        before = scores_explained(engine)
    blocked = whole.hits[1].product_id
    (tmp_path / "rules.toml").write_text(BLOCK.format(query=QUERY, blocked=blocked), encoding="utf-8")
    with opened(work, rules=str(tmp_path / "rules.toml")) as engine:
        ranking = engine.search(SearchRequest(QUERY, k=16))
        assert blocked not in ranking.reranked
        assert len(ranking.reranked) == 12
        found = scores_explained(engine)
    for explained, given in (*before.values(), *found.values()):
        assert explained == pytest.approx(given, abs=1e-6)
    both = before.keys() & found.keys()
    assert any(abs(before[one][1] - found[one][1]) > 1e-4 for one in both)  # the list does count


def test_what_was_not_reranked_is_told_of_nothing(work):
    with opened(work, model="") as engine:
        assert engine.search(SearchRequest(QUERY)).reranked == ()
    with opened(work) as engine:
        assert engine.search(SearchRequest("")).reranked == ()
