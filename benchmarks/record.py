"""Where a benchmark's numbers go: benchmarks/results/NAME.json, with the conditions they were measured under."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def conditions() -> dict[str, Any]:
    """Machine, versions, commit and command of this run."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "command": "python " + " ".join(map(_told, sys.argv)),
        "date": dt.date.today().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("lancedb", "onnxruntime", "numpy")},
        "commit": commit.stdout.strip(),
    }


def _told(argument: str) -> str:
    """An argument as it may be shown: a folder of this repository from its root, any other of this machine as DIR."""
    path = Path(argument)
    if not path.is_absolute():
        return argument
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else "DIR"


def record(name: str, numbers: dict[str, Any]) -> Path:
    """Write numbers and conditions; returns the file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"conditions": conditions(), **numbers}, indent=1, ensure_ascii=False) + "\n")
    print(f"wrote {path}")
    return path
