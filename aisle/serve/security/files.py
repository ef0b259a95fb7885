"""Files that hold secrets or are written by several processes: owner only, replaced whole, one writer at a time."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aisle.errors import ArtifactError

_SECRET_BYTES = 32


def private_folder(folder: Path) -> Path:
    """The folder, made for its owner alone (0700) where it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def check_private(path: Path) -> None:
    """See that nobody but its owner can read or change a file.

    Raises:
        ArtifactError: Others can.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ArtifactError(
            f"{str(path)!r} can be read or changed by other users (mode {mode:04o})",
            allowed="mode 0600",
            fix=f"chmod 600 {path}",
        )


def secret_of(path: Path) -> bytes:
    """The 32 random bytes that a file holds; made with the first call, by whichever process is first.

    Raises:
        ArtifactError: Others than the owner can read the file, or it does not hold a secret.
    """
    private_folder(path.parent)
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        replace_private(temporary, secrets.token_bytes(_SECRET_BYTES))
        try:
            os.link(temporary, path)  # fails if another process was first, and then its secret counts
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    check_private(path)
    secret = path.read_bytes()
    if len(secret) != _SECRET_BYTES:
        raise ArtifactError(
            f"{str(path)!r} holds {len(secret)} bytes", allowed="32 random bytes", fix="restore it from a backup"
        )
    return secret


def lock_of(path: Path) -> Path:
    """The lock file of a path; it stays."""
    return path.with_name(f".{path.name}.lock")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock file of a path and hold it; the operating system lets go when the process ends."""
    private_folder(path.parent)
    file = os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def replace_private(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 so that readers see the old or the new content, and a crash leaves one of them."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable: new files, renames, removals."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


class SharedJson:
    """A JSON object in a file that several processes read and change; read again only when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._signature: tuple[int, int, int] | None = None
        self._value: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """What the file holds now, ``{}`` without one; not to be changed in place.

        Raises:
            ArtifactError: Others than its owner can read it, or it is no JSON object.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._signature, self._value = None, {}
            return self._value
        signature = (status.st_ino, status.st_mtime_ns, status.st_size)
        if signature != self._signature:
            check_private(self.path)
            self._value, self._signature = self._load(), signature
        return self._value

    def change(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change what the file holds: read, edited and replaced while no other process does."""
        with locked(self.path):
            value = self._load() if self.path.exists() else {}
            edit(value)
            replace_private(self.path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())

    def _load(self) -> dict[str, Any]:
        try:
            value = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"cannot read {str(self.path)!r}: {error}", fix="restore it from a backup") from None
        if not isinstance(value, dict):
            raise ArtifactError(f"{str(self.path)!r} is no JSON object", fix="restore it from a backup")
        return value
