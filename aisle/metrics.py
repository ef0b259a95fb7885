"""Ranking metrics: their names, what the names mean, and one function for each.

Knows grades in ranked order and nothing else: no queries, products, files or averages.

A function gets ``ranked``, the grades of the returned products in order, None where a product is not judged, and
``judged``, the grades of all judged products of the query. A negative grade counts as not relevant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from aisle.errors import MetricError

Name = Literal["nDCG", "MAP", "MRR", "P", "R", "ERR", "judged"]
Treatment = Literal["wrong", "removed"]
Grades = Sequence[float | None]

TREATMENTS: tuple[Treatment, ...] = ("wrong", "removed")
TREATMENT_MEANING: dict[Treatment, str] = {
    "wrong": "unjudged products count as not relevant",
    "removed": "unjudged products are taken out of the ranking first (judged products only; Sakai 2007)",
}

_NAMES: dict[str, Name] = {
    "ndcg": "nDCG",
    "map": "MAP",
    "ap": "MAP",
    "mrr": "MRR",
    "rr": "MRR",
    "p": "P",
    "precision": "P",
    "r": "R",
    "recall": "R",
    "err": "ERR",
    "judged": "judged",
}
_PARAMETER: dict[Name, str] = {"nDCG": "gain", "MAP": "rel", "MRR": "rel", "P": "rel", "R": "rel", "ERR": "max"}
_NEEDS_CUTOFF = ("P", "R")
_SYNTAX = re.compile(r"([A-Za-z]+)(?:\(\s*([A-Za-z]+)\s*=\s*([^()]+?)\s*\))?(?:@([0-9]{1,9}))?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_ALLOWED = "nDCG@10, nDCG(gain=linear)@10, nDCG(gain=0:0,1:1,2:3)@10, MAP, MRR@10, P(rel=2)@10, R@100, ERR, judged@10"
GDEVAL_MAX = 4.0
_HIGHEST = 60.0  # 2^grade stays exact; a scale beyond is a count or a percentage, not a grade


@dataclass(frozen=True, slots=True)
class Gain:
    """How a grade becomes a gain in nDCG: "exp2" is 2^grade-1, "linear" the grade, "map" a table.

    An unjudged product and a negative grade gain 0, whatever the table says of grade 0.
    """

    kind: Literal["exp2", "linear", "map"] = "exp2"
    table: tuple[tuple[float, float], ...] = ()

    def __call__(self, grade: float) -> float:
        """The gain of a judged grade.

        Raises:
            MetricError: The table has no entry for the grade, or the grade is too high for 2^grade.
        """
        if grade < 0:
            return 0.0
        if self.kind == "linear":
            return grade
        if self.kind == "exp2":
            if grade > _HIGHEST:
                raise MetricError(
                    f"gain 2^grade-1 met grade {_text(grade)}",
                    allowed=f"grades up to {_text(_HIGHEST)}",
                    fix="declare a gain: nDCG(gain=linear)@10, or a table such as nDCG(gain=0:0,50:1,100:3)@10",
                )
            return float(2.0**grade - 1.0)
        for known, gain in self.table:
            if known == grade:
                return gain
        raise MetricError(
            f"the gain map {self} says nothing of grade {_text(grade)}, which occurs in the judgments",
            fix=f"add it, such as {_text(grade)}:1",
        )

    def __str__(self) -> str:
        if self.kind == "map":
            return ",".join(f"{_text(grade)}:{_text(gain)}" for grade, gain in self.table)
        return self.kind


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with everything that changes its value. ``Metric.parse(str(metric)) == metric``.

    Attributes:
        name: Which one. MAP, MRR and so on name the value of one query too (AP, RR).
        cutoff: How many places of the ranking count; None for all.
        rel: The least grade that is relevant (MAP, MRR, P, R).
        gain: Grade to gain (nDCG).
        max_grade: Highest grade of the scale (ERR). The default 4 is what gdeval and ir_measures use.
    """

    name: Name
    cutoff: int | None = None
    rel: float = 1.0
    gain: Gain = Gain()
    max_grade: float = GDEVAL_MAX

    @classmethod
    def parse(cls, text: str, gains: Sequence[float] = ()) -> Metric:
        """Read a metric's name, such as ``nDCG@10``; upper and lower case are alike, AP, RR and Recall are known.

        Args:
            text: The name.
            gains: Of grades 0, 1, 2, ... that are classes, best last. A metric without a parameter then takes them:
                nDCG as a table, ``nDCG(gain=0:0,1:0.01,2:0.1,3:1)@10``; what counts relevant products counts the best
                class alone, ``MRR(rel=3)@10``. ERR stays as it is.

        Raises:
            MetricError: There is no such metric, or a parameter or cut-off is missing or wrong.
        """
        match = _SYNTAX.fullmatch(text.strip())
        name = _NAMES.get(match[1].casefold()) if match else None
        if match is None or name is None:
            raise MetricError(f"unknown metric {text!r}", allowed=_ALLOWED)
        _, parameter, value, digits = match.groups()
        cutoff = int(digits) if digits else None
        if cutoff == 0 or (cutoff is None and name in _NEEDS_CUTOFF):
            raise MetricError(f"metric {text!r} needs a cut-off of at least 1", allowed=f"{name}@10")
        if parameter is None:
            return cls(name, cutoff)._of_classes(gains)
        if _PARAMETER.get(name) != parameter.casefold():
            known = _PARAMETER.get(name)
            allowed = f"{name}({known}=...)" if known else f"{name} without parameters"
            raise MetricError(f"metric {text!r}: {name} has no parameter {parameter!r}", allowed=allowed)
        if name == "nDCG":
            return cls(name, cutoff, gain=_parse_gain(value, text))
        number = _parse_number(value, text)
        if name == "ERR":
            if not 1 <= number <= _HIGHEST:
                raise MetricError(f"metric {text!r}: highest grade {value}", allowed=f"1 to {_text(_HIGHEST)}")
            return cls(name, cutoff, max_grade=number)
        if number <= 0:
            raise MetricError(f"metric {text!r}: rel must be above 0, since grade 0 means not relevant")
        return cls(name, cutoff, rel=number)

    def __str__(self) -> str:
        parameter = ""
        if self.name == "nDCG" and self.gain.kind != "exp2":
            parameter = f"(gain={self.gain})"
        elif self.name == "ERR" and self.max_grade != GDEVAL_MAX:
            parameter = f"(max={_text(self.max_grade)})"
        elif self.rel != 1.0:
            parameter = f"(rel={_text(self.rel)})"
        return f"{self.name}{parameter}" + (f"@{self.cutoff}" if self.cutoff else "")

    def _of_classes(self, gains: Sequence[float]) -> Metric:
        if gains and self.name == "nDCG":
            return replace(self, gain=Gain("map", tuple((float(grade), gain) for grade, gain in enumerate(gains))))
        if gains and _PARAMETER.get(self.name) == "rel":
            return replace(self, rel=float(len(gains) - 1))
        return self

    @property
    def definition(self) -> str:
        """What the name stands for, in one line; printed wherever values are."""
        relevant = f"relevant: grade >= {_text(self.rel)}"
        gains = {"exp2": "2^grade-1", "linear": "the grade itself", "map": f"by table {self.gain}"}
        return {
            "nDCG": f"gain {gains[self.gain.kind]}, discount log2(rank+1), ideal from all judged products",
            "MAP": f"precision at each relevant product over all relevant products; {relevant}",
            "MRR": f"1/rank of the first relevant product; {relevant}",
            "P": f"relevant products over the cut-off; {relevant}",
            "R": f"relevant products found over all relevant products; {relevant}",
            "ERR": f"cascade (Chapelle et al. 2009), stops with (2^grade-1)/2^{_text(self.max_grade)}",
            "judged": "judged products over returned products, down to the cut-off",
        }[self.name]

    @property
    def treatments(self) -> tuple[Treatment, ...]:
        """How unjudged products may be treated; the judged share has a meaning on the full ranking only."""
        return ("wrong",) if self.name == "judged" else TREATMENTS

    def defined(self, judged: Sequence[float]) -> bool:
        """Whether a query with these judgments can be scored: it has a relevant product."""
        if not any(grade >= self.rel for grade in judged):
            return False
        return self.name != "nDCG" or any(self.gain(grade) > 0 for grade in judged)

    def score(self, ranked: Grades, judged: Sequence[float], unjudged: Treatment = "wrong") -> float:
        """The value for one query.

        Args:
            ranked: Grades of the returned products, best first; None where not judged.
            judged: Grades of all judged products of the query.
            unjudged: "wrong" counts unjudged products as not relevant, "removed" takes them out first.

        Raises:
            MetricError: A grade is outside the gain table or above the highest grade of ERR.
        """
        if unjudged == "removed" and self.name != "judged":
            ranked = [grade for grade in ranked if grade is not None]
        if self.name == "nDCG":
            return ndcg(ranked, judged, self.cutoff, self.gain)
        if self.name == "ERR":
            return expected_reciprocal_rank(ranked, judged, self.cutoff, self.max_grade)
        if self.name == "judged":
            return judged_share(ranked, judged, self.cutoff)
        return _BY_RELEVANCE[self.name](ranked, judged, self.cutoff, self.rel)


# --- one function for each ---------------------------------------------------------------------------------


def ndcg(ranked: Grades, judged: Sequence[float], cutoff: int | None, gain: Callable[[float], float]) -> float:
    """Discounted gain over that of the best possible ranking (Järvelin and Kekäläinen 2002; Burges et al. 2005)."""
    ideal = _discounted(sorted((gain(grade) for grade in judged), reverse=True)[:cutoff])
    found = _discounted([0.0 if grade is None else gain(grade) for grade in ranked[:cutoff]])
    return found / ideal if ideal > 0 else 0.0


def average_precision(ranked: Grades, judged: Sequence[float], cutoff: int | None, rel: float = 1.0) -> float:
    """Precision at each relevant place, summed, over the number of relevant products (all of them, also beyond k)."""
    hits, total = 0, 0.0
    for rank, grade in enumerate(ranked[:cutoff], start=1):
        if _relevant(grade, rel):
            hits += 1
            total += hits / rank
    relevant = _count(judged, rel)
    return total / relevant if relevant else 0.0


def reciprocal_rank(ranked: Grades, judged: Sequence[float], cutoff: int | None, rel: float = 1.0) -> float:
    """1/rank of the first relevant product, 0 if there is none."""
    return next((1 / rank for rank, grade in enumerate(ranked[:cutoff], start=1) if _relevant(grade, rel)), 0.0)


def precision(ranked: Grades, judged: Sequence[float], cutoff: int | None, rel: float = 1.0) -> float:
    """Relevant products among the first k, over k even where fewer came back."""
    places = len(ranked) if cutoff is None else cutoff
    return _count(ranked[:cutoff], rel) / places if places else 0.0


def recall(ranked: Grades, judged: Sequence[float], cutoff: int | None, rel: float = 1.0) -> float:
    """Relevant products among the first k, over all relevant products."""
    relevant = _count(judged, rel)
    return _count(ranked[:cutoff], rel) / relevant if relevant else 0.0


def expected_reciprocal_rank(
    ranked: Grades, judged: Sequence[float], cutoff: int | None, max_grade: float = GDEVAL_MAX
) -> float:
    """Expected 1/rank of the place where a shopper stops (Chapelle et al. 2009); equal to gdeval with its 4.

    Raises:
        MetricError: A judged grade is above ``max_grade``.
    """
    highest = max(judged, default=0.0)
    if highest > max_grade:
        raise MetricError(
            f"ERR with highest grade {_text(max_grade)} met grade {_text(highest)}",
            fix=f"declare the top of the scale: ERR(max={_text(highest)})",
        )
    looking, total = 1.0, 0.0
    for rank, grade in enumerate(ranked[:cutoff], start=1):
        if grade is not None and grade > 0:
            stops = (2.0**grade - 1.0) / 2.0**max_grade
            total += looking * stops / rank
            looking *= 1.0 - stops
    return total


def judged_share(ranked: Grades, judged: Sequence[float], cutoff: int | None) -> float:
    """Judged products over returned products, both down to k; 0 where nothing came back."""
    top = ranked[:cutoff]
    return sum(grade is not None for grade in top) / len(top) if top else 0.0


_BY_RELEVANCE: dict[str, Callable[[Grades, Sequence[float], int | None, float], float]] = {
    "MAP": average_precision,
    "MRR": reciprocal_rank,
    "P": precision,
    "R": recall,
}


def _discounted(gains: Sequence[float]) -> float:
    return math.fsum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1) if gain)


def _relevant(grade: float | None, rel: float) -> bool:
    return grade is not None and grade >= rel


def _count(grades: Grades, rel: float) -> int:
    return sum(_relevant(grade, rel) for grade in grades)


# --- names -------------------------------------------------------------------------------------------------


def _parse_gain(value: str, text: str) -> Gain:
    if value.casefold() in ("linear", "exp2"):
        return Gain("linear" if value.casefold() == "linear" else "exp2")
    table: dict[float, float] = {}
    for entry in value.split(","):
        grade, colon, gain = entry.partition(":")
        if not colon:
            raise MetricError(f"metric {text!r}: gain {entry!r}", allowed="gain=linear, gain=exp2, gain=0:0,1:1,2:3")
        key, number = _parse_number(grade, text), _parse_number(gain, text)
        if number < 0 or key < 0 or key in table:
            raise MetricError(f"metric {text!r}: gain {entry!r}", allowed="each grade from 0 once, gains of 0 or more")
        table[key] = number
    return Gain("map", tuple(sorted(table.items())))


def _parse_number(value: str, text: str) -> float:
    if not _NUMBER.fullmatch(value.strip()):
        raise MetricError(f"metric {text!r}: {value!r} is not a number", allowed="such as 2 or 0.5")
    return float(value)


def _text(number: float) -> str:
    """Short and exact, so that it parses back to the same number."""
    return format(Decimal(repr(number)).normalize(), "f")


def split_names(text: str) -> list[str]:
    """Names separated by commas, without splitting at commas inside brackets."""
    return [part.strip() for part in re.split(r",(?![^()]*\))", text) if part.strip()]
