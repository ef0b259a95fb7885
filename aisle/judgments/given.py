"""Judgments as they are given, one rater and one product at a time: a file of JSON lines that is only appended to.

The service's page and the terminal write the same file. The last word of each judge on a query and a product counts.
Knows no search.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aisle.language.normalise import normalise
from aisle.types import Judgment

WITHDRAWN = "withdrawn"
"""Marks a line that takes back an earlier one."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One rater's grade of a product for a query, 0 to 3 on the page; ``at`` is in seconds since 1970."""

    query: str
    product_id: str
    grade: float
    judge: str = ""
    at: float = 0.0


def key_of(query: str) -> str:
    """Queries that are the same but for case and spelling of characters have the same judgments."""
    return normalise(query).casefold()


class JudgmentFile:
    """Judgments in a file; any number of processes append to it.

    Args:
        path: Made when the first judgment comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, judged: Sequence[Judged]) -> None:
        """Append judgments; returns when they are on the disk."""
        self._append([asdict(_stamped(one)) for one in judged])

    def withdraw(self, judged: Judged) -> None:
        """Take back what a judge said of a query and a product, as if it had never been said."""
        self._append([{"query": judged.query, "product_id": judged.product_id, "judge": judged.judge, WITHDRAWN: True}])

    def _append(self, given: Sequence[Mapping[str, Any]]) -> None:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in given)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab", opener=_private) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if file.tell() and not _ends_line(self.path):
                file.write(b"\n")  # a process was killed within a line
            file.write(lines.encode(errors="replace"))
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[Judged]:
        """The last word of each judge on each query and product, the latest last."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        found: dict[tuple[str, str, str], Judged] = {}
        for line in lines:
            one, withdrawn = _read(line)
            if one is not None:
                key = (one.judge, key_of(one.query), one.product_id)
                found.pop(key, None)
                if not withdrawn:
                    found[key] = one
        return list(found.values())

    def line_of(self, judged: Judged) -> int:
        """The line, from 1, that says this last; 0 where none does."""
        found = 0
        for number, line in enumerate(self.path.read_bytes().split(b"\n"), start=1):
            one, withdrawn = _read(line)
            if one == judged and not withdrawn:
                found = number
        return found


def agreed(judged: Iterable[Judged]) -> list[Judgment]:
    """One judgment for each query and product: the mean of its judges' grades."""
    grades: dict[tuple[str, str], list[float]] = {}
    for one in judged:
        grades.setdefault((one.query, one.product_id), []).append(one.grade)
    return [Judgment(query, query, product_id, sum(some) / len(some)) for (query, product_id), some in grades.items()]


def judged_by(judged: Iterable[Judged], judge: str) -> dict[str, dict[str, float]]:
    """Key of a query to the products that one rater judged, with the grades."""
    found: dict[str, dict[str, float]] = {}
    for one in judged:
        if one.judge == judge:
            found.setdefault(key_of(one.query), {})[one.product_id] = one.grade
    return found


def _stamped(one: Judged) -> Judged:
    return one if one.at else Judged(one.query, one.product_id, one.grade, one.judge, round(time.time(), 3))


def _private(path: str, flags: int) -> int:
    """Opened for the owner alone: who judged is in it."""
    return os.open(path, flags, 0o600)


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _read(line: bytes) -> tuple[Judged | None, bool]:
    """A line's judgment, and whether it is taken back."""
    try:
        given = json.loads(line)
        withdrawn = given.pop(WITHDRAWN, False)
        return Judged(**({"grade": 0.0, **given} if withdrawn else given)), withdrawn
    except (ValueError, TypeError, AttributeError):  # half a line of a process that was killed: never acknowledged
        return None, False
