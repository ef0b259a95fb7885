"""From the grades of several raters to one judgment a pair, with who said what. Knows grades and files."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_low
from typing import Literal

from aisle.errors import InputError, JudgmentError
from aisle.improve.judging.queue import LLM
from aisle.improve.judging.ratings import Pair
from aisle.improve.review import COLUMNS, row
from aisle.judgments.files import write_lines
from aisle.judgments.given import Judged, key_of
from aisle.judgments.pairs import TextPair, read_pairs
from aisle.types import Judgment

Rule = Literal["median", "majority", "mean"]
RULES: tuple[Rule, ...] = ("median", "majority", "mean")


@dataclass(frozen=True, slots=True)
class Decided:
    """One pair.

    Attributes:
        query: As it was first written.
        product_id: Of the product.
        grade: What counts; None where it is open.
        how: "one rater", "all agree", the rule, "adjudicator", or "open".
        given: Rater to grade.
    """

    query: str
    product_id: str
    grade: float | None
    how: str
    given: Mapping[str, float]

    @property
    def spread(self) -> float:
        """Between the highest and the lowest grade."""
        return max(self.given.values()) - min(self.given.values())


def adjudicate(
    judged: Iterable[Judged], rule: Rule = "median", adjudicator: str = "", open_from: float = math.inf
) -> list[Decided]:
    """Decide every pair, in the order in which pairs first came.

    The adjudicator's word decides. Else the raters' grades do: people's where a person judged the pair, language
    models' where none did.

    Args:
        judged: Of any raters; those without a name are one rater together.
        rule: "median": of an even number the lower of the middle two. "majority": more than half, else it is open.
            "mean": may lie between grades.
        adjudicator: A rater whose word is final.
        open_from: A pair whose grades lie so far apart is open, whatever the rule says.

    Raises:
        InputError: The rule is unknown.
    """
    if rule not in RULES:
        raise InputError(f"rule {rule!r}", allowed=", ".join(RULES))
    grades: dict[Pair, dict[str, float]] = {}
    texts: dict[Pair, str] = {}
    for one in judged:
        pair = (key_of(one.query), one.product_id)
        grades.setdefault(pair, {})[one.judge] = one.grade
        texts.setdefault(pair, one.query)
    found = []
    for pair, given in grades.items():
        grade, how = _decide(given, rule, adjudicator, open_from)
        found.append(Decided(texts[pair], pair[1], grade, how, given))
    return found


def _decide(given: Mapping[str, float], rule: Rule, adjudicator: str, open_from: float) -> tuple[float | None, str]:
    if adjudicator in given and adjudicator:
        return given[adjudicator], "adjudicator"
    people = [grade for name, grade in given.items() if not name.startswith(LLM)]
    values = people or list(given.values())
    if len(values) == 1:
        return values[0], "one rater"
    if len(set(values)) == 1:
        return values[0], "all agree"
    if max(values) - min(values) >= open_from:
        return None, "open"
    if rule == "mean":
        return math.fsum(values) / len(values), rule
    if rule == "median":
        return median_low(values), rule
    most = max(set(values), key=values.count)
    return (most, rule) if values.count(most) > len(values) / 2 else (None, "open")


def write_decided(path: Path, decided: Sequence[Decided], pairs: Sequence[TextPair] = ()) -> int:
    """Write what was decided as CSV: judgments that ``evaluate`` reads, and with ``pairs`` pairs that ``train`` reads.

    The columns after the grade say how it was decided and who gave what. Open pairs are left out.

    Args:
        path: The file.
        decided: Of `adjudicate`.
        pairs: Titles and descriptions; every decided pair must be among them.

    Returns:
        How many judgments were written.

    Raises:
        JudgmentError: The file cannot be written, nothing was decided, or a pair has no title.
    """
    texts = {(key_of(one.query), one.doc_id): one for one in pairs}
    named = any(one.query_id != one.query.replace(" ", "_") for one in pairs)
    head = ["query", "id", "title", "description", "rating"] if pairs else ["query", "docid", "rating"]
    lines = [[*(["query_id"] if named else []), *head, "decided_by", "given"]]
    for one in decided:
        if one.grade is None:
            continue
        cells = [one.query, one.product_id]
        if pairs:
            text = texts.get((key_of(one.query), one.product_id))
            if text is None:
                raise JudgmentError(
                    f"product {one.product_id!r} of query {one.query[:60]!r} is not among the pairs",
                    fix="give the pairs file that was judged, or none",
                )
            cells = [*([text.query_id] if named else []), text.query, one.product_id, text.title, text.description]
        said = "; ".join(f"{name or 'nobody'}={grade:g}" for name, grade in sorted(one.given.items()))
        lines.append([*cells, f"{one.grade:.15g}", one.how, said])
    if len(lines) == 1:
        raise JudgmentError("nothing is decided", fix="name a file with judgments, or another rule")
    write_lines(path, map(row, lines))
    return len(lines) - 1


def add_to_queue(path: Path, pairs: Iterable[tuple[TextPair, str]]) -> int:
    """Put pairs, each with why, into a pairs file for people; those that are there stay, and none comes twice.

    Returns:
        How many came new.

    Raises:
        JudgmentError: The file is no pairs file, or cannot be written.
    """
    there: Collection[TextPair] = read_pairs(path).items if path.exists() else ()
    known = {(key_of(one.query), one.doc_id) for one in there}
    head = [row([*COLUMNS, "why"])]
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if there else head
    if lines[0] != head[0]:
        raise JudgmentError(f"{str(path)!r} is no queue: its first line is {lines[0][:80]!r}", fix="name another file")
    if not lines[-1].endswith("\n"):  # edited by hand
        lines[-1] += "\n"
    before = len(known)
    for pair, why in pairs:
        if (key_of(pair.query), pair.doc_id) not in known:
            known.add((key_of(pair.query), pair.doc_id))
            lines.append(row([pair.query_id, pair.query, pair.doc_id, pair.title, pair.description, why]))
    if len(known) > before:
        write_lines(path, lines)
    return len(known) - before


def judgments(decided: Iterable[Decided]) -> list[Judgment]:
    """What was decided, as judgments; open pairs are left out."""
    return [Judgment(one.query, one.query, one.product_id, one.grade) for one in decided if one.grade is not None]
