"""`--shoppers` of the commands that search the queries of a file: what was known of who asked each.

Reads and checks; `aisle.judgments.read_shoppers` knows the file's forms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.types import Mode, Shopper

if TYPE_CHECKING:
    from aisle.engine import SearchEngine

Shoppers = Mapping[str, Shopper]
"""From a query's id to what was known of who asked it."""

shoppers_option = click.option(
    "--shoppers",
    "shoppers_file",
    type=click.Path(path_type=Path),
    help="Who asked each query, a file as for aisle learn; for a learnt combination that reads it.",
)


def shoppers_of(path: Path | None, asked: Collection[str]) -> Shoppers:
    """What a file says of who asks; of a query without a row nothing is known. Without a file: of none.

    Args:
        path: Of --shoppers.
        asked: Ids of the queries.

    Raises:
        JudgmentError: The file cannot be read, or a row cannot be meant.
        InputError: A row is of a query that is not asked.
    """
    if path is None:
        return {}
    from aisle.judgments import read_shoppers, refuse_unasked

    found = read_shoppers(path)
    refuse_unasked(found, asked)
    return found


def say_if_unread(engine: SearchEngine, shoppers: Shoppers, mode: Mode = "hybrid") -> None:
    """A line on standard error where no part of the ranking in this mode reads who asks: nothing would change."""
    from aisle.ranking.features import SHOPPER

    learnt = engine.stages.learnt
    if shoppers and (mode != "hybrid" or learnt is None or not set(SHOPPER) & set(learnt.reads)):
        click.echo("note: --shoppers changes nothing: no learnt combination here reads who asks", err=True)
