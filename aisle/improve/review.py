"""Pairs that somebody should judge, each with why, and pairs that stay: CSV files that `read_pairs` reads back.

A queue for `aisle judge` has no grades, so that nobody is led by the one that is there. Knows pairs and a file; not how
they were chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aisle.judgments.files import write_lines
from aisle.judgments.pairs import TextPair
from aisle.judgments.write import csv_line

COLUMNS = ("query_id", "query", "id", "title", "description")


@dataclass(frozen=True, slots=True)
class Review:
    """A pair and why it should be judged."""

    pair: TextPair
    reason: str


def write_reviews(path: Path, reviews: Sequence[Review]) -> None:
    """Write a queue in this order: the pairs and the column ``why``.

    Raises:
        JudgmentError: The file cannot be written.
    """
    write_lines(path, _lines(("why",), [(one.pair, (one.reason,)) for one in reviews]))


def write_graded(path: Path, pairs: Sequence[TextPair], weights: bool = False) -> None:
    """Write pairs with their grades and their raters' variances; with their weights, if asked or if one is not 1.

    Raises:
        JudgmentError: The file cannot be written.
    """
    weighed = weights or any(pair.weight != 1 for pair in pairs)
    more = ("relevance", "variance", *(("label_weight",) if weighed else ()))
    rows = [(pair, (_number(pair.grade), _number(pair.variance), _number(pair.weight))[: len(more)]) for pair in pairs]
    write_lines(path, _lines(more, rows))


def _lines(more: Sequence[str], rows: Sequence[tuple[TextPair, Sequence[str]]]) -> Iterator[str]:
    yield row([*COLUMNS, *more])
    for pair, cells in rows:
        yield row([pair.query_id, pair.query, pair.doc_id, pair.title, pair.description, *cells])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.15g}"


def row(cells: Sequence[str]) -> str:
    """One row of CSV in one line, since a queue grows by lines: line breaks within a cell become blanks."""
    return csv_line([" ".join(cell.splitlines()) if "\r" in cell or "\n" in cell else cell for cell in cells])
