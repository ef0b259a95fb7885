"""A ranking of which only what is read is made: of two thousand candidates a page shows ten. Knows ids and numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import overload

import numpy as np
from numpy.typing import NDArray

from aisle.order import Found
from aisle.types import Part

Scored = tuple[str, float, dict[str, Part]]
"""Product id, final score, parts."""
_PART: Callable[[tuple[float, int, float]], Part] = partial(tuple.__new__, Part)  # without a call in Python for each


@dataclass(frozen=True, slots=True)
class Column:
    """What one stage gave to products.

    Attributes:
        raw: The scores of the stage's products, ``(m,)``.
        ranks: Their places, ``(m,)``.
        added: What each gets of it, ``(m,)``.
        at: For each product of the ranking, ``(n,)``, its place among the stage's; -1 where the stage lacks it.
    """

    raw: NDArray[np.float64]
    ranks: NDArray[np.int64]
    added: NDArray[np.float64]
    at: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Unmade:
    """A ranking in columns: ids with scores, and what each stage gave."""

    found: Found
    columns: Mapping[str, Column]

    def made(self, start: int, stop: int) -> list[Scored]:
        """The products from one place to before another."""
        parts: list[dict[str, Part]] = [{} for _ in range(start, stop)]
        for stage, column in self.columns.items():
            at = column.at[start:stop]
            there = np.flatnonzero(at >= 0)
            at = at[there]
            values = column.raw[at].tolist(), column.ranks[at].tolist(), column.added[at].tolist()
            for place, part in zip(there.tolist(), map(_PART, zip(*values, strict=True)), strict=True):
                parts[place][stage] = part
        some = self.found[start:stop]
        return list(zip(some.ids, some.scores.tolist(), parts, strict=True))

    def leaving_out(self, places: Sequence[int]) -> Unmade:
        """The same without the products at some places."""
        if not places:
            return self
        kept = np.delete(np.arange(len(self.found)), places)
        found = Found(self.found.names, self.found.rows[kept], self.found.scores[kept])
        return Unmade(found, {stage: replace(column, at=column.at[kept]) for stage, column in self.columns.items()})


class Listed(Sequence[Scored]):
    """A ranking, best first: products that are made, then others that are not yet.

    Args:
        first: Those that are made.
        rest: The others.
        skipped: How many of them are left out at their beginning.
    """

    def __init__(self, first: list[Scored], rest: Unmade, skipped: int = 0) -> None:
        self._first, self._rest, self._skipped = first, rest, skipped

    def __len__(self) -> int:
        return len(self._first) + len(self._rest.found) - self._skipped

    @overload
    def __getitem__(self, place: int) -> Scored: ...
    @overload
    def __getitem__(self, place: slice) -> list[Scored]: ...
    def __getitem__(self, place: int | slice) -> Scored | list[Scored]:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            return self._made(start, max(start, stop))[::step] if step > 0 else list(self)[place]
        at = range(len(self))[place]
        return self._made(at, at + 1)[0]

    def __iter__(self) -> Iterator[Scored]:
        return iter(self._made(0, len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def ids(self) -> list[str]:
        """Of all products, in order."""
        return [*(item[0] for item in self._first), *self._rest.found[self._skipped :].ids]

    def behind(self, count: int, first: list[Scored]) -> Listed:
        """Other products, then those behind the first ``count`` of these."""
        skipped = self._skipped + max(0, count - len(self._first))
        return Listed([*first, *self._first[count:]], self._rest, min(skipped, len(self._rest.found)))

    def without(self, ids: Collection[str]) -> tuple[dict[str, Scored], Listed]:
        """Some products, by id, and the ranking that is left."""
        rest = enumerate(self._rest.found[self._skipped :].ids, start=self._skipped)
        at = [place for place, product_id in rest if product_id in ids]
        taken = [item for item in self._first if item[0] in ids]
        taken += [self._rest.made(place, place + 1)[0] for place in at]
        first = [item for item in self._first if item[0] not in ids]
        return {item[0]: item for item in taken}, Listed(first, self._rest.leaving_out(at), self._skipped)

    def _made(self, start: int, stop: int) -> list[Scored]:
        own = len(self._first)
        shift = self._skipped - own
        return [*self._first[start:stop], *self._rest.made(max(start, own) + shift, max(stop, own) + shift)]


def behind(scored: Sequence[Scored], count: int, first: list[Scored]) -> Sequence[Scored]:
    """``first``, then what stands behind the first ``count`` of a ranking."""
    return scored.behind(count, first) if isinstance(scored, Listed) else [*first, *scored[count:]]


def without(scored: Sequence[Scored], ids: Collection[str]) -> tuple[dict[str, Scored], Sequence[Scored]]:
    """Some products of a ranking, by id, and the ranking that is left."""
    if isinstance(scored, Listed):
        return scored.without(ids)
    return {item[0]: item for item in scored if item[0] in ids}, [item for item in scored if item[0] not in ids]


def ids_of(scored: Sequence[Scored]) -> list[str]:
    """The ids of a ranking, in order."""
    return scored.ids if isinstance(scored, Listed) else [item[0] for item in scored]
