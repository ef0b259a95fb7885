"""The folder beside a model that is being made, with its checkpoints; the story of one that was. Knows no training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aisle.artifacts import MANIFEST, write_text
from aisle.errors import ArtifactError

ABOUT = "about.json"
KEPT = ("checkpoint.pt", MANIFEST, "scores")
"""What takes long to make: a checkpoint, a finished part, what teachers said."""


def workplace(out: Path, work: Path, about: Mapping[str, Any], resume: bool) -> Path:
    """An empty folder; or with ``resume`` the one that an interrupted run of the same left.

    Args:
        out: The model that is being made.
        work: Where.
        about: What the run is of, as plain data.
        resume: Whether to go on with an interrupted one.

    Raises:
        ArtifactError: The interrupted one was of something else, there is none but a finished model, or without
            ``resume`` there is one that would be lost.
    """
    text = json.dumps(about, sort_keys=True)
    if resume and work.exists():
        found = (work / ABOUT).read_text(encoding="utf-8") if (work / ABOUT).exists() else ""
        if found != text:
            raise ArtifactError(
                f"the interrupted run of {str(out)!r} was of other data or another recipe",
                fix=f"give it the same files and settings, or remove {str(work)!r} to begin anew",
            )
        return work
    if resume and (out / MANIFEST).exists():
        raise ArtifactError(
            f"{str(out)!r} is finished: there is no interrupted run of it to go on with",
            fix="leave --resume out to make it again and replace it",
        )
    if any(next(work.rglob(name), None) for name in KEPT):
        raise ArtifactError(
            f"an interrupted run of {str(out)!r} lies in {str(work)!r}, and would be lost",
            fix="add --resume to go on with it (same files and settings), or remove that folder to begin anew",
        )
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    write_text(work / ABOUT, text)
    return work


def finish(
    folder: Path, recipe: Mapping[str, Any], metrics: Mapping[str, Any], card: str, details: Mapping[str, Any]
) -> None:
    """Recipe, metrics and card into a model's folder; its manifest, with all of it, last.

    Args:
        folder: Complete but for its story.
        recipe: What made it, as plain data.
        metrics: What came of it, as plain data.
        card: For people, in Markdown.
        details: For the manifest, beside those that are there.
    """
    import tomli_w

    write_text(folder / "recipe.toml", tomli_w.dumps(recipe))
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    write_text(folder / "README.md", card)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["details"] |= details
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
