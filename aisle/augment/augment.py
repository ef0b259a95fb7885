"""Judged pairs to changed ones, each with its provenance and what its grade may be now. Knows no model.

A held-out query is refused, in any spelling, and none is made by accident: what is changed is training data, never what
judges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from aisle.augment.change import Change, Effect, Provenance, Side
from aisle.augment.text.brands import BrandSwapped
from aisle.augment.text.rewrite import Rewritten
from aisle.errors import JudgmentError
from aisle.judgments.matching import run_name
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.judgments.split import query_key

TRIES = 5
"""How often a change is drawn anew where it gave a text that is there already."""


@dataclass(frozen=True, slots=True)
class Augmented:
    """A changed pair, and what made it.

    Its grade is that of its source where the change keeps it, at most `lowered` where the change lowers it, and None
    where only a judge can tell.
    """

    pair: TextPair
    provenance: Provenance


def augmented(
    pairs: PairSet,
    changes: Mapping[Side, Sequence[Change]],
    copies: int,
    seed: int,
    held_out: Sequence[str] = (),
) -> list[Augmented]:
    """For each pair so many changed ones, each by one of the changes, in the order of the pairs.

    A query is changed for all of its pairs alike, so that they stay a list. Where nothing can be changed nothing comes
    back, nor where another query would come out. The same pairs, changes and seed give the same.

    Args:
        pairs: To learn from.
        changes: Side to those that may be made there; every one must fit its side.
        copies: Of each query's list.
        seed: Of the draws.
        held_out: Texts of queries that judge.

    Raises:
        JudgmentError: A query is held out, a change does not fit, or there is none.
    """
    judging = {query_key(text) for text in held_out}
    refuse_held_out(pairs, held_out)
    _refuse(changes, copies)
    every: list[tuple[Side, Change]] = [(side, change) for side, some in changes.items() for change in some]
    texts = {pair.query for pair in pairs}
    found: list[Augmented] = []
    for rows in pairs.by_query().values():
        query = pairs[rows[0]].query
        for copy in range(copies):
            rng = Random(f"{seed}:{query_key(query)}:{query}:{copy}")
            side, change = rng.choice(every)
            if side == "title":
                found += _titles(pairs, rows, change, rng, (copy, seed))
                continue
            tries = (change.apply(query, rng) for _ in range(TRIES))
            new = next((text for text in tries if text and text not in texts), None)
            if new is not None and query_key(new) not in judging:
                texts.add(new)
                found += _asked(pairs, rows, change, new, seed)
    return found


def lowered(grade: float | None, scale: Scale | None) -> float | None:
    """A grade that holds no more: half of the way up at most, rounded down to a whole level; a lower one stays."""
    if grade is None or scale is None:
        return None
    return min(grade, scale.low + math.floor((scale.high - scale.low) / 2))


def refuse_held_out(pairs: PairSet, held_out: Sequence[str]) -> None:
    """See that no query is, in any spelling, one that judges.

    Raises:
        JudgmentError: One is.
    """
    judging = {query_key(text) for text in held_out}
    asked = dict.fromkeys(pair.query for pair in pairs) if judging else {}
    held = next((query for query in asked if query_key(query) in judging), None)
    if held is not None:
        raise JudgmentError(
            f"query {held[:80]!r} is held out",
            fix="augment the training part only; a changed query that judges is a leak",
        )


def _refuse(changes: Mapping[Side, Sequence[Change]], copies: int) -> None:
    if copies < 1 or not any(changes.values()):
        raise JudgmentError(
            f"{copies} copies of {sum(map(len, changes.values()))} changes", allowed="1 or more of each"
        )
    for side, some in changes.items():
        wrong = next((change for change in some if side not in change.sides), None)
        if wrong is not None:
            raise JudgmentError(
                f"{wrong.name!r} changes no {side}", allowed=f"changes of a {side}; this one is of a {min(wrong.sides)}"
            )


def _asked(pairs: PairSet, rows: Sequence[int], change: Change, query: str, seed: int) -> list[Augmented]:
    """A list under another query."""
    found = []
    for row in rows:
        pair = pairs[row]
        effect = _effect(change, pair, query)
        if effect is None:
            continue
        made = replace(pair, query_id=run_name(query), query=query, grade=_grade(pair, effect, pairs.scale))
        come = Provenance(_name(pair), (f"{change.name}@query",), effect, seed, _detail(change))
        found.append(Augmented(made, come))
    return found


def _titles(
    pairs: PairSet, rows: Sequence[int], change: Change, rng: Random, drawn: tuple[int, int]
) -> list[Augmented]:
    """The list again with changed titles; a title that cannot be changed is left out."""
    copy, seed = drawn
    found = []
    for row in rows:
        pair = pairs[row]
        title = change.apply(pair.title, rng)
        if title is None or title == pair.title:
            continue
        name = f"{pair.doc_id}~{change.name}{copy}"
        made = replace(pair, doc_id=name, title=title, grade=_grade(pair, change.effect, pairs.scale))
        come = Provenance(_name(pair), (f"{change.name}@title",), change.effect, seed, _detail(change))
        found.append(Augmented(made, come))
    return found


def _effect(change: Change, pair: TextPair, query: str) -> Effect | None:
    """Of this change on this pair; None where the pair says nothing any more.

    Another brand is asked for: a product of the old brand falls, one of the new brand nobody has judged, and one of
    neither was wrong about the brand before and still is.
    """
    if not isinstance(change, BrandSwapped):
        return change.effect
    there = {word.text.casefold() for word in change.brands.found(pair.title)}
    old = {word.text.casefold() for word in change.brands.found(pair.query)}
    new = {word.text.casefold() for word in change.brands.found(query)} - old
    if there & new or (pair.description and new & {w.text.casefold() for w in change.brands.found(pair.description)}):
        return None
    return "lowers"


def _grade(pair: TextPair, effect: Effect, scale: Scale | None) -> float | None:
    if effect == "keeps":
        return pair.grade
    return lowered(pair.grade, scale) if effect == "lowers" else None


def _detail(change: Change) -> str:
    return change.model if isinstance(change, Rewritten) else ""


def _name(pair: TextPair) -> str:
    return f"{pair.query_id}/{pair.doc_id}"
