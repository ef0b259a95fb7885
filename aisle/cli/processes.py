"""A command that was launched in several processes: which one this is, and what it may do.

Reads what torchrun and `accelerate launch` set in the environment; knows no training.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aisle.errors import RecipeError

if TYPE_CHECKING:
    from aisle.training.parallel.group import Group

Way = Literal["auto", "data", "fsdp", "tensor"]
_OTHERS = ("ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_MEGATRON_LM")
_TRUE = ("1", "true", "yes")


@dataclass(frozen=True, slots=True)
class Launched:
    """One of several processes.

    Attributes:
        rank: Its number.
        size: How many there are.
        local: Its number among those of this machine.
        way: How accelerate's configuration divides the work; "auto" where it says nothing.
    """

    rank: int
    size: int
    local: int
    way: Way


def launched(environment: Mapping[str, str]) -> Launched | None:
    """Which of several processes this is; None where it is the only one.

    Raises:
        RecipeError: The configuration asks for what there is not.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in environment:
        return None
    local = int(environment.get("LOCAL_RANK", "0"))
    return Launched(int(environment["RANK"]), size, local, _way(environment, size))


def _way(environment: Mapping[str, str], size: int) -> Way:
    def many(name: str) -> int:
        return int(environment.get(f"PARALLELISM_CONFIG_{name}_SIZE", "1"))

    def on(name: str) -> bool:
        return environment.get(name, "").lower() in _TRUE

    tensor, sharded = many("TP"), many("DP_SHARD") > 1 or on("ACCELERATE_USE_FSDP")
    mixed = tensor > 1 and (sharded or tensor != size)
    if mixed or many("CP") > 1 or many("SP") > 1 or many("DP_REPLICATE") not in (1, size) or any(map(on, _OTHERS)):
        raise RecipeError(
            f"accelerate's configuration divides the work of {size} processes in a way that aisle train does not",
            allowed="copies (MULTI_GPU), FSDP alone, or a tensor-parallel size that is the number of processes",
            fix="see aisle/training/parallel/*.json",
        )
    if tensor > 1:
        return "tensor"
    return "fsdp" if sharded else "auto"


@contextmanager
def processes() -> Iterator[tuple[Group | None, Way]]:
    """The group of this process, and how its work is divided; None where there is one process.

    Another process than the first prints nothing while it goes well.
    """
    found = launched(os.environ)
    if found is None:
        yield None, "auto"
        return
    from aisle.training.parallel.group import joined

    with joined(found.rank, found.size, found.local) as group, _silent() if found.rank else nullcontext():
        yield group, found.way


@contextmanager
def _silent() -> Iterator[None]:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def one_process(command: str | None) -> None:
    """Refuse a command that several processes would do twice; only the first one says so.

    Raises:
        RecipeError: It was launched in several processes.
    """
    found = launched(os.environ)
    if found is None or command == "train":
        return
    if found.rank:
        raise SystemExit(1)
    raise RecipeError(
        f"aisle {command or ''} in {found.size} processes", allowed="aisle train", fix="start it without the launcher"
    )
