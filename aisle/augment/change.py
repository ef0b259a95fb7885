"""What a change of a text is, and what it says of the label. Knows no catalogue and no model."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

Effect = Literal["keeps", "lowers", "unknown"]
"""What a change does to a pair's grade: it still holds, it is lower now, or nobody can say without judging."""
Side = Literal["query", "title"]
QUERIES: frozenset[Side] = frozenset(("query",))
TITLES: frozenset[Side] = frozenset(("title",))
BOTH = QUERIES | TITLES


class Change(Protocol):
    """One way to change a text."""

    @property
    def name(self) -> str:
        """By which recipes and provenance call it."""
        ...

    @property
    def effect(self) -> Effect:
        """On the grade of a pair whose text was changed."""
        ...

    @property
    def sides(self) -> frozenset[Side]:
        """What it may be applied to."""
        ...

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where there is nothing to change. The same text and state of ``rng``, the same."""
        ...


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a made pair comes from.

    Attributes:
        source: The pair or product it was made of: row number or id.
        how: The changes in their order, each ``name`` or ``name@side``.
        effect: Of all of them together on the grade.
        seed: With which it was drawn.
        detail: What else tells of it: the model that wrote a paraphrase, the attribute that was swapped.
    """

    source: str
    how: tuple[str, ...]
    effect: Effect
    seed: int
    detail: str = ""
