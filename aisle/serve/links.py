"""A name that leads to one of several folders: moved in one step, with a memory of where it led before.

    shop -> shop-2           moved by one rename, so that it always leads somewhere
    .shop.versions.json      what was promoted, in its order: where a rollback goes

Knows nothing of what the folders hold.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from aisle.artifacts import write_text
from aisle.errors import ArtifactError


def target(name: Path) -> Path | None:
    """Where a name leads to; None where it is no link, or leads nowhere."""
    return name.resolve() if name.is_symlink() and name.exists() else None


def point(name: Path, home: Path) -> None:
    """Make the name lead to a folder, in one step."""
    temporary = name.with_name(f".{name.name}.{os.getpid()}.link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(_relative(home, name), target_is_directory=True)
    temporary.replace(name)
    folder = os.open(name.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def number(name: Path) -> None:
    """Make a folder a link to itself under a name with a number."""
    free = next(n for n in range(1, 1_000_000) if not name.with_name(f"{name.name}-{n}").exists())
    numbered = name.with_name(f"{name.name}-{free}")
    name.rename(numbered)
    point(name, numbered.resolve())


def remember(name: Path, current: Path | None, home: Path) -> None:
    """Note that a name will lead to ``home``, and that it led to ``current`` before."""
    promoted = [path for path in _promoted(name) if path != home]
    if current is not None:
        at = promoted.index(current) + 1 if current in promoted else len(promoted)
        promoted = [*promoted[:at], *([] if current in promoted else [current])]
    write_text(_history(name), json.dumps([_relative(path, name) for path in (*promoted, home)]) + "\n")


def before(name: Path, current: Path) -> Path:
    """Where the name led before ``current``.

    Raises:
        ArtifactError: There is none before it, or it is gone.
    """
    promoted = _promoted(name)
    at = promoted.index(current) if current in promoted else 0
    if at < 1:
        raise ArtifactError(f"nothing was served as {str(name)!r} before {current.name!r}")
    return promoted[at - 1]


def _history(name: Path) -> Path:
    return name.absolute().with_name(f".{name.name}.versions.json")


def _promoted(name: Path) -> list[Path]:
    """What was promoted and is still there, in its order.

    Raises:
        ArtifactError: The file cannot be read.
    """
    path = _history(name)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        listed = [(name.absolute().parent / one).resolve() for one in found]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"cannot read {str(path)!r}: {error}", fix="remove it; a rollback is a promotion then"
        ) from None
    return [one for one in listed if one.is_dir()]


def _relative(home: Path, name: Path) -> str:
    """The path of a folder from where the name is, so that both can be moved together."""
    return os.path.relpath(home, name.absolute().parent.resolve())
