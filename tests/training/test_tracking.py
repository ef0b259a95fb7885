"""Trackers write what they are told, in the formats of their own readers, and send nothing."""

from __future__ import annotations

import json
import sqlite3
from importlib.util import find_spec

import pytest

from aisle.errors import OptionalDependencyError
from aisle.training.tracking import TensorBoard, flat, tracked, tracking

pytestmark = pytest.mark.filterwarnings("default")
needs_tensorboard = pytest.mark.skipif(not find_spec("tensorboard"), reason="TensorBoard is not installed")


def scalars(folder):
    """Tag to (step, value), by TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {tag: [(found.step, round(found.value, 4)) for found in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


@needs_tensorboard
def test_tensorboard_reads_what_was_written(tmp_path):
    writer = TensorBoard(tmp_path)
    writer.log("model", 1, {"listwise": 0.5, "in_batch": 2.0})
    writer.log("turn1", 1, {"listwise": 0.75})
    writer.log("model", 2, {"listwise": 0.25, "validation": 0.9})
    assert scalars(tmp_path / "turn1") == {"listwise": [(1, 0.75)]}, "written at once, not at the end"
    writer.close()
    assert scalars(tmp_path / "model") == {
        "listwise": [(1, 0.5), (2, 0.25)],
        "in_batch": [(1, 2.0)],
        "validation": [(2, 0.9)],
    }


@needs_tensorboard
def test_a_resumed_training_overrides_what_an_interrupted_one_logged_after_its_checkpoint(tmp_path):
    for first, value in ((1, 0.5), (3, 0.25)):
        with tracking("tensorboard", tmp_path, "shop", {}) as (writer,):
            for step in range(first, first + 4):
                writer.log("model", step, {"loss": value})
    assert scalars(tmp_path / "tensorboard" / "model") == {
        "loss": [(1, 0.5), (2, 0.5), (3, 0.25), (4, 0.25), (5, 0.25), (6, 0.25)]
    }


@needs_tensorboard
def test_a_report_tells_the_trackers_too(tmp_path):
    seen = []
    with tracking("tensorboard,tensorboard", tmp_path, "shop", {}) as trackers:
        assert len(trackers) == 1
        report = tracked(lambda *told: seen.append(told), trackers, "turn2")
        report(7, 9, {"loss": 1.5})
    assert seen == [(7, 9, {"loss": 1.5})]
    assert scalars(tmp_path / "tensorboard" / "turn2") == {"loss": [(7, 1.5)]}


def test_none_writes_nothing_and_auto_what_there_is(tmp_path):
    with tracking("none", tmp_path, "shop", {}) as trackers:
        assert trackers == ()
    with tracking("auto", tmp_path, "shop", {}) as trackers:
        assert [type(found).__name__ for found in trackers] == (["TensorBoard"] if find_spec("tensorboard") else [])
    assert not list(tmp_path.iterdir())


def test_settings_are_flat():
    assert flat({"seed": 0, "fit": {"rate": 0.5, "mixtures": [1]}}) == {
        "seed": 0,
        "fit.rate": 0.5,
        "fit.mixtures": [1],
    }


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_one_that_is_not_installed_is_said_at_once(name, tmp_path):
    if find_spec(name):
        pytest.skip(f"{name} is installed")
    with pytest.raises(OptionalDependencyError, match=name), tracking(name, tmp_path, "shop", {}):
        pass


@pytest.mark.skipif(not find_spec("mlflow"), reason="MLflow is not installed")
def test_mlflow_keeps_a_run_in_one_file_and_goes_on_with_it(tmp_path):
    for step in (1, 2):
        with tracking("mlflow", tmp_path, "shop", {"fit": {"rate": 0.5}}) as (tracker,):
            tracker.log("model", step, {"loss": 1 / step})
    with sqlite3.connect(tmp_path / "mlflow" / "mlflow.db") as database:
        assert database.execute("select name, status from runs").fetchall() == [("shop", "FINISHED")]
        assert database.execute("select key, value from params").fetchall() == [("fit.rate", "0.5")]
        found = database.execute("select key, step, value from metrics order by step").fetchall()
    assert found == [("model/loss", 1, 1.0), ("model/loss", 2, 0.5)]


@pytest.mark.skipif(not find_spec("wandb"), reason="Weights & Biases is not installed")
def test_weights_and_biases_keeps_an_offline_run(tmp_path):
    for step in (1, 2):
        with tracking("wandb", tmp_path, "shop", {"fit": {"rate": 0.5}}) as (tracker,):
            tracker.log("model", step, {"loss": 1 / step})
    kept = (tmp_path / "wandb" / "run").read_text(encoding="utf-8")
    files = sorted((tmp_path / "wandb" / "wandb").glob(f"offline-run-*/run-{kept}.wandb"))
    assert len(files) == 2
    rows = [row for file in files for row in history(file)]
    assert [(row["model/loss"], row["model/step"]) for row in rows] == [(1.0, 1), (0.5, 2)]


def tracked_in(folder):
    """What each tracker of a training's folder was told of, as "part/name", read by its own means."""
    found = {}
    for part in sorted(folder.glob("tensorboard/*")):
        found.setdefault("tensorboard", set()).update(f"{part.name}/{tag}" for tag in scalars(part))
    for file in sorted(folder.glob("wandb/wandb/offline-run-*/run-*.wandb")):
        names = {name for row in history(file) for name in row if not name.startswith("_") and name[-5:] != "/step"}
        found.setdefault("wandb", set()).update(names)
    if (folder / "mlflow").exists():
        with sqlite3.connect(folder / "mlflow" / "mlflow.db") as database:
            found["mlflow"] = {name for (name,) in database.execute("select distinct key from metrics")}
    return found


def history(file):
    """The logged rows. The file is a LevelDB log: blocks of 32 KiB, records after a checksum, a length and a kind."""
    from wandb.proto import wandb_internal_pb2

    data, at, parts = file.read_bytes(), 7, b""
    assert data.startswith(b":W&B")
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            if record.WhichOneof("record_type") == "history":
                yield {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in record.history.item}
