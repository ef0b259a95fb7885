"""Models as versions: a link that a recipe names is moved while a service answers, and only to what fits."""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from aisle.cli.main import cli
from aisle.encoders import embedded
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, FingerprintError, RecipeError
from aisle.provenance import made_with
from aisle.ranking.learnt import for_everybody, fusion_alone
from aisle.serve.app import Outside, create_app
from aisle.serve.models import promote_model, roll_back_model
from aisle.serve.processes.plan import Plan
from aisle.serve.settings import read_config
from aisle.types import SearchRequest
from tests.serve.test_processes import AISLE, until


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
            answered = partial(served_order, client)
            assert answered() == first
            promote_model(home / "learnt-b", home / "learnt", built, config)
            until(lambda: answered() != first, 60)
            assert answered() == order(app.state.parts.engine)
            roll_back_model(home / "learnt", built, config)
            until(lambda: answered() == first, 60)


def served_order(client):
    found = client.post("/v1/search", json={"query": "laser printer", "k": 20}).json()
    return [hit["product"]["id"] for hit in found["hits"]]


def harm(model, how):
    """Damage a model as a half copied folder or a bad disk does."""
    file = model / ("manifest.json" if how == "unfinished" else "ranking.json")
    file.unlink() if how == "unfinished" else file.write_bytes(file.read_bytes()[:40])


@pytest.mark.parametrize(
    ("how", "said"), [("unfinished", "has no manifest.json"), ("cut", "cannot read .*ranking.json")]
)
def test_a_damaged_model_is_opened_by_nobody(built, home, how, said):
    config = read_config(home / "aisle.toml")
    promote_model(home / "learnt-a", home / "learnt", built, config)
    harm(home / "learnt-b", how)
    with pytest.raises(ArtifactError, match=said):
        promote_model(home / "learnt-b", home / "learnt", built, config)
    assert (home / "learnt").resolve() == home / "learnt-a"
    harm(home / "learnt-a", how)
    with pytest.raises(ArtifactError, match=said):
        Plan(Path(built), config, None, home).open()


def test_a_damaged_reranker_is_opened_by_nobody(built, home):
    shutil.copytree(embedded.FOLDER, home / "model")
    (home / "aisle.toml").write_text('[ranking]\nmodel = "model"\n')
    plan = Plan(Path(built), read_config(home / "aisle.toml"), None, home)
    with plan.open() as engine:
        assert engine.reranker is not None
    (weights,) = (home / "model").glob("*.onnx")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=weights.name):
        plan.open()


def test_a_damaged_model_is_told_at_the_start_in_a_few_lines(built, home):
    shutil.copytree(home / "learnt-a", home / "learnt")
    harm(home / "learnt", "cut")
    command = [*AISLE, "serve", str(built), "--config", str(home / "aisle.toml"), "--port", "0", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "ranking.json" in done.stderr
    assert "train it again" in done.stderr


def test_damage_to_a_model_while_serving_is_told_in_health_and_the_one_before_answers(built, home, monkeypatch):
    monkeypatch.setattr("aisle.serve.parts.TRY_AGAIN_S", 0.1)
    config = read_config(home / "aisle.toml")
    promote_model(home / "learnt-a", home / "learnt", built, config)
    plan = Plan(Path(built), config, None, home)
    with plan.open() as engine:
        first = order(engine)
        app = create_app(engine, config.settings, Outside(reopen=plan.open, suggestions=False, tables=config.tables))
        with TestClient(app) as client:
            answered = partial(served_order, client)

            def trouble():
                ready = client.get("/health/ready")
                assert ready.status_code == 200  # requests should come: they are answered
                return ready.json()["parts"].get("promoted", "")

            harm(home / "learnt-a", "cut")  # it is in memory
            assert (answered(), trouble()) == (first, "")
            shutil.copytree(home / "learnt-b", home / "learnt-d")
            promote_model(home / "learnt-d", home / "learnt", built, config)
            until(lambda: answered() != first, 60)
            second = answered()
            shutil.copytree(home / "learnt-d", home / "learnt-e")
            harm(home / "learnt-e", "cut")
            (home / "learnt").unlink()
            (home / "learnt").symlink_to("learnt-e")
            until(trouble, 60)
            assert "cannot be opened" in trouble()
            assert "ranking.json" in trouble()
            assert answered() == second
            promote_model(home / "learnt-b", home / "learnt", built, config)
            until(lambda: not trouble(), 60)
            assert answered() == second
