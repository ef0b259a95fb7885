"""Open LanceDB: the one place that imports it. Knows no products."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

TABLE = "products"


def connect(folder: Path) -> Any:
    """A connection whose every read sees the latest write, also one of another process (0.2 ms a read)."""
    import lancedb

    return lancedb.connect(folder, read_consistency_interval=timedelta(0))
