"""Judged examples for a prompt: of the queries most like the one asked, never of that query, every answer alike often.

Knows pairs and an encoder, no language model.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aisle.errors import JudgmentError
from aisle.judgments.pairs import PairSet
from aisle.language.normalise import normalise
from aisle.rerankers.llm.prompts import Example
from aisle.types import Encoder, Product

AnswerOf = Callable[[float], str]
"""A grade as the file writes it, to the answer that it stands for."""


class Examples:
    """Chooses examples from graded pairs.

    Args:
        pairs: Graded, or not: pairs without a grade are left out.
        answer_of: What a grade's answer is.
        encoder: Says how alike two queries are.

    Raises:
        JudgmentError: All pairs have one answer.
    """

    def __init__(self, pairs: PairSet, answer_of: AnswerOf, encoder: Encoder) -> None:
        self._encoder = encoder
        rows: dict[str, list[int]] = {}
        self._answers = [answer_of(pair.grade) if pair.grade is not None else "" for pair in pairs]
        for row, pair in enumerate(pairs):
            if self._answers[row]:
                rows.setdefault(same(pair.query), []).append(row)
        self._kinds = sorted({answer for answer in self._answers if answer})
        if len(self._kinds) < 2:
            raise JudgmentError(
                f"the examples in {pairs.source!r} all have the answer {', '.join(self._kinds) or 'none'}",
                fix="name a file with different grades, or set `relevant` so that both answers occur",
            )
        self._pairs, self._queries, self._rows = pairs, list(rows), list(rows.values())
        self._vectors = encoder.encode([pairs[found[0]].query for found in self._rows], "query")

    def choose(self, query: str, count: int) -> list[Example]:
        """So many examples, the nearest query last: answers take turns, a query gives each once before any twice."""
        asked = same(query)
        likeness = self._vectors @ self._encoder.encode([query], "query")[0]
        near = [int(at) for at in np.argsort(-likeness, kind="stable") if self._queries[at] != asked]
        chosen: list[int] = []
        used: dict[tuple[int, str], int] = {}
        for turn in range(count):
            wanted = self._kinds[turn % len(self._kinds)]
            row = self._next(near, wanted, chosen, used)
            if row is None:
                others = (self._next(near, kind, chosen, used) for kind in self._kinds)
                row = next((found for found in others if found is not None), None)
            if row is not None:
                chosen.append(row)
        return [Example(self._pairs[row].query, self._product(row), self._answers[row]) for row in reversed(chosen)]

    def _next(self, near: list[int], answer: str, chosen: list[int], used: dict[tuple[int, str], int]) -> int | None:
        """A row with this answer, of the nearest query that gave it least often."""
        for at in sorted(near, key=lambda at: used.get((at, answer), 0)):
            row = next((row for row in self._rows[at] if self._answers[row] == answer and row not in chosen), None)
            if row is not None:
                used[at, answer] = used.get((at, answer), 0) + 1
                return row
        return None

    def _product(self, row: int) -> Product:
        pair = self._pairs[row]
        return Product(pair.doc_id, pair.title, pair.description)


def same(query: str) -> str:
    """What makes two queries the same one."""
    return normalise(query).casefold()
