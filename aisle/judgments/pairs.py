"""Queries and texts side by side in one file, with or without grades: a table with a header, or JSON Lines.

For texts that belong to no catalogue. Knows no model and no metric. Grades stay as the file writes them; a scale says
where they begin, so that levels count from 0 whatever the file's own scale is.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from aisle.errors import JudgmentError
from aisle.judgments.files import lines_of, read_text
from aisle.judgments.matching import run_name
from aisle.judgments.read import Judgments, parse_grade
from aisle.judgments.scale import NAMES, Row, declared, levels_of, named_grades
from aisle.judgments.scale import Scale as Scale
from aisle.judgments.tables import SYNONYMS, Header, rows
from aisle.types import Judgment

MEANINGS: Mapping[str, tuple[str, ...]] = {
    "query_id": SYNONYMS["query_id"],
    "query": SYNONYMS["query"],
    "id": ("id",),  # a product's id may stand for several texts, and a text's may come back under many queries
    "title": ("title", "product_title", "text", "product_text", "name", "product_name", "item_title", "document",
              "doc_text", "passage"),
    "description": ("description", "product_description", "item_description", "desc"),
    "relevance": ("esci_label", *SYNONYMS["grade"]),
    "variance": ("relevance_variance", "variance", "rating_variance", "grade_variance", "label_variance"),
    "weight": ("sample_weight", "label_weight"),  # "weight" itself is more often what a product weighs
}  # fmt: skip
"""Column names by meaning, the surest first; compared without case, blanks, hyphens and underscores."""
LABELS = ("relevance", "variance", "weight")
"""Meanings that say how well a text fits, and not what it is."""

DESCRIPTION_CHARACTERS = 300
"""How much of a description is worth an encoder's input, which ends soon after."""

FORMATS = "a table with a header such as id,query,title,relevance (comma, semicolon or tab), or JSON Lines"


@dataclass(frozen=True, slots=True)
class TextPair:
    """A query and one text, with its grade as the file writes it and, where it says so, the raters' variance.

    Its weight is how much the grade counts in a training beside the others': 1 is as much as any, 0 not at all.
    """

    query_id: str
    query: str
    doc_id: str
    title: str
    description: str = ""
    grade: float | None = None
    variance: float | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PairSet(Sequence[TextPair]):
    """The pairs of a file in its order, each query and id once.

    Attributes:
        items: The pairs.
        scale: As declared, else that of the four classes where the file names them, else from the least to the highest
            grade in the file; None where there is none.
        source: Where they come from.
        numbered: Whether the ids are row numbers, because the file has no column ``id``.
    """

    items: tuple[TextPair, ...]
    scale: Scale | None
    source: str
    numbered: bool = False

    @overload
    def __getitem__(self, index: int) -> TextPair: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TextPair, ...]: ...
    def __getitem__(self, index: int | slice) -> TextPair | tuple[TextPair, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[TextPair]:
        return iter(self.items)

    def levels(self) -> NDArray[np.float64]:
        """``grade - low`` of every row, ``(n,)`` float64; NaN where there is no grade."""
        low = self.scale.low if self.scale else 0.0
        return np.array([math.nan if pair.grade is None else pair.grade - low for pair in self.items], np.float64)

    def weights(self) -> NDArray[np.float64]:
        """How much each row's grade counts in a training, ``(n,)``; 1 where the file does not say."""
        return np.array([pair.weight for pair in self.items], np.float64)

    def counting(self) -> PairSet:
        """Without the rows of weight 0, as if the file had none of them, but for the scale.

        Raises:
            JudgmentError: No other row is there.
        """
        kept = [row for row, pair in enumerate(self.items) if pair.weight > 0]
        if self.items and not kept:
            raise JudgmentError(f"every pair of {self.source!r} has weight 0", allowed="some pairs above 0")
        return self if len(kept) == len(self.items) else self.subset(kept)

    def by_gain(self) -> PairSet:
        """The same where 2^level - 1 is what the scale says a grade is worth; itself where it says nothing."""
        if self.scale is None or not self.scale.gains:
            return self
        levels = levels_of(self.scale.gains)
        low = self.scale.low
        items = tuple(
            pair if pair.grade is None else replace(pair, grade=levels[int(pair.grade - low)], variance=None)
            for pair in self.items
        )
        return replace(self, items=items, scale=Scale(levels[0], levels[-1]))

    def by_query(self) -> dict[str, list[int]]:
        """Query id to its rows, both in file order."""
        found: dict[str, list[int]] = {}
        for row, pair in enumerate(self.items):
            found.setdefault(pair.query_id, []).append(row)
        return found

    def judgments(self) -> Judgments:
        """The graded rows as judgments, graded by level; rows without a grade are left out."""
        rated = [(pair, float(level)) for pair, level in zip(self.items, self.levels(), strict=True)]
        return Judgments(
            tuple(
                Judgment(pair.query_id, pair.query, pair.doc_id, level)
                for pair, level in rated
                if pair.grade is not None
            )
        )

    def subset(self, rows: Sequence[int]) -> PairSet:
        """The rows named, in the order named, on the same scale and under the same ids."""
        return PairSet(tuple(self.items[row] for row in rows), self.scale, self.source, self.numbered)


def pair_text(pair: TextPair, description: bool = False) -> str:
    """What a model reads of a pair: the title, or title and the beginning of the description."""
    if not (description and pair.description.strip()):
        return pair.title
    text = pair.description.strip()
    if len(text) > DESCRIPTION_CHARACTERS:
        kept, blank, _ = text[: DESCRIPTION_CHARACTERS + 1].rpartition(" ")
        text = kept if blank else text[:DESCRIPTION_CHARACTERS]  # Chinese has no blanks to cut at
    return f"{pair.title} {text}"


def read_pairs(
    path: Path,
    columns: Mapping[str, str] | None = None,
    scale: Scale | None = None,
    need_grades: bool = False,
    labels: bool = True,
) -> PairSet:
    """Read a file of pairs, plain or gzipped: comma, semicolon or tab with a header, or JSON Lines with such keys.

    A query is named as in a run: by its query_id where the file has one, else by its text with white space as ``_``.
    A text is named by the column ``id`` and by no other; without it by its row, from 0. Grades are numbers, or names
    of the four classes throughout, which become 0 (Irrelevant) to 3 (Exact) on the scale ``ESCI``.

    Args:
        path: The file; its format is known by content, not by name.
        columns: Meaning to column, for columns with other names than the usual; see ``MEANINGS``.
        scale: The scale of the grades. Without it the least grade that occurs is taken for the least there is: declare
            it for a file that may lack one.
        need_grades: Whether every row must have a grade, and the grades must differ.
        labels: Whether grades, their variance and their weights are read; else whatever stands there is passed over.

    Raises:
        JudgmentError: The file is unreadable or empty, lacks a column, has a malformed line, a grade outside the
            scale, an empty query or title, or the same query and id twice.
    """
    wanted = dict(columns or {})
    unknown = next((meaning for meaning in wanted if meaning not in MEANINGS), None)
    if unknown is not None:
        raise JudgmentError(f"a pair has no {unknown!r}", allowed=", ".join(MEANINGS))
    text = read_text(path, "pairs")
    read = _json_rows if text.lstrip().startswith("{") else _table_rows
    meanings, lines = read(text, wanted, path, MEANINGS if labels else MEANINGS.keys() - set(LABELS))
    if need_grades and "relevance" not in meanings:
        raise JudgmentError(
            f"{str(path)!r} has no grades: none of its columns is known as the relevance",
            fix="say which it is, such as relevance=COLUMN",
        )
    found, named = named_grades(lines, path)
    scale = declared(path, scale, named)
    pairs = _unique(found, scale, need_grades, path)
    grades = {pair.grade for pair in pairs if pair.grade is not None}
    if need_grades and len(grades) < 2:
        raise JudgmentError(
            f"all grades in {str(path)!r} are {grades.pop():g}", allowed="a file with at least two different grades"
        )
    if scale is None and grades:
        scale = Scale(min(grades), max(grades))
    return PairSet(pairs, scale, str(path), numbered="id" not in meanings)


def _unique(found: Iterable[Row], scale: Scale | None, need_grades: bool, path: Path) -> tuple[TextPair, ...]:
    pairs: list[TextPair] = []
    lines: dict[tuple[str, str], int] = {}
    texts: dict[str, tuple[int, str]] = {}
    for line, cells in found:
        place = f"{path}, line {line}"
        pair = _pair(cells, len(pairs), place)
        _check_grade(pair.grade, scale, need_grades, place)
        earlier = lines.setdefault((pair.query_id, pair.doc_id), line)
        if earlier != line:
            raise JudgmentError(
                f"{place}: id {pair.doc_id[:80]!r} of query {pair.query_id[:80]!r} stands at line {earlier} already",
                fix="keep one row for each query and id, or rename the column, so that rows are numbered",
            )
        first, text = texts.setdefault(pair.query_id, (line, pair.query))
        if text != pair.query and run_name(text) != run_name(pair.query):
            raise JudgmentError(
                f"{place}: query_id {pair.query_id[:80]!r} is {pair.query[:80]!r}, but {text[:80]!r} at line {first}",
                fix="give each query text its own query_id",
            )
        pairs.append(pair)
    if not pairs:
        raise JudgmentError(
            f"{str(path)!r} has a header but no pairs", fix="give at least one row with query and title"
        )
    return tuple(pairs)


def _pair(cells: Mapping[str, str], row: int, place: str) -> TextPair:
    for meaning in ("query", "title", "query_id", "id"):
        if meaning in cells and not cells[meaning].strip():
            raise JudgmentError(f"{place}: the {meaning} is empty", fix="complete or remove the line")
    query = cells["query"]
    grade = _number(cells, "relevance", place)
    return TextPair(
        query_id=cells.get("query_id", run_name(query)),
        query=query,
        doc_id=cells.get("id", str(row)),
        title=cells["title"],
        description=cells.get("description", ""),
        grade=grade,
        variance=_number(cells, "variance", place),
        weight=_weight(cells, place) if grade is not None else 1.0,
    )


def _number(cells: Mapping[str, str], meaning: str, place: str) -> float | None:
    cell = cells.get(meaning, "")
    if not cell.strip():
        return None
    try:
        return parse_grade(cell, place)
    except JudgmentError:
        raise JudgmentError(
            f"{place}: the {meaning} {cell[:40]!r} is not a number",
            allowed="such as 0, 3 or 2.5, or nothing" + (f"; or {NAMES} throughout" if meaning == "relevance" else ""),
        ) from None


def _weight(cells: Mapping[str, str], place: str) -> float:
    cell = cells.get("weight", "").strip()
    try:
        found = float(cell) if cell else 1.0
    except ValueError:
        found = math.nan
    if not (found >= 0 and math.isfinite(found)):
        raise JudgmentError(
            f"{place}: the weight {cell[:40]!r}",
            allowed="a number from 0, such as 0.25, or nothing, which is 1",
            fix="correct it; or name the column that holds weights of grades: --column weight=NAME",
        )
    return found


def _check_grade(grade: float | None, scale: Scale | None, needed: bool, place: str) -> None:
    if grade is None:
        if needed:
            raise JudgmentError(f"{place}: there is no grade", fix="grade the line or remove it")
    elif scale is not None:
        scale.check(grade, place)


# --- formats -----------------------------------------------------------------------------------------------


def _table_rows(
    text: str, wanted: Mapping[str, str], path: Path, read: Collection[str]
) -> tuple[dict[str, int], Iterator[Row]]:
    """Where the columns that are read are, and the rows below the header."""
    first = next(line for line in lines_of(text) if line.strip())
    try:
        headers = {mark: [name.strip() for name in next(csv.reader([first], delimiter=mark))] for mark in "\t,;"}
    except csv.Error as error:
        raise JudgmentError(f"{path}: the first line {first[:80]!r} is no header: {error}", allowed=FORMATS) from None
    fitting = (mark for mark, names in headers.items() if {"query", "title"} <= _places(names, wanted).keys())
    mark = next(fitting, max(headers, key=lambda mark: len(headers[mark])))
    places = _columns(headers[mark], wanted, path, read)
    return places, rows(text, Header(mark, places), path)


def _json_rows(
    text: str, wanted: Mapping[str, str], path: Path, read: Collection[str]
) -> tuple[dict[str, int], Iterator[Row]]:
    """Where the keys that are read are among all, and the objects; what an object lacks or has as null is empty."""
    entries: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(lines_of(text), start=1):
        if line.strip():
            entries.append((number, _entry(line, f"{path}, line {number}")))
    names = list(dict.fromkeys(name for _, entry in entries for name in entry))
    places = _columns(names, wanted, path, read)
    keys = {meaning: names[place] for meaning, place in places.items()}
    found = (
        (number, {meaning: _cell(entry.get(key), key, f"{path}, line {number}") for meaning, key in keys.items()})
        for number, entry in entries
    )
    return places, found


def _entry(line: str, place: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        raise JudgmentError(f"{place}: {line[:80]!r}", allowed='lines such as {"query": "usb hub", "title": "..."}')
    return entry


def _cell(value: object, key: str, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise JudgmentError(f"{place}: {key!r} is {str(value)[:40]!r}", allowed="a text or a number")
    cell = str(value)
    if not cell.isascii() and cell != cell.encode(errors="replace").decode():
        raise JudgmentError(f"{place}: {key!r} holds half of a character (a lone surrogate)", fix="write it whole")
    return cell


# --- columns -----------------------------------------------------------------------------------------------


def _columns(names: Sequence[str], wanted: Mapping[str, str], path: Path, read: Collection[str]) -> dict[str, int]:
    """Where each meaning to be read stands; what was said of columns must hold, queries and titles must be there."""
    places = _places(names, wanted)
    there = ", ".join(repr(name[:40]) for name in names)
    missing = next((meaning for meaning in wanted if meaning not in places), None)
    if missing is not None:
        raise JudgmentError(f"{path}: no column {wanted[missing]!r} for the {missing}", allowed=f"one of {there}")
    for meaning in ("query", "title"):
        if meaning not in places:
            raise JudgmentError(
                f"{path}: no column is known as the {meaning}; there are {there[:300]}",
                fix=f"say which it is, such as {meaning}=COLUMN, or name it {meaning!r} in the first line",
            )
    return {meaning: place for meaning, place in places.items() if meaning in read}


def _places(names: Sequence[str], wanted: Mapping[str, str]) -> dict[str, int]:
    """Meaning to position: what was asked for, then the usual names among the columns that are left."""
    folded = [_fold(name) for name in names]
    places: dict[str, int] = {}
    for meaning, name in wanted.items():
        if name in names:
            places[meaning] = names.index(name)
        elif _fold(name) in folded:
            places[meaning] = folded.index(_fold(name))
    for meaning, usual in MEANINGS.items():
        if meaning not in wanted:
            found = (folded.index(_fold(name)) for name in usual if _fold(name) in folded)
            place = next((place for place in found if place not in places.values()), None)
            if place is not None:
                places[meaning] = place
    return places


def _fold(name: str) -> str:
    return "".join(name.split()).replace("_", "").replace("-", "").casefold()
