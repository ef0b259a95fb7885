"""Answer the queries of a judgments file in every mode, so that `aisle evaluate DIR` can compare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aisle.cli.search import answer, open_engine
from aisle.cli.shoppers import say_if_unread
from aisle.types import MODES, Mode, Shopper

DEPTH = 1_000
"""Products a query: "judged only" looks below rank 10 for judged products, so a shallow run would understate it."""


def run_modes(
    folder: Path,
    queries: Sequence[tuple[str, str]],
    recipe_file: Path | None = None,
    model: str | None = None,
    shoppers: Mapping[str, Shopper] | None = None,
) -> dict[Mode, dict[str, list[tuple[str, float]]]]:
    """Mode to run (query id to ``(product id, score)``, best first), by the index's recipe or another one."""
    with open_engine(folder, recipe_file, model) as engine:
        say_if_unread(engine, shoppers or {})
        return {mode: answer(engine, queries, mode, DEPTH, shoppers) for mode in MODES}
