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

RESULTS = Path(__file__).parent / "results"


def conditions() -> dict[str, Any]:
    """Machine, versions, commit and command of this run."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "command": "python " + " ".join(sys.argv),
        "date": dt.date.today().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("lancedb", "onnxruntime", "numpy")},
        "commit": commit.stdout.strip(),
    }


def record(name: str, numbers: dict[str, Any]) -> Path:
    """Write numbers and conditions; returns the file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"conditions": conditions(), **numbers}, indent=1, ensure_ascii=False) + "\n")
    print(f"wrote {path}")
    return path
