"""`aisle train` by two processes on the CPU, launched as a user does: the model of one process, written once."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

import onnx  # noqa: E402
from onnx import numpy_helper  # noqa: E402

from aisle.cli.main import cli  # noqa: E402
from aisle.cli.processes import launched, one_process  # noqa: E402
from aisle.errors import ArtifactError, RecipeError  # noqa: E402
from aisle.rerankers.cross_encoder import OnnxCrossEncoder  # noqa: E402
from aisle.training import parallel  # noqa: E402
from aisle.training.relevance.build import train, train_along  # noqa: E402
from aisle.training.relevance.recipe import load_recipe  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
ROOT = Path(__file__).parent.parent.parent
CONFIGURATIONS = Path(parallel.__file__).parent
SHORT = [
    *("fit.epochs=1", "fit.queries=6", "fit.max_tokens=12", "fit.threads=1", "fit.precision=fp32", "fit.device=cpu"),
    *("cross.max_tokens=20", "cross.query_tokens=8", "cross.precision=float32", "judged_by=share", "fit.save_every=1"),
]
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def accelerate(way):
    return ["accelerate.commands.launch", "--main_process_port", "0", "--config_file", f"{CONFIGURATIONS / way}.json"]


def command(pairs, out, model, *more):
    changes = [word for change in (f"model={model}", *SHORT) for word in ("--set", change)]
    return ["train", "--pairs", str(pairs), "--out", str(out), *changes, "--json", *more]


def started(launcher, arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "-m", "aisle", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def done(launcher, arguments):
    process = started(launcher, arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out), err


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_same_weights(left, right):
    """As they are served: int8 where they are many, which near a border may be rounded to the other side.

    Single numbers are left out, the bias of every score among them: no order depends on it.
    """
    one, other = (onnx.load(folder / "model.onnx").graph.initializer for folder in (left, right))
    for first, second in zip(one, other, strict=True):
        a, b = numpy_helper.to_array(first), numpy_helper.to_array(second)
        if a.size == 1:
            continue
        if a.dtype == np.float32:
            np.testing.assert_allclose(a, b, atol=2e-5, rtol=2e-4)
        else:
            apart = np.abs(a.astype(np.int64) - b.astype(np.int64))
            assert apart.max(initial=0) <= 1
            assert (apart > 0).mean() < 1e-3


@pytest.fixture(scope="module")
def pairs(icecat, tmp_path_factory):
    """About four texts of each of 24 queries."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    rows = [row for found in list(icecat.by_query().values())[:24] for row in found[:: max(1, len(found) // 4)]]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "title", "relevance"])
        writer.writerows([icecat[row].query, icecat[row].title, icecat[row].grade] for row in rows)
    return path


@pytest.fixture(scope="module")
def alone(pairs, tmp_path_factory):
    """The whole model, an encoder with a cross-encoder beside it, trained by one process."""
    out = tmp_path_factory.mktemp("alone") / "model"
    result = CliRunner().invoke(cli, command(pairs, out, "full"))
    assert result.exit_code == 0, result.output
    return out, json.loads(result.stdout)


def test_copies_launched_by_accelerate(pairs, alone, tmp_path):
    found, said = done(accelerate("data"), command(pairs, tmp_path / "model", "full"))
    one, one_found = alone
    assert files(tmp_path) == sorted(["model", *(f"model/{name}" for name in files(one))]), "written once, nothing left"
    for name in ("architecture", "queries"):
        assert found[name] == one_found[name]
    for name in ("mean_current", "mean_candidate"):
        assert found["verdict"][name] == pytest.approx(one_found["verdict"][name], abs=0.02)
    assert "estimate" not in found["took"]
    assert found["took"]["measured"]["memory"] > 0
    assert said.count("validation") == 2, "one process tells of each of the two trainings"
    assert_same_weights(tmp_path / "model" / "encoder", one / "encoder")
    assert_same_weights(tmp_path / "model" / "cross", one / "cross")
    shown = [OnnxCrossEncoder(folder / "cross") for folder in (one, tmp_path / "model")]
    asked, texts = ["usb hub", "toner"] * 2, ["USB hub with 4 ports", "HP toner", "HP toner", "USB hub with 4 ports"]
    one_scores, scores = (model.score_pairs(asked, texts) for model in shown)
    np.testing.assert_allclose(scores, one_scores, atol=1e-3)
    recipe = load_recipe(str(tmp_path / "model" / "recipe.toml"))
    assert recipe.fit.parallel == "auto"


def test_divided_layers_launched_by_accelerate(pairs, alone, tmp_path):
    done(accelerate("tensor"), command(pairs, tmp_path / "model", "encoder"))
    assert_same_weights(tmp_path / "model", alone[0] / "encoder")
    assert load_recipe(str(tmp_path / "model" / "recipe.toml")).fit.parallel == "tensor"


def test_an_interrupted_training_goes_on_however_many_processes_there_are(pairs, alone, tmp_path):
    out = tmp_path / "model"
    process = started(TORCHRUN, command(pairs, out, "cross-encoder", "--set", "fit.parallel=fsdp"))
    checkpoint = tmp_path / ".model.training" / "model" / "checkpoint.pt"
    until = time.monotonic() + 200
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    said = process.communicate(timeout=100)[1]
    assert process.returncode != 0
    assert said.count("error: interrupted") == 1, said[-3000:]
    assert not out.exists()
    assert 0 < torch.load(checkpoint, weights_only=True)["done"] < 4
    shutil.copytree(tmp_path / ".model.training", tmp_path / ".single.training")
    _, said = done(accelerate("fsdp"), command(pairs, out, "cross-encoder", "--resume"))
    assert "going on after step" in said
    assert_same_weights(out, alone[0] / "cross")
    result = CliRunner().invoke(cli, command(pairs, tmp_path / "single", "cross-encoder", "--resume"))
    assert result.exit_code == 0, result.output
    assert "going on after step" in result.stderr
    assert_same_weights(tmp_path / "single", alone[0] / "cross")


def test_an_error_is_told_once(pairs, tmp_path):
    process = started(TORCHRUN, command(pairs, tmp_path / "model", "encoder", "--set", "fit.epochs=0"))
    said = process.communicate(timeout=200)[1]
    assert process.returncode != 0
    assert said.count("error: ") == 1
    assert "fit.epochs" in said
    assert not list(tmp_path.iterdir())


# --- without processes -------------------------------------------------------------------------------------


def test_the_environment_says_which_process_and_how_the_work_is_divided():
    two = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}
    assert launched({}) is None
    assert launched({"WORLD_SIZE": "1", "RANK": "0"}) is None
    found = launched(two)
    assert found is not None
    assert (found.rank, found.size, found.local, found.way) == (1, 2, 1, "auto")
    for more, way in (
        ({"ACCELERATE_USE_FSDP": "true"}, "fsdp"),
        ({"PARALLELISM_CONFIG_TP_SIZE": "2"}, "tensor"),
        ({"PARALLELISM_CONFIG_DP_SHARD_SIZE": "2"}, "fsdp"),
        ({"PARALLELISM_CONFIG_DP_REPLICATE_SIZE": "2"}, "auto"),
    ):
        assert launched({**two, **more}).way == way
    for more in (
        {"ACCELERATE_USE_FSDP": "true", "PARALLELISM_CONFIG_TP_SIZE": "2"},
        {"WORLD_SIZE": "4", "PARALLELISM_CONFIG_TP_SIZE": "2"},
        {"PARALLELISM_CONFIG_CP_SIZE": "2"},
        {"ACCELERATE_USE_DEEPSPEED": "true"},
    ):
        with pytest.raises(RecipeError, match="in a way that aisle train does not"):
            launched({**two, **more})


def test_other_commands_are_refused_and_only_the_first_process_says_so(monkeypatch):
    one_process("tune")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    one_process("train")
    with pytest.raises(RecipeError, match=r"aisle distil in 2 processes\nallowed: aisle train"):
        one_process("distil")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(SystemExit, match="1"):
        one_process("distil")


def test_a_head_is_fitted_by_one_process(icecat, tmp_path):
    told = []
    with pytest.raises(RecipeError, match="a task head in several processes"):
        train(icecat, [], load_recipe("head"), tmp_path / "model", began=told.append)
    assert not told


def test_other_data_than_in_the_first_process_is_refused(icecat, tmp_path):
    with pytest.raises(ArtifactError, match="this process read other data"):
        train_along(icecat, [], load_recipe("encoder"), tmp_path / "model", bytes(32))
