"""What every command shares: tables for people, JSON for machines, errors in one place, progress on stderr.

Knows nothing about searching, cleaning or evaluating.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from aisle.types import Progress as ProgressCallback


def print_json(payload: Mapping[str, Any]) -> None:
    """Write one JSON object, and nothing else, to standard output: UTF-8 whatever the terminal's encoding is.

    Bytes of a file name or query that are no UTF-8 become ``?``.
    """
    click.echo(json.dumps(payload, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))


def print_estimate(thought: Mapping[str, Any], as_json: bool) -> None:
    """Say what a training is thought to take; ``told`` is that in words."""
    if as_json:
        print_json(thought)
    else:
        click.echo(thought["told"])


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """Print a table for people; the first column is text, the others align right."""
    console = Console(file=sys.stdout, highlight=False)
    console.print(Text(title, style="bold"), soft_wrap=True)  # not the table's own: that one wraps at its width
    table = Table()
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text, so that no markup or emoji code in it is obeyed
    console.print(table)
    for note in notes:
        console.print(Text(note), soft_wrap=True)


@contextmanager
def progress_bar() -> Iterator[ProgressCallback]:
    """A progress callback that draws on standard error; silent when that is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done, total=total)

        yield report
