"""Answer the queries of a judgments file in every mode, so that `aisle evaluate DIR` can compare them.

Judgments of another catalogue are refused before anything is searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.search import answer, open_engine
from aisle.cli.shoppers import say_if_unread
from aisle.types import MODES, Judgment, Mode, Shopper

if TYPE_CHECKING:
    from aisle.engine import SearchEngine

DEPTH = 1_000
"""Products a query: "judged only" looks below rank 10 for judged products, so a shallow run would understate it."""


def run_modes(
    folder: Path,
    queries: Sequence[tuple[str, str]],
    recipe_file: Path | None = None,
    model: str | None = None,
    shoppers: Mapping[str, Shopper] | None = None,
    known: Iterable[Judgment] = (),
) -> dict[Mode, dict[str, list[tuple[str, float]]]]:
    """Mode to run (query id to ``(product id, score)``, best first), by the index's recipe or another one.

    Raises:
        JudgmentError: None of the products of the judgments ``known`` is in the index.
    """
    with open_engine(folder, recipe_file, model) as engine:
        say_if_unknown(engine, known)
        say_if_unread(engine, shoppers or {})
        return {mode: answer(engine, queries, mode, DEPTH, shoppers) for mode in MODES}


def say_if_unknown(engine: SearchEngine, known: Iterable[Judgment]) -> None:
    """A line on standard error where the index lacks some of the judged products.

    Raises:
        JudgmentError: It has none of them.
    """
    from aisle.judged import refuse_other_products

    refuse_other_products(engine, known, partial(click.echo, err=True), renamed=True)
