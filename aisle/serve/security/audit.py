"""Who wrote what and when: one JSON line for each change, added only, each naming the hash of the line before.

A line that was changed or taken out breaks the chain, and ``verify`` says where. Lines cut off at the end cannot be
seen from the file alone: keep the hash that ``aisle audit verify`` prints somewhere else.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aisle.errors import ArtifactError
from aisle.monitor.records import kept_id
from aisle.privacy import mask
from aisle.serve.content import content_hash
from aisle.serve.security.appending import append, last_line, whole_lines
from aisle.serve.security.files import lock_of, locked, private_folder

_FILE_BYTES = 64 * 2**20
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of the whole log found."""

    entries: int
    torn: int
    """Lines that a crash tore apart."""
    head: str
    """Hash of the last line."""


class AuditLog:
    """The log of one service, written by all its processes.

    Args:
        folder: Of its files, one a day and more where a day is long.
        file_bytes: When a further file of the same day begins.
    """

    def __init__(self, folder: Path, file_bytes: int = _FILE_BYTES) -> None:
        self.folder, self._file_bytes = folder, file_bytes

    def write(
        self, who: str, action: str, target: str, request_id: str = "", before: object = None, after: object = None
    ) -> None:
        """Add an entry; returns when it is on the disk (some milliseconds: not on the event loop).

        Args:
            who: ``Principal.id``.
            action: Such as "product.put".
            target: What was changed.
            request_id: Of the request.
            before: What was there, or its `Hash`: that alone is kept; None for nothing.
            after: What is there now.

        Raises:
            OSError: The entry could not be written: the change must not be acknowledged.
        """
        now = dt.datetime.now(dt.UTC)
        private_folder(self.folder)
        with locked(self.folder / "audit"):
            files = self._files()
            entry = {
                "time": now.isoformat(timespec="milliseconds"),
                "who": who[:_SHOWN],
                "action": action,
                "target": mask(target)[:_SHOWN],
                "request_id": kept_id(request_id),
                "before": content_hash(before),
                "after": content_hash(after),
                "prev": hashlib.sha256(self._last(files)).hexdigest(),
            }
            line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace")
            append(self._file(files, now.date()), line + b"\n")

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every entry, oldest first."""
        for path in self._files():
            for line in whole_lines(path):
                entry = _parsed(line)
                if entry is not None:
                    yield entry

    def verify(self) -> Verified:
        """See that no entry was changed or taken out.

        Raises:
            ArtifactError: One was, and says after which; or all were; or there is no log.
        """
        previous, count, torn = b"", 0, 0
        files = self._files()
        if not files:
            self._check_empty()
        for path in files:
            for number, line in enumerate(whole_lines(path), start=1):
                entry = _parsed(line)
                if entry is None:
                    torn += 1
                    continue
                if entry.get("prev") != hashlib.sha256(previous).hexdigest():
                    raise ArtifactError(
                        f"the audit log was changed before line {number} of {str(path)!r} (entry {count + 1:,})",
                        fix="compare it with a backup",
                    )
                previous, count = line, count + 1
        return Verified(count, torn, hashlib.sha256(previous).hexdigest() if count else "")

    def _check_empty(self) -> None:
        """See that nothing was ever written: a service makes the folder, the first entry makes the lock beside it.

        Raises:
            ArtifactError: There is no folder, or an entry was written.
        """
        if not self.folder.is_dir():
            raise ArtifactError(
                f"there is no audit log in {str(self.folder.parent)!r}",
                fix="name the index that is served, or --state; where a service has run, see a backup: it makes one",
            )
        if lock_of(self.folder / "audit").exists():
            raise ArtifactError(
                f"every entry of the audit log was taken out of {str(self.folder)!r}", fix="compare it with a backup"
            )

    def _files(self) -> list[Path]:
        found = []
        for path in self.folder.glob("*.jsonl") if self.folder.is_dir() else ():
            day, _, part = path.stem.partition(".")
            found.append((day, int(part or 1), path))
        return [path for _, _, path in sorted(found)]

    def _last(self, files: list[Path]) -> bytes:
        """The last entry's line; torn lines are passed over."""
        for path in reversed(files):
            line = last_line(path)
            if line and _parsed(line) is None:
                line = next((one for one in reversed(list(whole_lines(path))) if _parsed(one) is not None), b"")
            if line:
                return line
        return b""

    def _file(self, files: list[Path], today: dt.date) -> Path:
        """The newest file if it is of today (or of later: a clock was set back) and has room, else a new one."""
        if files:
            newest = files[-1]
            day, _, part = newest.stem.partition(".")
            if day >= today.isoformat():
                if newest.stat().st_size < self._file_bytes:
                    return newest
                return self.folder / f"{day}.{int(part or 1) + 1}.jsonl"
        return self.folder / f"{today.isoformat()}.jsonl"


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
