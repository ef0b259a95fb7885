"""A learnt combination that reads a re-ranker's score, over HTTP; neither is promoted without the other."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from aisle.build import stored_recipe
from aisle.config import RenderSettings
from aisle.engine import SearchEngine
from aisle.errors import FingerprintError
from aisle.provenance import made_with, reranked_with
from aisle.ranking.learnt import LearntRanking, Term
from aisle.rerankers.head import write_head, zero_shot
from aisle.serve.app import Outside, create_app
from aisle.serve.models import promote_model
from aisle.serve.settings import Settings, read_config
from aisle.types import SearchRequest

DEPTH = 30


@pytest.fixture
def home(built, encoder, tmp_path):
    """Two re-rankers, a combination of each, and a configuration whose names are links to the first pair."""
    recipe = stored_recipe(built)
    for name, wording in (("one", 0.5), ("two", -0.5)):
        head = replace(zero_shot(encoder.dim), wording=wording)
        write_head(tmp_path / f"model-{name}", head, "embedded", encoder, RenderSettings(("title",), 64), {})
        model = replace(recipe, ranking=replace(recipe.ranking, model=str(tmp_path / f"model-{name}")))
        made = made_with(encoder, recipe) | reranked_with(model)
        terms = {"fused": Term(1.0), "rerank": Term(0.5)}
        LearntRanking(terms, depth=DEPTH).save(tmp_path / f"learnt-{name}", made, {})
    for name in ("model", "learnt"):
        (tmp_path / name).symlink_to(f"{name}-one")
    (tmp_path / "aisle.toml").write_text('[ranking]\nlearnt = "learnt"\nmodel = "model"\n', encoding="utf-8")
    return tmp_path


def test_an_answer_has_its_share_within_the_combination(built, encoder, home):
    recipe = read_config(home / "aisle.toml").recipe_over(stored_recipe(built))
    with SearchEngine.open(built, recipe, encoder=encoder) as engine:
        wanted = engine.search(SearchRequest("laser printer", k=5)).hits
        app = create_app(engine, Settings(), Outside(suggestions=False))
        with TestClient(app) as client:
            asked = {"query": "laser printer", "k": 5, "explain": True}
            found = client.post("/v1/search", json=asked).json()
            assert [hit["product"]["id"] for hit in found["hits"]] == [hit.product_id for hit in wanted]
            for hit in found["hits"]:
                parts = {part["stage"]: part for part in hit["explanation"]["contributions"]}
                assert parts["rerank"]["contribution"] == 0
                assert list(parts).index("rerank") < list(parts).index("learnt")
                total = sum(part["contribution"] for part in parts.values())
                assert total == pytest.approx(hit["score"], abs=1e-5)


def test_neither_is_promoted_alone(built, home):
    config = read_config(home / "aisle.toml")
    for name in ("model", "learnt"):
        with pytest.raises(FingerprintError, match="reads the score of a re-ranker, model-"):
            promote_model(home / f"{name}-two", home / name, built, config)
        assert (home / name).resolve() == home / f"{name}-one"
    pair = f'[ranking]\nlearnt = "{home / "learnt-two"}"\nmodel = "{home / "model-two"}"\n'
    (home / "aisle.toml").write_text(pair, encoding="utf-8")
    with SearchEngine.open(built, read_config(home / "aisle.toml").recipe_over(stored_recipe(built))) as both:
        assert "rerank" in both.search(SearchRequest("laser printer")).hits[0].parts
