"""The settings of a service: `[serve]` in aisle.toml as a frozen dataclass.

The same file may hold the tables of other parts (`[security]`), which are handed on as they are, and a recipe's
(`[search]`, `[ranking]`), which are laid over those the index was built with.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import Recipe, checked
from aisle.cores import cores
from aisle.errors import RecipeError

SERVE = "serve"
SERVICE_TABLES = (SERVE, "security", "monitor", "experiment", "page")
"""Tables of the file that are no recipe's."""
FILES = {
    SERVE: ("state",),
    "monitor": ("rules", "reference"),
    "page": ("judgments",),
    "experiment": ("index", "recipe"),
}
"""Settings that are files or folders: they are looked for from where the configuration is."""
LogFormat = Literal["text", "json"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Settings:
    """How a catalogue is served.

    Attributes:
        host: Where to listen.
        port: 0 takes a free one.
        workers: Processes that answer; 0: one for each core.
        threads: Requests that one worker works on at the same time; of searches, unless they wait for a slow re-ranker,
            as many as it has cores (`searches`).
        queue: Requests that may wait in one worker; one more is answered with 429.
        max_wait_ms: Nor may more wait than are expected to begin within this time.
        batch: Queries encoded together where the encoder gains by that; the embedded one does not.
        deadline_ms: Of a request that names none; 0: no deadline.
        max_k: Products on a page at most.
        max_offset: Products passed over at most.
        max_texts: Texts or documents in one request of `/v1/embeddings` and `/v1/rerank`.
        max_text_chars: Characters of each of them.
        bulk_batch: Lines of a bulk import that become durable together.
        max_line_bytes: The longest line of a bulk import.
        write_queue: Changes that may wait for the writer.
        optimize_after: So many changed products are folded into the search structures in the background.
        grace_s: How long what was begun may take once the service is told to end.
        state: Folder of judgments, rules and events; empty: `INDEX.state` beside the index.
        models: More names under which clients may ask for this service's encoder and re-ranker.
        log_format: Of the service's own log: text for people, or JSON lines.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    workers: int = Field(default=0, ge=0, le=256)
    threads: int = Field(default=2, ge=1, le=256)
    queue: int = Field(default=64, ge=1, le=100_000)
    max_wait_ms: float = Field(default=1_000.0, gt=0, allow_inf_nan=False)
    batch: int = Field(default=16, ge=1, le=1_024)
    deadline_ms: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    max_k: int = Field(default=200, ge=1, le=10_000)
    max_offset: int = Field(default=10_000, ge=0)
    max_texts: int = Field(default=1_000, ge=1)
    max_text_chars: int = Field(default=20_000, ge=1)
    bulk_batch: int = Field(default=500, ge=1, le=10_000)
    max_line_bytes: int = Field(default=1_048_576, ge=1_024)
    write_queue: int = Field(default=10_000, ge=1)
    optimize_after: int = Field(default=500, ge=1)
    grace_s: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    state: str = ""
    models: tuple[str, ...] = ()
    log_format: LogFormat = "text"

    @property
    def processes(self) -> int:
        """Workers."""
        return self.workers or cores()

    @property
    def searches(self) -> int:
        """Searches that one worker computes at the same time: one for each core that it has, at least one."""
        return max(1, cores() // self.processes)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "settings") -> Settings:
        """Settings from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range.
        """
        return checked(_ADAPTER, dict(data), f"{source}: [{SERVE}]", lambda _: _NAMES)

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """The settings with some changed; None leaves one as it is.

        Raises:
            RecipeError: A value is of the wrong type or out of range.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        return Settings.from_dict({**dataclasses.asdict(self), **given}, "command line")

    def state_folder(self, index: Path) -> Path:
        """Where judgments, rules and events of an index are kept: beside it, since an index is replaced whole."""
        return state_folder(index, Path(self.state).expanduser() if self.state else None)


def state_folder(index: Path, state: Path | None = None) -> Path:
    """Where a service keeps keys, events and the like: beside its index, since an index is replaced whole."""
    return state or index.absolute().with_name(f"{index.absolute().name}.state")


_ADAPTER = TypeAdapter(Settings)
_NAMES = ", ".join(field.name for field in dataclasses.fields(Settings))


@dataclasses.dataclass(frozen=True)
class Config:
    """What a configuration file says.

    ``tables`` are those of the service's parts by name, ``recipe`` the rest as TOML, ``folder`` where the file is.
    """

    settings: Settings = dataclasses.field(default_factory=Settings)
    tables: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    recipe: str = ""
    folder: Path | None = None

    def recipe_over(self, base: Recipe) -> Recipe:
        """The recipe with what the file says of it.

        Raises:
            RecipeError: A setting is wrong.
        """
        if not self.recipe:
            return base
        return Recipe.from_toml(self.recipe, "configuration", base, self.folder)


def read_config(path: Path) -> Config:
    """Read aisle.toml.

    Raises:
        RecipeError: The file cannot be read, is not TOML, or a setting is wrong.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise RecipeError(f"the configuration {str(path)!r} is not UTF-8", allowed="a TOML file in UTF-8") from None
    except OSError as error:
        reason = error.strerror or error
        raise RecipeError(f"cannot read the configuration {str(path)!r}: {reason}", allowed="a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}", fix="see docs/service.md") from None
    tables = {name: data.pop(name) for name in SERVICE_TABLES if name in data}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise RecipeError(f"{path}: {name!r} is no table", allowed=f"settings below [{name}]")
    folder = path.absolute().parent
    for name, settings_of_files in FILES.items():
        tables |= {name: _beside(tables[name], settings_of_files, folder)} if name in tables else {}
    settings = Settings.from_dict(tables.get(SERVE, {}), str(path))
    return Config(settings, tables, tomli_w.dumps(data) if data else "", folder)


def _beside(table: Mapping[str, Any], names: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """A table with its files as seen from a folder; what is no name of a file is left to who checks it."""
    given = {name: table[name] for name in names if isinstance(table.get(name), str) and table[name]}
    return {**table, **{name: str(folder / Path(value).expanduser()) for name, value in given.items()}}
