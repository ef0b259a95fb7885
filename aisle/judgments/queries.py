"""The queries to ask: one a line, or each distinct query of a judgments file once.

Knows nothing of answers. A plain file is told from a judgments file by its first line alone, never by its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from aisle.errors import JudgmentError
from aisle.judgments.files import lines_of, read_text
from aisle.judgments.matching import run_name
from aisle.judgments.read import is_trec_line, read_jsonl_queries, read_judgments
from aisle.judgments.tables import Header, find_header, rows

_NO_TEXT = "give a file of one query a line, or a table with the columns query_id and query"


@dataclass(frozen=True, slots=True)
class QueryFile:
    """Queries as ``(query id, text)`` in file order, each id once; how many lines were empty or asked again."""

    queries: tuple[tuple[str, str], ...]
    empty_lines: int = 0
    repeated: int = 0


def read_queries(path: Path) -> list[tuple[str, str]]:
    """The queries of a file as ``(query id, text)``, each once, in file order; see ``scan_queries`` for the counts.

    Raises:
        JudgmentError: As ``scan_queries``.
    """
    return list(scan_queries(path).queries)


def scan_queries(path: Path) -> QueryFile:
    """Read a file of one query a line, a table with query columns, any judgments file or BEIR ``queries.jsonl``.

    A plain line is the query with its line ending removed and nothing else. The id is the query_id where the file
    has one, else the text with white space as ``_``; two texts that differ in nothing else are one query.

    Raises:
        JudgmentError: The file is unreadable, malformed, holds no query, or judges queries without giving their text.
    """
    if path.is_dir():
        return _of_judgments(path)
    text = read_text(path, "queries")
    lines = lines_of(text)
    first = next(line for line in lines if line.strip())
    header = find_header(first)
    if header is not None:
        return _of_judgments(path) if header.is_judgments else _of_table(text, header, path)
    if _is_jsonl(first):
        return _unique(read_jsonl_queries(path), 0, path)
    _refuse_other_formats(lines, path)
    plain = [(run_name(line), line) for line in lines if line]
    return _unique(plain, len(lines) - len(plain), path)


def _of_judgments(path: Path) -> QueryFile:
    judgments = read_judgments(path)
    queries = list(judgments.queries.items())
    nameless = next((query_id for query_id, text in queries if not text), None)
    if nameless is not None:
        raise JudgmentError(
            f"{str(path)!r} names query {nameless[:80]!r} by its id only, without a text to search for",
            allowed="a judgments table with a query column, or BEIR with queries.jsonl in the same folder or above",
            fix=_NO_TEXT,
        )
    return QueryFile(tuple(queries))


def _of_table(text: str, header: Header, path: Path) -> QueryFile:
    found = []
    for line, cells in rows(text, header, path):
        if not cells["query_id"].strip():
            raise JudgmentError(f"{path}, line {line}: the query_id is empty", fix="complete or remove the line")
        found.append((cells["query_id"], cells["query"]))
    return _unique(found, 0, path)


def _unique(found: list[tuple[str, str]], empty: int, path: Path) -> QueryFile:
    texts: dict[str, str] = {}
    for query_id, text in found:
        if run_name(texts.setdefault(query_id, text)) != run_name(text):
            raise JudgmentError(
                f"{path}: query_id {query_id[:80]!r} is both {texts[query_id][:80]!r} and {text[:80]!r}",
                fix="give each query text its own query_id",
            )
    if not texts:
        raise JudgmentError(f"{str(path)!r} holds no queries", allowed="one query a line, or a judgments file")
    return QueryFile(tuple(texts.items()), empty, len(found) - len(texts))


def _is_jsonl(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return {"_id", "text"} <= set(json.loads(line))
    except ValueError:
        return False


def _refuse_other_formats(lines: list[str], path: Path) -> None:
    """Stop at files that would make senseless queries: TREC files, and tables whose header names nothing known."""
    filled = [line for line in lines if line.strip()]
    if all(is_trec_line(line) and line.split()[1] in ("0", "Q0") for line in filled):
        raise JudgmentError(f"{str(path)!r} is a TREC qrels file, which has ids but no query texts", fix=_NO_TEXT)
    if all(len(parts := line.split()) == 6 and parts[1] == "Q0" for line in filled):
        raise JudgmentError(f"{str(path)!r} is a TREC run, which has ids but no query texts", fix=_NO_TEXT)
    suffix = Path(path.name.removesuffix(".gz")).suffix
    delimiter = {".csv": ",", ".tsv": "\t"}.get(suffix)
    if delimiter:
        widths = {line.count(delimiter) for line in filled}
        if len(widths) == 1 and widths.pop() >= 2:
            raise JudgmentError(
                f"{path}: a table whose first line {filled[0][:80]!r} names no known columns",
                allowed="a header such as query,docid,rating, or plain queries, one a line, in a file named .txt",
                fix="name the columns in the first line",
            )
