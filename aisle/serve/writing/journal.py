"""Which products a service has changed since its index was made, so that the next index can be given the changes too.

Ids and times alone: what the products are now stands in the index. A line a commit, on the disk before it is made.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = "changes.jsonl"


@dataclass(frozen=True, slots=True)
class Noted:
    """Ids of changed products in the order of their first change.

    Attributes:
        ids: Theirs.
        end: Where in the journal they end.
        last: Where its last commit begins, which may be noted and not made yet.
    """

    ids: tuple[str, ...]
    end: int
    last: int


class Journal:
    """The journal of one index.

    Args:
        folder: Of the index.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def add(self, ids: Sequence[str]) -> None:
        """Add a commit that is about to be made; whoever makes it flushes the file first."""
        line = json.dumps({"time": round(time.time(), 3), "ids": list(ids)}, ensure_ascii=True)
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            data = f"\n{line}\n".encode()  # what a killed process left of a line ends here
            if os.write(file, data) < len(data):
                raise OSError(28, "No space left on device")
        finally:
            os.close(file)

    def since(self, start: float = 0.0, begin: int = 0) -> Noted:
        """What was changed.

        Args:
            start: Commits before this time, in seconds since 1970, are passed over.
            begin: Bytes passed over.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(begin)
                data = file.read()
        except FileNotFoundError:
            return Noted((), 0, 0)
        data = data[: data.rfind(b"\n") + 1]  # what is being written at this moment is read the next time
        found: dict[str, None] = {}
        latest = 0.0
        for line in data.split(b"\n"):
            try:
                commit = json.loads(line)
                latest = max(latest, commit["time"])  # a clock that was set back makes no change an old one
                if latest >= start:
                    found |= dict.fromkeys(commit["ids"])
            except (ValueError, TypeError, KeyError):  # blank, or torn by a kill: never acknowledged
                continue
        return Noted(tuple(found), begin + len(data), begin + data.rstrip(b"\n").rfind(b"\n") + 1)
