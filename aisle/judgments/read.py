"""Judgments from a file: tables with a header, TREC qrels, and BEIR (a qrels table or a whole folder).

Knows no metrics. Ids stay strings, texts keep their blanks, and nothing is dropped without being counted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import overload

from aisle.errors import JudgmentError
from aisle.judgments.files import lines_of, read_text
from aisle.judgments.matching import run_name
from aisle.judgments.scale import ESCI, NAMES, Row, levels_of, named_grades
from aisle.judgments.tables import find_header, rows
from aisle.types import Judgment

FORMATS = (
    "a table with a header such as query,docid,rating (comma, semicolon or tab; a query_id column may be added), "
    "TREC qrels (query_id 0 docid rating), or a BEIR folder or its qrels file"
)
_GRADE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Judgments(Sequence[Judgment]):
    """The judgments of a file in its order, each query and product once.

    Attributes:
        items: The judgments.
        repeated: Lines that said again, with the same grade, what an earlier line had said.
        gains: What grade 0, 1, 2, ... is worth where that is not 2^grade - 1: of the classes of ESCI, by name in the
            file, which are the grades 3 (Exact), 2, 1 and 0.
    """

    items: tuple[Judgment, ...]
    repeated: int = 0
    gains: tuple[float, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Judgment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Judgment, ...]: ...
    def __getitem__(self, index: int | slice) -> Judgment | tuple[Judgment, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Judgment]:
        return iter(self.items)

    @property
    def queries(self) -> dict[str, str]:
        """Query id to text as first written ("" where the file has none), in file order."""
        texts: dict[str, str] = {}
        for judgment in self.items:
            texts.setdefault(judgment.query_id, judgment.query)
        return texts

    def by_gain(self) -> Judgments:
        """The same with grades of which 2^grade - 1 is what they are worth; itself where that is so already."""
        if not self.gains:
            return self
        levels = levels_of(self.gains)
        items = tuple(replace(item, grade=levels[int(item.grade)]) for item in self.items)
        return Judgments(items, self.repeated)


def read_judgments(path: Path) -> Judgments:
    """Read a judgments file, plain or gzipped, or a BEIR folder; the format is known by content, not by name.

    Where a query has no query_id, its id is its text with white space as ``_``, as in a run. Grades are numbers, or in
    every row of a table one of the classes of ESCI.

    Raises:
        JudgmentError: The file is unreadable, empty, of no known format, has a malformed line, or grades the same
            query and product differently on two lines.
    """
    if path.is_dir():
        return _read_beir(path)
    found, named = _read_file(path, None)
    return _collect(found, path, named)


def place_of(path: Path, judgment: Judgment) -> str:
    """Where a judgment of a file stands first: "FILE, line N"; the file alone where it does not.

    Raises:
        JudgmentError: As `read_judgments`.
    """
    files = [*sorted((path / "qrels").glob("*.tsv*"))] if path.is_dir() else [path]
    key = (judgment.query_id, judgment.product_id)
    places = (
        place for file in files for place, one in _read_file(file, {})[0] if (one.query_id, one.product_id) == key
    )
    return next(places, str(path))


def _read_beir(folder: Path) -> Judgments:
    """All tables below ``qrels``, in the order of their names, with the texts of ``queries.jsonl``."""
    files = [*sorted((folder / "qrels").glob("*.tsv")), *sorted((folder / "qrels").glob("*.tsv.gz"))]
    if not files:
        raise JudgmentError(
            f"the folder {str(folder)!r} has no qrels/*.tsv", allowed="a BEIR folder: qrels/test.tsv and queries.jsonl"
        )
    texts = _texts_beside(files[0])
    found = [_read_file(file, texts) for file in files]
    if len({named for _, named in found}) > 1:
        raise JudgmentError(
            f"{str(folder)!r}: grades by name in some files and numbers in others", allowed="one of them in all files"
        )
    return _collect((item for items, _ in found for item in items), folder, found[0][1])


def _read_file(path: Path, texts: dict[str, str] | None) -> tuple[Iterable[tuple[str, Judgment]], bool]:
    """Judgments with the place they stand at, "FILE, line N"; and whether their grades are classes' names."""
    text = read_text(path, "judgments")
    lines = lines_of(text)
    first = next(line for line in lines if line.strip())
    header = find_header(first)
    if header is not None and header.is_judgments:
        table, named = named_grades(rows(text, header, path), path, "grade")
        if "query" not in header.columns and texts is None:
            texts = _texts_beside(path)
        return _read_table(table, path, texts), named
    if is_trec_line(first):
        return _read_trec(lines, path), False
    found = f"; columns recognised: {', '.join(header.columns)}" if header else ""
    raise JudgmentError(
        f"{path}: no judgments format recognised in the first line {first[:80]!r}{found}",
        allowed=FORMATS,
        fix="name the columns in a header line, such as query,docid,rating",
    )


def _read_table(table: Iterable[Row], path: Path, texts: dict[str, str] | None) -> Iterator[tuple[str, Judgment]]:
    for line, cells in table:
        place = f"{path}, line {line}"
        query_id, query = cells.get("query_id", ""), cells.get("query", "")
        if "query_id" in cells and not query_id.strip():
            raise JudgmentError(f"{place}: the query_id is empty", fix="complete the line or leave the column out")
        if "query_id" not in cells:
            query_id = run_name(query)
        if not query_id:
            raise JudgmentError(f"{place}: the query is empty", fix="complete or remove the line")
        if "query" not in cells and texts:
            query = texts.get(query_id, "")
        if not cells["product_id"].strip():
            raise JudgmentError(f"{place}: the product id is empty", fix="complete or remove the line")
        yield place, Judgment(query_id, query, cells["product_id"], parse_grade(cells["grade"], place))


def is_trec_line(line: str) -> bool:
    """Whether a line has the four columns of TREC qrels, the second and fourth numbers."""
    parts = line.split()
    return len(parts) == 4 and (parts[1].isdigit() or parts[1] == "Q0") and bool(_GRADE.fullmatch(parts[3]))


def _read_trec(lines: Sequence[str], path: Path) -> Iterator[tuple[str, Judgment]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place, parts = f"{path}, line {number}", line.split()
        if len(parts) != 4:
            raise JudgmentError(
                f"{place}: {len(parts)} columns: {line[:80]!r}",
                allowed="the four of TREC qrels: query_id 0 docid rating",
            )
        yield place, Judgment(parts[0], "", parts[2], parse_grade(parts[3], place))


def parse_grade(text: str, place: str) -> float:
    """A grade as a finite number.

    Raises:
        JudgmentError: It is none.
    """
    grade = float(text) if _GRADE.fullmatch(text.strip()) else math.nan
    if not math.isfinite(grade):
        raise JudgmentError(
            f"{place}: the rating {text[:40]!r} is not a number",
            allowed=f"such as 0, 3 or 2.5; in a table also {NAMES}, in every row",
        )
    return grade


def _collect(found: Iterable[tuple[str, Judgment]], path: Path, named: bool) -> Judgments:
    seen: dict[tuple[str, str], tuple[str, Judgment]] = {}
    texts: dict[str, tuple[str, str]] = {}
    repeated = 0
    for place, judgment in found:
        key = (judgment.query_id, judgment.product_id)
        earlier_place, earlier = seen.setdefault(key, (place, judgment))
        if earlier is not judgment:
            repeated += 1
            if earlier.grade != judgment.grade:
                raise JudgmentError(
                    f"{place}: query {judgment.query_id[:80]!r}, product {judgment.product_id[:80]!r} is rated "
                    f"{judgment.grade:g}, but {earlier.grade:g} at {earlier_place}",
                    fix="keep one rating for each query and product",
                )
        text_place, text = texts.setdefault(judgment.query_id, (place, judgment.query))
        if text != judgment.query and run_name(text) != run_name(judgment.query):
            raise JudgmentError(
                f"{place}: query_id {judgment.query_id[:80]!r} is {judgment.query[:80]!r}, but {text[:80]!r} at "
                f"{text_place}",
                fix="give each query text its own query_id",
            )
    if not seen:
        raise JudgmentError(f"{str(path)!r} has a header but no judgments", allowed=FORMATS)
    return Judgments(tuple(judgment for _, judgment in seen.values()), repeated, ESCI.gains if named else ())


def _texts_beside(qrels: Path) -> dict[str, str]:
    """Query texts of a ``queries.jsonl`` beside a BEIR qrels file or in the folder above; none if there is none."""
    for folder in (qrels.absolute().parent, qrels.absolute().parent.parent):
        for name in ("queries.jsonl", "queries.jsonl.gz"):
            if (folder / name).is_file():
                return dict(read_jsonl_queries(folder / name))
    return {}


def read_jsonl_queries(path: Path) -> list[tuple[str, str]]:
    """Id and text of each line of a BEIR ``queries.jsonl``.

    Raises:
        JudgmentError: A line is not an object with ``_id`` and ``text``.
    """
    found = []
    for number, line in enumerate(lines_of(read_text(path, "queries")), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            query_id, text = entry["_id"], entry["text"]
        except (ValueError, KeyError, TypeError):
            query_id = text = None
        if not isinstance(text, str) or not isinstance(query_id, str | int) or not str(query_id).strip():
            raise JudgmentError(
                f"{path}, line {number}: {line[:80]!r}", allowed='lines such as {"_id": "1", "text": "..."}'
            )
        found.append((str(query_id), text))
    return found
