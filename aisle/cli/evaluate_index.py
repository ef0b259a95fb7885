"""Answer the queries of a judgments file in every mode, so that `aisle evaluate DIR` can compare them."""

from __future__ import annotations

from pathlib import Path

from aisle.cli.search import answer, open_engine
from aisle.types import MODES, Mode

DEPTH = 100
"""Products a query; recall@100 needs as many."""


def run_modes(folder: Path, queries: list[tuple[str, str]]) -> dict[Mode, dict[str, list[tuple[str, float]]]]:
    """Mode to run (query id to ``(product id, score)``, best first)."""
    with open_engine(folder) as engine:
        return {mode: answer(engine, queries, mode, DEPTH) for mode in MODES}
