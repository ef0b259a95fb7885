"""Folders on disk: a manifest written last, so that its presence means the folder is complete; swapped in whole.

Knows nothing of what the folders hold.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aisle.errors import ArtifactError, IndexLockedError

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder is: its kind, format number, fingerprint (what made it) and free details."""

    kind: str
    format: int
    fingerprint: Mapping[str, str]
    details: Mapping[str, Any] = field(default_factory=dict)
    aisle: str = ""
    created: str = ""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest, stamped with version and time, through a temporary file."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    data = asdict(manifest) | {"aisle": version("aisle"), "created": manifest.created or now}
    write_text(folder / MANIFEST, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def read_manifest(folder: Path, kind: str, format: int) -> Manifest:
    """Read a folder's manifest and check that it is of the kind and format asked for.

    Raises:
        ArtifactError: There is no such folder, it is incomplete, or it is something else.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ArtifactError(f"no such folder: {str(folder)!r}", allowed=f"the folder of an Aisle {kind}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(**data)
        if not isinstance(manifest.fingerprint, dict) or not isinstance(manifest.details, dict):
            raise ValueError("fingerprint or details is no table")
    except FileNotFoundError:
        raise ArtifactError(
            f"{str(folder)!r} has no {MANIFEST}: not an Aisle {kind}, or one that was never finished",
            fix=f"name a finished {kind}, or make it again",
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"cannot read {str(path)!r}: {error}", fix=f"remove the folder and make the {kind} again"
        ) from None
    if manifest.kind != kind:
        raise ArtifactError(f"{str(folder)!r} is of kind {manifest.kind!r}", allowed=f"a folder of kind {kind!r}")
    if manifest.format != format:
        raise ArtifactError(
            f"{str(folder)!r} has format {manifest.format}",
            allowed=f"format {format}",
            fix=f"make the {kind} again with this version of Aisle",
        )
    return manifest


def read_kind(folder: Path) -> str:
    """The kind of a finished Aisle folder, "" where there is none.

    Raises:
        ArtifactError: Its manifest cannot be read.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read {str(path)!r}: {error}", fix="make the folder again") from None
    return str(manifest.get("kind")) if isinstance(manifest, dict) else "unknown"


def refuse_other(out: Path, kinds: Sequence[str], what: str) -> None:
    """An empty folder and an older one of these kinds may be replaced; an index, or anything else, never is.

    Args:
        out: What is about to be written.
        kinds: Of manifests.
        what: These kinds in a word, such as "model".

    Raises:
        ArtifactError: It is something else.
    """
    kind = read_kind(out)
    if kind and kind not in kinds:
        raise ArtifactError(
            f"{str(out)!r} is of kind {kind!r}", allowed=f"a folder of kind {' or '.join(kinds)}, or a new one"
        )
    if not kind and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ArtifactError(
            f"{str(out)!r} exists and is no {what}", fix=f"name a folder that does not exist yet, or an older {what}"
        )


def write_text(path: Path, text: str) -> None:
    """Write a file so that readers see the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # a full disk
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """The right to make or replace a folder, by a lock file beside it that goes when it is let go of.

    The operating system lets go of it when the process ends, however it ends.

    Raises:
        IndexLockedError: Another process is making this folder.
    """
    path = folder.with_name(f".{folder.name}.lock")
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = path.exists() and os.path.samestat(os.fstat(file), path.stat())  # else removed by who had it before
        except BlockingIOError:
            ours = False
        if not ours:
            raise IndexLockedError(
                f"another process is writing to {str(folder)!r}",
                fix="wait for it to finish, or end it; reading needs no lock",
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)


def swap_in(new: Path, final: Path) -> None:
    """Put a finished folder in its place; what stood there before is removed only afterwards."""
    old = final.with_name(f".{final.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if final.exists():
        final.rename(old)
    new.rename(final)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def turn_of(folder: Path, how: int) -> Iterator[None]:
    """A lock file beside a folder, shared by who commits to what stands there, alone for who puts another in its place.

    The latter removes it.

    Args:
        folder: The name under which it is used; may be a link.
        how: `fcntl.LOCK_SH` or `fcntl.LOCK_EX`.
    """
    path = folder.absolute().with_name(f".{folder.name}.switch")
    file = _locked(path, how)
    try:
        yield
    finally:
        if how == fcntl.LOCK_EX:  # nobody else holds it; who waits for it finds it gone and asks for a new one
            path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path, how: int) -> int:
    """A lock file held; one that was removed while this waited is asked for again."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, how)
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def swap_live(new: Path, final: Path) -> None:
    """`swap_in` while no service commits to what stands there: its change is made before, or to the new folder."""
    if not final.exists():  # then nobody uses it
        swap_in(new, final)
        return
    with turn_of(final, fcntl.LOCK_EX):
        swap_in(new, final)


def recover(final: Path) -> None:
    """Undo what a kill between the two renames of ``swap_in`` left: the old folder comes back to its place."""
    old = final.with_name(f".{final.name}.old")
    if old.exists() and not final.exists():
        old.rename(final)
