"""The folder beside a model that is being made, where its checkpoints are. Knows no training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aisle.artifacts import write_text
from aisle.errors import ArtifactError

ABOUT = "about.json"


def workplace(work: Path, about: Mapping[str, Any], resume: bool, refusal: ArtifactError) -> Path:
    """An empty folder; or with ``resume`` the one that an interrupted run of the same left.

    Args:
        work: Where.
        about: What the run is of, as plain data.
        resume: Whether to go on with an interrupted one.
        refusal: Raised where the interrupted one was of something else.

    Raises:
        ArtifactError: ``refusal``.
    """
    text = json.dumps(about, sort_keys=True)
    if resume and work.exists():
        found = (work / ABOUT).read_text(encoding="utf-8") if (work / ABOUT).exists() else ""
        if found != text:
            raise refusal
        return work
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    write_text(work / ABOUT, text)
    return work
