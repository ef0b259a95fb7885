"""What has been trained below a folder, and how two trainings differ. Reads JSON and TOML; no models, no PyTorch."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aisle.artifacts import MANIFEST
from aisle.errors import ArtifactError
from aisle.training.adapt.recipe import AdaptRecipe
from aisle.training.distil.recipe import DistilRecipe
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.training.tracking import flat
from aisle.training.workplace import ABOUT

_ENDINGS = (".training", ".distilling", ".adapting")
_ADAPTER, TUNED = "llm adapter", "tuned"


@dataclass(frozen=True, slots=True)
class Run:
    """A training that is finished, or was interrupted.

    Attributes:
        name: Its folder below the one that was asked for.
        state: "promoted", "not promoted", "forced", "interrupted"; of a language model's adapter "tuned".
        architecture: Of the model; empty where there is none yet.
        data: Fingerprint of the judgments.
        settings: Every setting, under dotted names.
        metrics: Means before and after, their difference with its interval, p, queries, seconds, memory.
        log: The last losses, of an interrupted one.
    """

    name: str
    state: str
    architecture: str
    data: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    log: Mapping[str, Any] = field(default_factory=dict)

    def changed(self) -> dict[str, Any]:
        """The settings that are not the default's; of an adapter all that made it."""
        usual = flat({} if self.state == TUNED else _usual(self.settings).to_dict())
        return {name: value for name, value in self.settings.items() if usual.get(name, _MISSING) != value}

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "name": self.name,
            "state": self.state,
            "architecture": self.architecture,
            "data_sha256": self.data,
            "changed": self.changed(),
            "metrics": dict(self.metrics),
            "log": dict(self.log),
        }


def _usual(settings: Mapping[str, Any]) -> TrainingRecipe | DistilRecipe | AdaptRecipe:
    if "method" in settings:
        return AdaptRecipe()
    return DistilRecipe() if "label_epochs" in settings else TrainingRecipe()


_MISSING = object()


@dataclass(frozen=True, slots=True)
class Difference:
    """Two trainings beside one another.

    Attributes:
        settings: Those that differ: the first one's value and the second one's, None where it has no such setting.
        metrics: The same of what both measured.
        same_data: Whether they learnt from the same judgments; else their metrics are of different queries.
    """

    settings: Mapping[str, tuple[Any, Any]]
    metrics: Mapping[str, tuple[Any, Any]]
    same_data: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "settings": {name: list(values) for name, values in self.settings.items()},
            "metrics": {name: list(values) for name, values in self.metrics.items()},
            "same_data": self.same_data,
        }


def runs(folder: Path) -> list[Run]:
    """All trainings below a folder, by name; folders of other kinds are passed over.

    Raises:
        ArtifactError: There is no such folder.
    """
    if not folder.is_dir():
        raise ArtifactError(f"no folder {str(folder)!r}", fix="name the folder that models are in")
    return sorted(_below(folder), key=lambda run: run.name)


def compare(one: Run, other: Run) -> Difference:
    """What differs between two trainings."""

    def beside(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        names = [*left, *(name for name in right if name not in left)]
        return {name: (left.get(name), right.get(name)) for name in names}

    settings = {name: pair for name, pair in beside(one.settings, other.settings).items() if pair[0] != pair[1]}
    return Difference(settings, beside(one.metrics, other.metrics), one.data == other.data)


def find(found: list[Run], name: str) -> Run:
    """One of the trainings by its name.

    Raises:
        ArtifactError: There is none of that name.
    """
    for run in found:
        if run.name == name.rstrip("/"):
            return run
    raise ArtifactError(f"no training {name!r}", allowed=", ".join(run.name for run in found) or "none was found")


def _below(folder: Path) -> Iterator[Run]:
    for path in (folder, *sorted(folder.rglob("*"))):
        if not path.is_dir():
            continue
        name = path.relative_to(folder).as_posix() if path != folder else path.resolve().name
        try:
            if (path / MANIFEST).is_file() and (path / "metrics.json").is_file():
                yield _finished(name, path)
            elif path.name.endswith(_ENDINGS) and (path / ABOUT).is_file():
                yield _interrupted(name, path)
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{str(path)!r} cannot be read: {type(error).__name__}: {error}", fix="remove or repair the folder"
            ) from None


def _finished(name: str, path: Path) -> Run:
    manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    details, found = manifest["details"], json.loads((path / "metrics.json").read_text(encoding="utf-8"))
    if manifest["kind"] == _ADAPTER:
        settings = flat({name: details[name] for name in ("model", "prompt", "settings")})
        numbers = {name: value for name, value in found.items() if type(value) in (int, float)}
        return Run(name, TUNED, _ADAPTER, "", settings, numbers)
    recipe = tomllib.loads((path / "recipe.toml").read_text(encoding="utf-8"))
    verdict = found["verdict"]
    metrics = {
        **{key: value for key, value in flat(verdict).items() if type(value) in (int, float)},
        "seconds": found.get("seconds"),
        **{f"took.{key}": value for key, value in flat(found.get("took", {}).get("measured", {})).items()},
    }
    state = "forced" if verdict.get("forced") else "promoted" if verdict["promoted"] else "not promoted"
    return Run(name, state, found["architecture"], details["data_sha256"], flat(recipe), metrics)


def _interrupted(name: str, path: Path) -> Run:
    about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
    log: dict[str, Any] = {}
    logs = sorted(path.rglob("log.jsonl"), key=lambda file: file.stat().st_mtime)
    if logs:
        lines = logs[-1].read_text(encoding="utf-8").splitlines()
        log = {"part": logs[-1].parent.name, **(json.loads(lines[-1]) if lines else {})}
    return Run(name, "interrupted", "", about["data"], flat(about["recipe"]), {}, log)
