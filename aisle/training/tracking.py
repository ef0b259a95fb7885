"""Losses as they come, for TensorBoard, Weights & Biases or MLflow. Writes into one folder; sends nothing anywhere.

Knows steps, names and numbers; no model. The packages are imported when they are asked for.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from aisle.errors import OptionalDependencyError

FOLDER = "tracking"
AUTO, NONE = "auto", "none"
_ONE = "(tensorboard|wandb|mlflow)"
SPEC = rf"^(auto|none|{_ONE}(,{_ONE})*)$"
"""What a setting may say."""
Report = Callable[[int, int, Mapping[str, float]], None]


class Tracker(Protocol):
    """Where numbers go."""

    def log(self, part: str, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step of one part of the training, such as "turn1" or "model"."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class TensorBoard:
    """Event files, one folder for each part: ``tensorboard --logdir MODEL/tracking/tensorboard``.

    Args:
        folder: Of the event files.

    Raises:
        OptionalDependencyError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tensorboard  # noqa: F401  told now, not at the first step
        except ImportError:
            raise OptionalDependencyError("tensorboard", "train", "tracking with TensorBoard") from None
        self.folder = folder
        self._writers: dict[str, Any] = {}

    def log(self, part: str, step: int, values: Mapping[str, float]) -> None:
        """Written at once; what an interrupted training logged of this step and later ones is overridden."""
        from tensorboard.compat.proto import event_pb2, summary_pb2

        if part not in self._writers:
            self._writers[part] = self._open(part, step)
        found = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(part, event_pb2.Event(wall_time=time.time(), step=step, summary=summary_pb2.Summary(value=found)))

    def _open(self, part: str, step: int) -> Any:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder = self.folder / part
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("events.out.tfevents.*")))
        # Numbered instead of named after the machine: the files are kept in the model, which may be given away.
        self._writers[part] = RecordWriter((folder / f"events.out.tfevents.{number:010d}").open("wb"))
        self._write(part, event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(part, event_pb2.Event(wall_time=time.time(), step=step, session_log=start))
        return self._writers[part]

    def _write(self, part: str, event: Any) -> None:
        self._writers[part].write(event.SerializeToString())
        self._writers[part].flush()

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


class WeightsAndBiases:
    """An offline run: ``wandb sync MODEL/tracking/wandb/wandb/offline-run-*`` sends it, if one wants that.

    Args:
        folder: Of the run.
        name: Of the run.
        settings: Of the training.

    Raises:
        OptionalDependencyError: wandb is not installed.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would report its own faults over the network
        try:
            import wandb
        except ImportError:
            raise OptionalDependencyError("wandb", "track", "tracking with Weights & Biases") from None
        folder.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(
            silent=True, console="off", save_code=False, disable_git=True, x_disable_stats=True, x_disable_meta=True
        )
        self._run = wandb.init(
            dir=str(folder),
            project="aisle",
            id=_kept_id(folder),
            name=name,
            config=dict(settings),
            mode="offline",
            settings=quiet,
        )

    def log(self, part: str, step: int, values: Mapping[str, float]) -> None:
        """Under ``part/name``, with the part's own step."""
        self._run.log({f"{part}/{name}": value for name, value in values.items()} | {f"{part}/step": step})

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


class Mlflow:
    """A database: ``mlflow ui --backend-store-uri sqlite:///MODEL/tracking/mlflow/mlflow.db``.

    Args:
        folder: Of the database.
        name: Of the run.
        settings: Of the training.

    Raises:
        OptionalDependencyError: mlflow is not installed.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise OptionalDependencyError("mlflow", "track", "tracking with MLflow") from None
        folder.mkdir(parents=True, exist_ok=True)
        self._client = MlflowClient(f"sqlite:///{(folder / 'mlflow.db').resolve()}")
        kept = folder / "run"
        if kept.exists():  # of an interrupted training
            self._run = kept.read_text(encoding="utf-8")
            return
        experiment = self._client.create_experiment("aisle", artifact_location="artifacts")
        self._run = self._client.create_run(experiment, run_name=name).info.run_id
        for key, value in flat(settings).items():
            self._client.log_param(self._run, key, json.dumps(value))
        kept.write_text(self._run, encoding="utf-8")

    def log(self, part: str, step: int, values: Mapping[str, float]) -> None:
        """Under ``part/name``."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._client.log_batch(
            self._run, [Metric(f"{part}/{name}", value, now, step) for name, value in values.items()]
        )

    def close(self) -> None:
        """Finish the run."""
        self._client.set_terminated(self._run)


@contextmanager
def tracking(spec: str, folder: Path, name: str, settings: Mapping[str, Any]) -> Iterator[tuple[Tracker, ...]]:
    """The trackers that a setting names, closed at the end.

    Args:
        spec: "auto" (TensorBoard where it is installed), "none", or names with commas between.
        folder: Each tracker has a folder in it.
        name: Of the training.
        settings: Of the training.

    Raises:
        OptionalDependencyError: One that is named is not installed.
    """
    if spec == AUTO:
        spec = "tensorboard" if find_spec("tensorboard") else NONE
    makers: Mapping[str, Callable[[], Tracker]] = {
        "tensorboard": lambda: TensorBoard(folder / "tensorboard"),
        "wandb": lambda: WeightsAndBiases(folder / "wandb", name, settings),
        "mlflow": lambda: Mlflow(folder / "mlflow", name, settings),
    }
    opened: list[Tracker] = []
    try:
        for wanted in dict.fromkeys(spec.split(",") if spec != NONE else []):
            opened.append(makers[wanted]())
        yield tuple(opened)
    finally:
        for tracker in opened:
            tracker.close()


def tracked(report: Report, trackers: Sequence[Tracker], part: str) -> Report:
    """A report that also tells the trackers."""

    def both(step: int, steps: int, losses: Mapping[str, float]) -> None:
        for tracker in trackers:
            tracker.log(part, step, losses)
        report(step, steps, losses)

    return both


def flat(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested settings under dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return found


def _kept_id(folder: Path) -> str:
    """The same for every part of an interrupted training."""
    kept = folder / "run"
    if not kept.exists():
        kept.write_text(uuid.uuid4().hex[:12], encoding="utf-8")
    return kept.read_text(encoding="utf-8")
