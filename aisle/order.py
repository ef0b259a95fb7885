"""A list as retrieval gives it: ids and scores, the highest first, equal scores by id. Knows numbers and ids only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

Names = NDArray[np.object_]
"""Distinct ids, ascending, ``(n,)``: an id is known by its place."""
Rows = NDArray[np.int64]
Scores = NDArray[np.float64]


class Found(Sequence[tuple[str, float]]):
    """Products in the order of their scores; a sequence of ``(id, score)`` that is kept as columns.

    Args:
        names: Of all that could be found; lists with the same array are put together without looking at ids.
        rows: Which of them, ``(m,)``.
        scores: Of each, ``(m,)``.
    """

    __slots__ = ("names", "rows", "scores")

    def __init__(self, names: Names, rows: Rows, scores: Scores) -> None:
        self.names, self.rows, self.scores = names, rows, scores

    @classmethod
    def best(cls, names: Names, rows: Rows, scores: NDArray[np.floating[Any]], depth: int | None = None) -> Self:
        """The ``depth`` highest scores, in order.

        Args:
            names: Ascending.
            rows: Distinct and ascending, ``(m,)``.
            scores: Of the rows, no NaN.
            depth: At most so many; None: all.
        """
        order = np.argsort(-scores, kind="stable")[:depth]
        return cls(names, rows[order], scores[order].astype(np.float64))

    @property
    def ids(self) -> list[str]:
        """In order."""
        found: list[str] = self.names[self.rows].tolist()
        return found

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return zip(self.ids, self.scores.tolist(), strict=True)

    @overload
    def __getitem__(self, place: int) -> tuple[str, float]: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: int | slice) -> tuple[str, float] | Self:
        if isinstance(place, slice):
            return type(self)(self.names, self.rows[place], self.scores[place])
        return str(self.names[self.rows[place]]), float(self.scores[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def names_of(ids: Iterable[str]) -> Names:
    """Ids without doubles, ascending."""
    ordered = sorted(set(ids))
    found = np.empty(len(ordered), np.object_)
    found[:] = ordered
    return found


def on_one_scale(lists: Iterable[Sequence[tuple[str, float]]]) -> tuple[Names, list[Found]]:
    """The same lists with names in common."""
    every = list(lists)
    found = [items for items in every if isinstance(items, Found)]
    if found and len(found) == len(every) and all(items.names is found[0].names for items in found):
        return found[0].names, found
    names = names_of(product_id for items in every for product_id, _ in items)
    places = {product_id: place for place, product_id in enumerate(names.tolist())}
    put = [
        Found(
            names,
            np.array([places[product_id] for product_id, _ in items], np.int64),
            np.array([score for _, score in items], np.float64),
        )
        for items in every
    ]
    return names, put
