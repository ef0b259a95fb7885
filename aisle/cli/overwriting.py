"""What a command writes is never what it reads, nor something else that is there. Knows files by their first lines."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Literal

from aisle.artifacts import MANIFEST
from aisle.errors import InputError

_READ_IN_FOLDERS = (".jsonl", ".jsonl.gz", ".tsv", ".tsv.gz")
"""Endings of what is read in a folder that is none of Aisle's: a BEIR folder, a service's events."""
Kind = Literal["table", "decided", "store", "run", "page"]
_OF_PEOPLE = {"decided_by", "given"}
"""Columns that `aisle judge adjudicate` alone writes: what people gave and how it was decided."""


def _columns(line: str) -> list[str]:
    return [cell.strip(' "') for cell in line.strip().split(",")]


_KINDS: dict[Kind, tuple[str, Callable[[str], bool]]] = {
    "table": ("table of queries (CSV)", lambda line: "query" in _columns(line)),
    "decided": ("table of queries (CSV)", lambda line: "query" in _columns(line)),
    "store": ("store of judgments (JSON lines)", lambda line: line.startswith("{") and '"query"' in line),
    "run": ("TREC run", lambda line: len(line.split()) == 6),
    "page": ("page (HTML)", lambda line: line.startswith("<")),
}
"""What a file is called, and whether it begins so."""


def refuse_overwriting(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuse an output that is an input, that lies among the files of a folder that is read, or that is written twice.

    Called before anything is read. Links count as what they name. A pipe or a terminal holds nothing to lose.

    Args:
        outputs: Option to the file that it writes; None where it is not given.
        inputs: Files and folders that are read; None where one is not given.

    Raises:
        InputError: There is such an output.
    """
    given = {option: path for option, path in outputs.items() if path is not None}
    read = [path for path in inputs if path is not None and path.exists()]
    for option, path in given.items():
        for source in read:
            if _same(path, source):
                raise InputError(
                    f"{option} {str(path)!r} is the file {str(source)!r}, which is read",
                    allowed="a file that is not read by the same command",
                    fix=f"name another {option}",
                )
            if source.is_dir() and _lost_inside(path, source):
                raise InputError(
                    f"{option} {str(path)!r} lies in {str(source)!r}, which is read",
                    allowed="a file outside of it",
                    fix=f"name another {option}",
                )
    for (option, path), (other, there) in combinations(given.items(), 2):
        if _same(path, there):
            raise InputError(
                f"{option} and {other} are one file, {str(path)!r}",
                allowed="a file for each",
                fix=f"name another {other}",
            )


def refuse_other_kind(outputs: Mapping[str, Path | None], kind: Kind) -> None:
    """A new file, an empty one, and an older one of this kind may be written to; anything else that is there never is.

    Args:
        outputs: As for `refuse_overwriting`.
        kind: Of the outputs. A table, a run or a page is replaced, a store grows. What people decided is replaced by
            "decided" alone.

    Raises:
        InputError: There is something else.
    """
    name, begins = _KINDS[kind]
    for option, path in outputs.items():
        if path is None or not path.is_file() or not path.stat().st_size:
            continue
        first = _first_line(path)
        if kind == "table" and (found := _OF_PEOPLE & set(_columns(first))):
            raise InputError(
                f"{option} {str(path)!r} is there, and holds what people decided (column {min(found)!r})",
                allowed=f"a new file, or an older {name} of the same command",
                fix=f"name another {option}",
            )
        if not begins(first):
            raise InputError(
                f"{option} {str(path)!r} is there, and is no {name}",
                allowed=f"a new file, or an older {name}",
                fix=f"name another {option}",
            )


def refuse_replacing(folder: Path | None, inputs: Iterable[Path | None]) -> None:
    """Refuse a folder of Aisle's that is replaced as a whole while something that is read lies in it.

    Folders of others are replaced by no command, and each says so in its own words.

    Args:
        folder: Of ``--out``; None where it is not given.
        inputs: Files and folders that are read; None where one is not given.

    Raises:
        InputError: An input lies in it.
    """
    if folder is None or not (folder / MANIFEST).is_file():
        return
    place = folder.resolve()
    for source in inputs:
        if source is not None and source.exists() and place in source.resolve().parents:
            raise InputError(
                f"--out {str(folder)!r} would be replaced, and {str(source)!r}, which is read, lies there",
                allowed="a folder in which nothing lies that is read",
                fix="name another --out",
            )


def refuse_missing_folder(outputs: Mapping[str, Path | None]) -> None:
    """Refuse an output whose folder is not there, before anything is made that would then have no place.

    Args:
        outputs: As for `refuse_overwriting`.

    Raises:
        InputError: A folder is missing.
    """
    for option, path in outputs.items():
        if path is not None and not path.parent.is_dir():
            raise InputError(
                f"{option} {str(path)!r}: there is no folder {str(path.parent)!r}",
                allowed="a file in a folder that is there",
                fix=f"make the folder, or name another {option}",
            )


def _first_line(path: Path) -> str:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            return file.readline(65_536).decode("utf-8-sig", "replace")
    except (OSError, EOFError, zlib.error):  # not what its name says
        return ""


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.is_file() and one.samefile(other)
    return one.resolve() == other.resolve()


def _lost_inside(path: Path, folder: Path) -> bool:
    """Whether it is one of the files that make a folder up: in a folder of Aisle's any that is there."""
    inside = path.exists() and folder.resolve() in path.resolve().parents
    return inside and ((folder / MANIFEST).exists() or path.name.endswith(_READ_IN_FOLDERS))
