"""Models as versions: a link that a recipe names is moved while a service answers, and only to what fits."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from aisle.cli.main import cli
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, FingerprintError, RecipeError
from aisle.provenance import made_with
from aisle.ranking.learnt import for_everybody, fusion_alone
from aisle.serve.app import Outside, create_app
from aisle.serve.models import promote_model, roll_back_model
from aisle.serve.processes.plan import Plan
from aisle.serve.settings import read_config
from aisle.types import SearchRequest
from tests.serve.test_processes import until


@pytest.fixture
def home(built, encoder, tmp_path):
    """A shop whose recipe names a learnt ranking, and three of those: two that fit, one of another encoder."""
    with SearchEngine.open(built, encoder=encoder) as engine:
        made = made_with(encoder, engine.recipe)
    for_everybody().save(tmp_path / "learnt-a", made, {})
    fusion_alone().save(tmp_path / "learnt-b", made, {})
    fusion_alone().save(tmp_path / "learnt-c", made | {"encoder": "another"}, {})
    (tmp_path / "aisle.toml").write_text('[ranking]\nlearnt = "learnt"\n')
    return tmp_path


def order(engine):
    return [hit.product_id for hit in engine.search(SearchRequest("laser printer", k=20)).hits]


def test_a_link_is_moved_to_what_fits_and_back(built, encoder, home):
    config = read_config(home / "aisle.toml")
    name = home / "learnt"
    assert promote_model(home / "learnt-a", name, built, config).before is None
    assert str(name.readlink()) == "learnt-a"
    done = promote_model(home / "learnt-b", name, built, config)
    assert (done.served, done.before, done.carried) == (home / "learnt-b", home / "learnt-a", 0)
    with pytest.raises(ArtifactError, match="is served already"):
        promote_model(home / "learnt-b", name, built, config)
    with pytest.raises(FingerprintError, match="another"):
        promote_model(home / "learnt-c", name, built, config)
    with pytest.raises(ArtifactError, match="no such folder"):
        promote_model(home / "learnt-d", name, built, config)
    with pytest.raises(RecipeError, match="does not name"):
        promote_model(home / "learnt-a", home / "other", built, config)
    with pytest.raises(RecipeError, match="does not name"):
        promote_model(home / "learnt-a", name, built)
    assert name.resolve() == home / "learnt-b"
    run = CliRunner().invoke(
        cli, ["rollback", str(name), "--of", str(built), "--config", str(home / "aisle.toml"), "--json"]
    )
    assert run.exception is None, run.exception
    assert json.loads(run.output)["served"] == str(home / "learnt-a")
    with pytest.raises(ArtifactError, match=r"nothing was served as .* before 'learnt-a'"):
        roll_back_model(name, built, config)


def test_a_folder_becomes_a_link(built, home):
    shutil.copytree(home / "learnt-a", home / "learnt")
    command = ["promote", str(home / "learnt-b"), str(home / "learnt"), "--of", str(built)]
    run = CliRunner().invoke(cli, [*command, "--config", str(home / "aisle.toml")])
    assert run.exception is None, run.exception
    assert run.output.strip().endswith("learnt: learnt-b instead of learnt-1")
    assert sorted(path.name for path in home.glob("learnt*")) == [
        "learnt", "learnt-1", "learnt-a", "learnt-b", "learnt-c",
    ]  # fmt: skip
    assert CliRunner().invoke(cli, [*command, "--since", "2026-11-29"]).exit_code == 2


def test_a_running_service_takes_over_a_promoted_model(built, encoder, home):
    config = read_config(home / "aisle.toml")
    promote_model(home / "learnt-a", home / "learnt", built, config)
    plan = Plan(Path(built), config, None, home)
    with SearchEngine.open(built, plan.recipe(built), encoder=encoder) as engine:
        first = order(engine)
        app = create_app(engine, config.settings, Outside(reopen=plan.open, suggestions=False, tables=config.tables))
        with TestClient(app) as client:

            def answered():
                found = client.post("/v1/search", json={"query": "laser printer", "k": 20}).json()
                return [hit["product"]["id"] for hit in found["hits"]]

            assert answered() == first
            promote_model(home / "learnt-b", home / "learnt", built, config)
            until(lambda: answered() != first, 60)
            assert answered() == order(app.state.parts.engine)
            roll_back_model(home / "learnt", built, config)
            until(lambda: answered() == first, 60)
