"""The scale of a file's grades: numbers from the least to the highest there is, or the four classes of ESCI by name.

Knows grades, not texts or queries.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aisle.errors import JudgmentError

Row = tuple[int, dict[str, str]]
"""Line number and cells by meaning."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The least and the highest grade there is. A grade's level is ``grade - low``.

    Attributes:
        low: Grade of level 0.
        high: The best.
        gains: What level 0, 1, 2, ... is worth, where that is not 2^level - 1.

    Raises:
        JudgmentError: An end is no number, or ``low`` is above ``high``.
    """

    low: float
    high: float
    gains: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise JudgmentError(
                f"a scale of grades from {self.low:g} to {self.high:g}", allowed="numbers, the lower one first"
            )

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Read ``LOW:HIGH``.

        Raises:
            JudgmentError: It is not two numbers, the lower one first.
        """
        low, _, high = text.partition(":")
        try:
            found = cls(float(low), float(high))
        except ValueError:
            found = None
        if found is None or found.low == found.high:
            raise JudgmentError(f"the scale {text[:40]!r}", allowed="LOW:HIGH, two different numbers such as 1:4")
        return found

    def check(self, grade: float, place: str) -> None:
        """Refuse a grade that the scale does not have.

        Raises:
            JudgmentError: It is outside.
        """
        if not self.low <= grade <= self.high:
            raise JudgmentError(f"{place}: the grade {grade:g}", allowed=f"{self.low:g} to {self.high:g}, as declared")


CLASSES = ("Irrelevant", "Complement", "Substitute", "Exact")
ESCI = Scale(0.0, 3.0, (0.0, 0.01, 0.1, 1.0))
"""The classes as grades 0 to 3, worth what the paper of the Shopping Queries data set says (Reddy et al. 2022)."""
NAMES = "Exact, Substitute, Complement, Irrelevant, or E, S, C, I"
_GRADES = {name.casefold(): grade for grade, whole in enumerate(CLASSES) for name in (whole, whole[0])}


def declared(path: Path, scale: Scale | None, named: bool) -> Scale | None:
    """The scale of a file's grades that need not be found: that of the classes where they are names, or what is given.

    Raises:
        JudgmentError: Grades are names, and another scale is declared.
    """
    if named and scale is not None and (scale.low, scale.high) != (ESCI.low, ESCI.high):
        raise JudgmentError(
            f"a scale from {scale.low:g} to {scale.high:g} for {str(path)!r}, whose grades are names",
            allowed="none, or 0 to 3: Irrelevant, Complement, Substitute, Exact",
        )
    return ESCI if named else scale


def levels_of(gains: tuple[float, ...]) -> list[float]:
    """The levels l of which 2^l - 1 is what grades 0, 1, 2, ... are worth."""
    return [math.log2(1 + gain) for gain in gains]


def named_grades(found: Iterable[Row], path: Path, meaning: str = "relevance") -> tuple[list[Row], bool]:
    """The rows with the classes' grades for their names; and whether the grades are names.

    Args:
        found: Of a file.
        path: The file.
        meaning: Of the cell that has the grade.

    Raises:
        JudgmentError: Some grades are names and others are not.
    """
    rows = list(found)
    graded = [(line, cells[meaning].strip()) for line, cells in rows if cells.get(meaning, "").strip()]
    first: dict[bool, tuple[int, str]] = {}
    for line, cell in graded:
        first.setdefault(cell.casefold() in _GRADES, (line, cell))
    if True not in first:
        return rows, False
    if False in first:
        (line, cell), (named, name) = first[False], first[True]
        raise JudgmentError(
            f"{path}, line {line}: the {meaning} {cell[:40]!r}, but {name!r} at line {named}",
            allowed=f"one of {NAMES} in every row, or a number in every row",
        )
    return [(line, cells | {meaning: _grade(cells.get(meaning, ""))}) for line, cells in rows], True


def _grade(cell: str) -> str:
    return str(_GRADES[cell.strip().casefold()]) if cell.strip() else ""
