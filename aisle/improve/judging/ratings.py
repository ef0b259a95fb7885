"""Who gave what: the grades of several raters of the same pairs, from files of any form, and how far they agree.

Knows grades and files, no queue and no language model.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from aisle.errors import JudgmentError
from aisle.evaluate.agreement import (
    AgainstAnchors,
    Agreed,
    Floats,
    Level,
    Weights,
    against_anchors,
    alpha_interval,
    fleiss_interval,
    kappa_interval,
)
from aisle.judgments import Judgments, read_judgments
from aisle.judgments.files import lines_of, read_text
from aisle.judgments.given import Judged, JudgmentFile, key_of
from aisle.judgments.pairs import read_pairs
from aisle.judgments.read import parse_grade, place_of
from aisle.judgments.tables import SYNONYMS, Header, find_header, named_header, places_of, rows
from aisle.types import Judgment

WEIGHTS: tuple[Weights, ...] = ("none", "linear", "quadratic")
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")
LEAST_PAIRS = 2
Pair = tuple[str, str]
"""Key of a query, and id of a product."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """A table of grades.

    Attributes:
        pairs: What was rated, in the order in which it first came.
        raters: Who rated.
        grades: ``(pairs, raters)``, NaN where there is none.
        texts: Key of a query to the query as it was first written.
    """

    pairs: tuple[Pair, ...]
    raters: tuple[str, ...]
    grades: Floats
    texts: dict[str, str]

    @classmethod
    def of(cls, judged: Iterable[Judged]) -> Ratings:
        """From single judgments; those without a judge's name are left out."""
        given = [one for one in judged if one.judge]
        raters = {name: place for place, name in enumerate(sorted({one.judge for one in given}))}
        pairs: dict[Pair, int] = {}
        texts: dict[str, str] = {}
        for one in given:
            pairs.setdefault((key_of(one.query), one.product_id), len(pairs))
            texts.setdefault(key_of(one.query), one.query)
        grades = np.full((len(pairs), len(raters)), np.nan)
        for one in given:
            grades[pairs[key_of(one.query), one.product_id], raters[one.judge]] = one.grade
        return cls(tuple(pairs), tuple(raters), grades, texts)

    @property
    def groups(self) -> list[str]:
        """The query of each pair: what a bootstrap draws."""
        return [query for query, _ in self.pairs]

    def of_rater(self, name: str) -> Floats:
        """``(pairs,)`` grades of one rater."""
        return np.asarray(self.grades[:, self.raters.index(name)])

    def spread(self) -> Floats:
        """``(pairs,)`` the highest grade less the lowest; 0 of a pair that one rater judged."""
        given = ~np.isnan(self.grades)
        high = np.where(given, self.grades, -np.inf).max(1)
        low = np.where(given, self.grades, np.inf).min(1)
        return np.asarray(high - low)


@dataclass(frozen=True, slots=True)
class TwoRaters:
    """Two raters over the pairs that both judged; ``kappa`` by its weights."""

    first: str
    second: str
    pairs: int
    same: float
    kappa: dict[Weights, Agreed]


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """How far raters agree.

    Attributes:
        pairs: Rated pairs.
        queries: Of them.
        raters: Rater to pairs.
        shared: Pairs that two raters or more judged.
        two: Every two raters with pairs in common, those with the most first.
        fleiss: Of the pairs that all raters judged; None where there are none or one rater.
        alpha: Krippendorff's, by level.
        anchors: Rater to precision and recall against the anchors, and the weighted kappa with them.
    """

    pairs: int
    queries: int
    raters: dict[str, int]
    shared: int
    two: tuple[TwoRaters, ...]
    fleiss: Agreed | None
    alpha: dict[Level, Agreed]
    anchors: dict[str, tuple[AgainstAnchors, Agreed]]

    @property
    def compares(self) -> bool:
        """Whether any two raters, or a rater and the anchors, have enough pairs in common for a figure."""
        alike = any(one.value is not None for one in self.alpha.values())
        return bool(self.two) or alike or any(against.same.of for against, _ in self.anchors.values())

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        plain = asdict(self)
        plain["anchors"] = {
            name: {"against": anchored_to_dict(found), "kappa": asdict(kappa)}
            for name, (found, kappa) in self.anchors.items()
        }
        return plain


def anchored_to_dict(found: AgainstAnchors) -> dict[str, Any]:
    """Shares with their values and intervals, as plain data."""
    shares = [
        {"grade": one.grade}
        | {
            name: {"hits": share.hits, "of": share.of, "value": share.value, "interval": list(share.interval)}
            for name, share in (("precision", one.precision), ("recall", one.recall))
        }
        for one in found.grades
    ]
    return {"scale": list(found.scale), "table": found.table, "same": found.same.value, "grades": shares}


def agreement(ratings: Ratings, scale: Sequence[float], anchors: Iterable[Judgment] = ()) -> AgreementReport:
    """Every figure, with intervals over queries.

    Raises:
        InputError: A grade is not on the scale.
    """
    given = ~np.isnan(ratings.grades)
    groups = ratings.groups
    two = []
    for first, second in combinations(range(len(ratings.raters)), 2):
        both = given[:, first] & given[:, second]
        if both.sum() < LEAST_PAIRS:
            continue
        ours, theirs = ratings.grades[:, first], ratings.grades[:, second]
        kappa = {weights: kappa_interval(ours, theirs, scale, weights, groups) for weights in WEIGHTS}
        same = float((ours[both] == theirs[both]).mean())
        two.append(TwoRaters(ratings.raters[first], ratings.raters[second], int(both.sum()), same, kappa))
    whole = len(ratings.raters) > 1 and bool(given.all(1).any())
    return AgreementReport(
        pairs=len(ratings.pairs),
        queries=len(set(groups)),
        raters={name: int(given[:, place].sum()) for place, name in enumerate(ratings.raters)},
        shared=int((given.sum(1) > 1).sum()),
        two=tuple(sorted(two, key=lambda one: (-one.pairs, one.first, one.second))),
        fleiss=fleiss_interval(ratings.grades, scale, groups) if whole else None,
        alpha={level: alpha_interval(ratings.grades, scale, level, groups) for level in LEVELS},
        anchors=_anchored(ratings, scale, anchors),
    )


def _anchored(
    ratings: Ratings, scale: Sequence[float], anchors: Iterable[Judgment]
) -> dict[str, tuple[AgainstAnchors, Agreed]]:
    right = {(key_of(one.query), one.product_id): one.grade for one in anchors}
    if not right:
        return {}
    values = np.array([right.get(pair, np.nan) for pair in ratings.pairs])
    return {
        name: (
            against_anchors(values, ratings.of_rater(name), scale),
            kappa_interval(values, ratings.of_rater(name), scale, "quadratic", ratings.groups),
        )
        for name in ratings.raters
    }


# --- files -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Allowed:
    """Grades that files may give: 0 to the highest, whole ones alone or those between, too."""

    highest: int
    between: bool = False

    def check(self, grade: float, place: Callable[[], str]) -> None:
        """Refuse a grade that is none of them.

        Raises:
            JudgmentError: It is not; the message begins with the place.
        """
        if 0 <= grade <= self.highest and (self.between or grade == int(grade)):
            return
        whole = ", ".join(map(str, range(self.highest + 1)))
        raise JudgmentError(
            f"{place()}: the grade {grade:g}",
            allowed=f"0 to {self.highest}" if self.between else whole,
            fix="correct it, or name the highest grade of the scale with --highest",
        )


def read_given(paths: Sequence[Path], columns: Sequence[str] = (), allowed: Allowed | None = None) -> list[Judged]:
    """The judgments of files, each with its rater.

    A file of JSON lines is the store of the service and the terminal, and names its raters. Any other file of judgments
    is one rater's, who has the file's name; with ``columns`` it is a table with one column a rater.

    Args:
        paths: The files.
        columns: Raters' columns.
        allowed: Grades that there may be; None for any.

    Raises:
        JudgmentError: A file cannot be read, a column is missing, a grade is not allowed, or two files would be the
            same rater's.
    """
    found: list[Judged] = []
    seen: dict[str, Path] = {}
    for path in paths:
        text = "" if path.is_dir() else read_text(path, "judgments")
        if text.lstrip().startswith("{"):
            file = JudgmentFile(path)
            for one in file.read():
                if allowed is not None:
                    allowed.check(one.grade, partial(_line, file, one))
                found.append(one)
        elif columns:
            found += _of_columns(path, text, columns, allowed)
        else:
            name = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
            if seen.setdefault(name, path) != path:
                raise JudgmentError(
                    f"{str(seen[name])!r} and {str(path)!r} would both be the rater {name!r}", fix="rename one"
                )
            found += [
                Judged(one.query or one.query_id, one.product_id, one.grade, name)
                for one in _checked(read_judgments(path), path, allowed)
            ]
    return found


def _line(file: JudgmentFile, one: Judged) -> str:
    return f"{file.path}, line {file.line_of(one)}"


def _checked(found: Judgments, path: Path, allowed: Allowed | None) -> Judgments:
    if allowed is not None:
        for one in found:
            allowed.check(one.grade, partial(place_of, path, one))
    return found


def rater_columns(paths: Sequence[Path], scale: Sequence[float]) -> list[str]:
    """Columns of tables that look like raters: grades of the scale and no other meaning; none where fewer than two do.

    The column that is read as the judgments' grade is not among them: it is what the raters' grades were made into.

    Raises:
        JudgmentError: A file cannot be read.
    """
    found: dict[str, None] = {}
    for path in paths:
        lines = lines_of("" if path.is_dir() else read_text(path, "judgments"))
        header = find_header(lines[0]) if lines else None
        if header is None:
            continue
        table = list(csv.reader(lines, delimiter=header.delimiter))
        for place, name in enumerate(table[0]):
            cells = [row[place] for row in table[1:] if place < len(row) and row[place].strip()]
            if place not in header.columns.values() and cells and all(_is_grade(cell, scale) for cell in cells):
                found.setdefault(name.strip())
    return list(found) if len(found) > 1 else []


def _is_grade(cell: str, scale: Sequence[float]) -> bool:
    try:
        return parse_grade(cell, "") in scale
    except JudgmentError:
        return False


def read_anchors(path: Path, allowed: Allowed | None = None) -> list[Judgment]:
    """Judgments that are taken for right: a judgments file, or a file of pairs with grades.

    Args:
        path: The file.
        allowed: Grades that there may be; None for any.

    Raises:
        JudgmentError: It is neither, or a grade is not allowed.
    """
    try:
        found = read_judgments(path)
    except JudgmentError as error:
        try:
            pairs = read_pairs(path, need_grades=True)
        except JudgmentError:
            raise error from None
        if allowed is not None:
            for one in pairs:
                allowed.check(
                    one.grade or 0.0, partial("{}, {!r} of {!r}".format, path, one.title[:40], one.query[:40])
                )
        return [Judgment(one.query_id, one.query, one.doc_id, one.grade or 0.0) for one in pairs]
    return list(_checked(found, path, allowed))


def _of_columns(path: Path, text: str, columns: Sequence[str], allowed: Allowed | None) -> list[Judged]:
    """A table with a column for each rater; an empty cell is no grade."""
    header = _rater_header(text, columns, path)
    found = []
    for line, cells in rows(text, header, path):
        query = cells.get("query") or cells.get("query_id", "")
        for name in columns:
            cell = cells[f"rater {name}"]
            if cell.strip():
                grade = parse_grade(cell, f"{path}, line {line}")
                if allowed is not None:
                    allowed.check(grade, partial("{}, line {}, column {!r}".format, path, line, name))
                found.append(Judged(query, cells.get("product_id", str(line)), grade, name))
    return found


def _rater_header(text: str, columns: Sequence[str], path: Path) -> Header:
    """Where the query, the product and each rater stand; none of the other columns need be a grade."""
    formats = "query, docid, and a column for each rater"
    mark, names = named_header(text, {name: (name,) for name in columns}, path, formats)
    names = [name.strip() for name in names]
    missing = next((name for name in columns if name not in names), None)
    if missing is not None:
        raise JudgmentError(f"{path}: no column {missing!r}", allowed=", ".join(names)[:300])
    others = ["" if name in columns else name for name in names]
    places = places_of(others, {meaning: SYNONYMS[meaning] for meaning in ("query_id", "query", "product_id")})
    if not ({"query", "query_id"} <= places.keys() or ("product_id" in places and len(places) > 1)):
        there = ", ".join(repr(name[:40]) for name in names)
        raise JudgmentError(f"{path}: the columns {there[:300]} do not name the query and the product", allowed=formats)
    return Header(mark, places | {f"rater {name}": names.index(name) for name in columns})
