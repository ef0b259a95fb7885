"""`aisle runs`: trainings on disk, finished and interrupted, listed and compared. Task heads, so no PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aisle.errors import ArtifactError
from aisle.judgments.pairs import read_pairs
from aisle.training.relevance.build import train
from aisle.training.relevance.recipe import load_recipe
from aisle.training.runs import compare, find, runs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    lines = ["query,title,relevance"]
    for number in range(24):
        lines += [f"thing {number},thing {number} new,2", f"thing {number},other {number + 1},0"]
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_pairs(path, {}, need_grades=True)


@pytest.fixture(scope="module")
def models(pairs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    train(pairs, [], load_recipe("head"), folder / "first")
    fewer = pairs.subset(range(40))
    train(fewer, [], load_recipe("head", ["head.rank=4", "seed=3"]), folder / "shops" / "second", force=True)

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(pairs, [], load_recipe("head", ["head.rank=8"]), folder / "third", note=stop)
    (folder / "notes").mkdir()
    (folder / "notes" / "manifest.json").write_text("{}", encoding="utf-8")  # of something else
    return folder


def test_all_trainings_are_found_with_what_made_them(models):
    interrupted, first, second = runs(models)
    told = json.loads((models / "first" / "metrics.json").read_text(encoding="utf-8"))
    assert (first.name, first.architecture, first.state) == ("first", "head", "not promoted")
    assert first.metrics["mean_candidate"] == told["verdict"]["mean_candidate"]
    assert first.metrics["difference.mean"] == told["verdict"]["difference"]["mean"]
    assert (first.metrics["queries"], first.metrics["seconds"]) == (24, told["seconds"])
    assert first.data == json.loads((models / "first" / "manifest.json").read_text("utf-8"))["details"]["data_sha256"]
    assert first.changed() == {"name": "head", "model": "head"}
    assert (second.name, second.state) == ("shops/second", "forced")
    assert second.changed() == {"name": "head", "model": "head", "seed": 3, "head.rank": 4}
    assert (interrupted.name, interrupted.state, interrupted.metrics) == (".third.training", "interrupted", {})
    assert interrupted.changed()["head.rank"] == 8
    assert interrupted.data == first.data


def test_two_are_compared_by_settings_metrics_and_data(models):
    found = runs(models)
    difference = compare(find(found, "first"), find(found, "shops/second/"))
    assert difference.settings == {"seed": (0, 3), "head.rank": (16, 4)}
    assert difference.metrics["queries"] == (24, 20)
    assert not difference.same_data
    assert compare(found[0], found[1]).same_data


def test_the_last_losses_of_an_interrupted_training_are_told(tmp_path):
    work = tmp_path / ".shop.training"
    (work / "turn2").mkdir(parents=True)
    about = {"data": "abc", "recipe": load_recipe(None).to_dict()}
    (work / "about.json").write_text(json.dumps(about), encoding="utf-8")
    (work / "turn2" / "log.jsonl").write_text('{"step": 5, "loss": 2}\n{"step": 10, "loss": 1}\n', encoding="utf-8")
    (found,) = runs(tmp_path)
    assert found.log == {"part": "turn2", "step": 10, "loss": 1}
    assert found.changed() == {}


def test_what_is_not_there_is_said(models, tmp_path):
    with pytest.raises(ArtifactError, match="no folder"):
        runs(tmp_path / "none")
    with pytest.raises(ArtifactError, match=r"no training 'fourth'\nallowed: .third.training, first, shops/second"):
        find(runs(models), "fourth")
    assert runs(tmp_path) == []


def test_a_damaged_folder_is_named(tmp_path):
    (tmp_path / "model").mkdir()
    for name in ("manifest.json", "metrics.json"):
        (tmp_path / "model" / name).write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"model' cannot be read: JSONDecodeError"):
        runs(tmp_path)


def test_the_command(models):
    from aisle.cli.main import cli

    def ask(*given):
        result = CliRunner().invoke(cli, ["runs", str(models), *given])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert [run["name"] for run in json.loads(ask("--json"))["runs"]] == [".third.training", "first", "shops/second"]
    table = ask()
    assert f"3 trainings below {models}" in table
    found = json.loads(ask("--compare", "first", "shops/second", "--json"))
    assert found["settings"] == {"seed": [0, 3], "head.rank": [16, 4]}
    assert found["same_data"] is False
    assert "their metrics are not comparable" in ask("--compare", "first", "shops/second")
    assert Path(models / "first").is_dir()
