"""Tables with a header line: comma, semicolon or tab, columns found by their usual names.

Knows columns and rows, not what a judgment is. Cells keep their blanks.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aisle.errors import JudgmentError
from aisle.judgments.files import lines_of

SYNONYMS: dict[str, tuple[str, ...]] = {
    "query_id": ("query_id", "queryid", "qid", "topic_id", "topic", "search_id"),
    "query": ("query", "query_text", "search_term", "search_query", "search", "keyword", "keywords", "q", "term"),
    "product_id": (
        "docid", "doc_id", "document_id", "product_id", "productid", "product_uid", "corpus_id", "item_id", "itemid",
        "asin", "sku", "docno", "product", "doc", "item", "id",
    ),
    "grade": ("rating", "relevance", "grade", "label", "judgment", "judgement", "relevancy", "rel", "score", "gain",
              "median_relevance", "final_rating", "esci_label"),
}  # fmt: skip
"""Column names by meaning, the surest first; compared without case, blanks, hyphens and underscores."""

_QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True, slots=True)
class Header:
    """Where the columns are: meaning to position, with the delimiter that separates them."""

    delimiter: str
    columns: dict[str, int]

    @property
    def is_judgments(self) -> bool:
        """Whether it names a query (by text or id), a product and a grade."""
        return {"product_id", "grade"} <= self.columns.keys() and bool({"query", "query_id"} & self.columns.keys())

    @property
    def is_queries(self) -> bool:
        """Whether it names queries by both id and text; a single column could as well be a query itself."""
        return {"query", "query_id"} <= self.columns.keys()


def find_header(line: str) -> Header | None:
    """The header that a file's first line is, or None if it names no two of the columns."""
    for delimiter in ("\t", ",", ";"):
        if delimiter not in line:
            continue
        header = Header(delimiter, places_of(line.split(delimiter), SYNONYMS))
        if header.is_judgments or header.is_queries:
            return header
    return None


def places_of(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Where each meaning stands among the names of a header; no column has two.

    Args:
        names: In their order.
        columns: Usual names by meaning, the surest first; compared without case, blanks, hyphens and underscores.
    """
    folded = [_fold(name) for name in names]
    places: dict[str, int] = {}
    for meaning, usual in columns.items():
        found = (folded.index(_fold(name)) for name in usual if _fold(name) in folded)
        place = next((place for place in found if place not in places.values()), None)
        if place is not None:
            places[meaning] = place
    return places


def named_header(text: str, columns: Mapping[str, Sequence[str]], path: Path, formats: str) -> tuple[str, list[str]]:
    """The delimiter of a table under which most of the columns are found, and the names in its first line.

    Args:
        text: Of the file; not blank.
        columns: As for `places_of`.
        path: For messages.
        formats: What is allowed, for messages.

    Raises:
        JudgmentError: The first line cannot be cut.
    """
    first = next(line for line in lines_of(text) if line.strip())
    try:
        headers = {mark: next(csv.reader([first], delimiter=mark)) for mark in "\t,;"}
    except csv.Error as error:
        raise JudgmentError(f"{path}: the first line {first[:80]!r} is no header: {error}", allowed=formats) from None
    mark = max(headers, key=lambda one: (len(places_of(headers[one], columns)), len(headers[one])))
    return mark, headers[mark]


def rows(text: str, header: Header, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows below the header: line number (from 1) and cells by meaning. Empty lines are passed over.

    Raises:
        JudgmentError: A column that is read stands twice in the first line, a row has fewer columns than the header
            needs, or its quotes do not close.
    """
    width = max(header.columns.values()) + 1
    source = _tabbed(text) if header.delimiter == "\t" else _quoted(text, header.delimiter, path)
    _refuse_twice(next(source, (1, []))[1], header, path)
    for line, cells in source:
        if len(cells) < width:
            shown = header.delimiter.join(cells)
            raise JudgmentError(
                f"{path}, line {line}: {len(cells)} column(s) where at least {width} are needed: {shown[:80]!r}",
                fix="complete the line, or put text that holds the delimiter in double quotes",
            )
        yield line, {meaning: cells[position] for meaning, position in header.columns.items()}


def _refuse_twice(names: Sequence[str], header: Header, path: Path) -> None:
    """Of two columns of one name nobody can tell which is meant."""
    told = [name.strip().casefold() for name in names]
    for place in header.columns.values():
        if place < len(told) and told.count(told[place]) > 1:
            raise JudgmentError(
                f"{path}: {told.count(told[place])} columns are named {names[place].strip()!r} in the first line",
                allowed="one column of each name that is read",
                fix="rename or remove the other",
            )


def _quoted(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows, the header first, each with the line at which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if "".join(cells).strip() or len(cells) > 1:
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise JudgmentError(
            f"{path}, line {start}: {error}", fix="double every quotation mark inside a quoted cell, and close the cell"
        ) from None


def _tabbed(text: str) -> Iterator[tuple[int, list[str]]]:
    """Tab-separated rows, the header first; only a cell quoted as a whole loses its quotes, so that 10" stays."""
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        yield number, [_unquote(cell) for cell in line.split("\t")]


def _unquote(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if _QUOTED.fullmatch(cell) else cell


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.strip().strip('"')).casefold()
