"""From an engine and judgments to a learnt ranking, on real products."""

import dataclasses

import numpy as np
import pytest

from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.learn_ranking import gather, learn_ranking, shop_rating
from aisle.provenance import made_with
from aisle.ranking.features import NAMES
from aisle.ranking.learnt import LearntRanking
from aisle.training.ranking.crossfit import order
from aisle.training.ranking.recipe import RankingRecipe
from aisle.types import Judgment, SearchRequest
from tests.contracts.rows import real_products

QUERIES = ("notebook", "toner cartridge", "usb cable", "hp pavilion")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with SearchEngine.build(real_products(120), tmp_path_factory.mktemp("shop") / "index") as found:
        yield found


@pytest.fixture(scope="module")
def judgments(engine):
    """A product whose title has the query's first word is good, the rest of the first dozen is not."""
    found = []
    for query in QUERIES:
        for hit in engine.search(SearchRequest(query, k=12)).hits:
            grade = 3.0 if query.split()[0] in hit.product.title.casefold() else 0.0
            found.append(Judgment(query, query, hit.product_id, grade))
    return [*found, Judgment(QUERIES[0], QUERIES[0], "not in the catalogue", 2.0)]


def test_the_tables_are_the_engines_own_ranking(engine, judgments):
    tables = list(gather(engine, judgments, 30))
    assert [table.query for table in tables] == list(QUERIES)
    plain = engine.with_recipe(Recipe.from_dict({"ranking": {"learnt": ""}}))
    for table in tables:
        hits = plain.search(SearchRequest(table.query, k=30)).hits
        assert table.product_ids == tuple(hit.product_id for hit in hits)
        fused = [hit.score - (hit.parts["identifier"].contribution if "identifier" in hit.parts else 0) for hit in hits]
        assert table.fused == pytest.approx(fused, rel=1e-5)
        vector = engine.encoder.encode([table.query], "query")[0]
        stored = engine.index.stored(table.product_ids)
        cosines = [vector @ stored[product_id].vectors["text"] for product_id in table.product_ids]
        assert table.features[:, NAMES.index("cosine")] == pytest.approx(cosines, abs=1e-5)
        assert int(np.isfinite(table.grades).sum()) == 12
    assert tables[0].judged["not in the catalogue"] == 2.0


def test_a_reranker_that_did_not_learn_from_the_query_gives_a_feature(engine, judgments):
    class Length:
        def score(self, query, products):
            return np.array([len(query) + len(product.title) for product in products], np.float32)

    tables = gather(engine, judgments, 10, reranker_of=lambda query_id: Length() if query_id == "notebook" else None)
    first, second, *_ = tables
    titles = [product.title for product in engine.index.get(first.product_ids)]
    assert first.features[:, NAMES.index("rerank")].tolist() == [8 + len(title) for title in titles]
    assert np.isnan(second.features[:, NAMES.index("rerank")]).all()


def test_learning_writes_a_folder_that_says_what_it_belongs_to(engine, judgments, tmp_path):
    trained = learn_ranking(engine, judgments, RankingRecipe(rounds=0, folds=2, depth=30), tmp_path / "ranking")
    loaded = LearntRanking.load(tmp_path / "ranking")
    assert loaded == trained.model
    assert loaded.details["fingerprint"]["encoder"] == engine.encoder.fingerprint
    assert loaded.rating == shop_rating(engine)
    assert loaded.rating is not None
    assert trained.queries == 4
    assert made_with(engine.encoder, engine.recipe)["fusion"].startswith("scores")


def test_what_is_served_is_what_was_learnt(engine, judgments, tmp_path):
    tables = list(gather(engine, judgments, 30))
    recipe = RankingRecipe(rounds=8, choose=False, folds=2, depth=30, leaf_rows=5)
    model = learn_ranking(engine, judgments, recipe, tmp_path / "ranking").model
    assert model.trees
    ranking = dataclasses.replace(engine.recipe.ranking, learnt=str(tmp_path / "ranking"))
    changed = dataclasses.replace(engine.recipe, ranking=ranking)
    with SearchEngine.open(engine._folder, changed, encoder=engine.encoder) as serving:
        for table in tables:
            hits = serving.search(SearchRequest(table.query, k=30)).hits
            want = [table.product_ids[row] for row in order(table, model.score(table.features))]
            assert [hit.product_id for hit in hits] == want
            assert "learnt" in hits[0].parts
            assert sum(part.contribution for part in hits[0].parts.values()) == pytest.approx(hits[0].score)


def test_what_cannot_be_learnt_from_is_refused(engine, judgments):
    nameless = [dataclasses.replace(judgment, query="") for judgment in judgments]
    with pytest.raises(InputError, match="query 'notebook' has no text"):
        list(gather(engine, nameless, 10))
    varied = engine.with_recipe(Recipe.from_dict({"ranking": {"learnt": "", "diversity": {"method": "mmr"}}}))
    with pytest.raises(InputError, match="the engine has diversity, which come after learnt ranking"):
        list(gather(varied, judgments, 10))
