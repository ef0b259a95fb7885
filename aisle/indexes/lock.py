"""One writer at a time, by a lock that the operating system lets go of when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from aisle.errors import IndexLockedError


class WriterLock:
    """The right to write to an index; readers need none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock, unless this object has it already.

        Raises:
            IndexLockedError: Somebody else has it; says which process.
        """
        if self._file is not None:
            return
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise IndexLockedError(
                f"another writer (process {holder}) is writing to {str(self.path.parent)!r}",
                fix="wait for it to finish, or end it; reading needs no lock",
            ) from None
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        self._file = file

    def release(self) -> None:
        """Let go of the lock; nothing happens without it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
