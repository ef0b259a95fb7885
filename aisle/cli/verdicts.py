"""Models that their gate did not promote: may be tried, never without a word."""

from __future__ import annotations

import json
from pathlib import Path

import click

from aisle.artifacts import MANIFEST


def not_promoted(folder: Path) -> bool:
    """Whether a model's folder says that it was not promoted; whatever has no verdict is not meant."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["details"]["promoted"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return found is False


def unpromoted(*names: str) -> list[str]:
    """A sentence for each model that was not promoted; "" is none."""
    found = [name for name in names if name and not_promoted(Path(name).expanduser())]
    return [f"{name} was not promoted; its README.md says why" for name in found]


def say_if_not_promoted(*names: str) -> None:
    """A line on standard error for each model that was not promoted; "" is none."""
    for said in unpromoted(*names):
        click.echo(f"note: {said}", err=True)
