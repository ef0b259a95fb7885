"""Judgments to a file, in the formats that ``read_judgments`` reads back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from aisle.errors import JudgmentError
from aisle.judgments.files import write_lines
from aisle.judgments.matching import run_name
from aisle.types import Judgment

Format = Literal["csv", "tsv", "trec", "beir"]


def write_judgments(path: Path, judgments: Iterable[Judgment], format: Format = "csv") -> None:
    """Write judgments.

    Args:
        path: The file, gzipped if it ends in ``.gz``; for "beir" a folder, made if needed, which gets
            ``queries.jsonl`` and ``qrels/test.tsv``.
        judgments: What to write, in this order.
        format: "csv" and "tsv" have the columns query, docid, rating, with query_id first unless it follows from the
            text; "trec" and "beir" take whole grades only, and "trec" drops the query texts.

    Raises:
        JudgmentError: The file cannot be written, or the format cannot hold a grade or an id.
    """
    items = tuple(judgments)
    if format == "beir":
        try:
            (path / "qrels").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JudgmentError(f"cannot make {str(path)!r}: {error.strerror or error}") from None
        texts = {judgment.query_id: judgment.query for judgment in items}
        entries = ({"_id": query_id, "text": text} for query_id, text in texts.items())
        write_lines(path / "queries.jsonl", (json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries))
        write_lines(path / "qrels" / "test.tsv", _beir(items))
    elif format == "trec":
        write_lines(path, _trec(items))
    else:
        write_lines(path, _table(items, "\t" if format == "tsv" else ","))


def _table(items: Sequence[Judgment], delimiter: str) -> Iterator[str]:
    named = any(judgment.query_id != run_name(judgment.query) for judgment in items)
    header = ["query_id", "query", "docid", "rating"] if named else ["query", "docid", "rating"]
    yield delimiter.join(header) + "\n"
    for judgment in items:
        cells = [judgment.query, judgment.product_id, f"{judgment.grade:.15g}"]
        if named:
            cells.insert(0, judgment.query_id)
        if delimiter == "\t" and any(mark in cell for cell in cells for mark in "\t\n\r"):
            raise JudgmentError(f"query {judgment.query!r} or its product holds a tab or line break", fix="write CSV")
        yield csv_line(cells, delimiter)


def csv_line(cells: Sequence[str], delimiter: str = ",") -> str:
    """One row with its ending, as ``csv.reader`` reads it back."""
    return delimiter.join(_quoted(cell, delimiter) for cell in cells) + "\n"


def _quoted(cell: str, delimiter: str) -> str:
    """In quotes where needed; a lone carriage return too, which csv.writer leaves bare and csv.reader trips over."""
    if not any(mark in cell for mark in (delimiter, '"', "\n", "\r")):
        return cell
    return '"' + cell.replace('"', '""') + '"'


def _trec(items: Sequence[Judgment]) -> Iterator[str]:
    for judgment in items:
        yield f"{run_name(judgment.query_id)} 0 {run_name(judgment.product_id)} {_whole(judgment)}\n"


def _beir(items: Sequence[Judgment]) -> Iterator[str]:
    yield "query-id\tcorpus-id\tscore\n"
    for judgment in items:
        if any(mark in judgment.query_id + judgment.product_id for mark in "\t\n\r"):
            raise JudgmentError(f"id {judgment.query_id!r} or {judgment.product_id!r} holds a tab or line break")
        yield f"{judgment.query_id}\t{judgment.product_id}\t{_whole(judgment)}\n"


def _whole(judgment: Judgment) -> int:
    if judgment.grade != int(judgment.grade):
        raise JudgmentError(
            f"grade {judgment.grade:g} of query {judgment.query_id!r}: this format takes whole grades",
            fix="write csv, or round the grades",
        )
    return int(judgment.grade)
