"""Which changes a training makes to its queries and titles, and how often: `[augment]` of a training recipe."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from aisle.augment.change import Change, Side
from aisle.augment.text.table import CHANGES

_STRICT = ConfigDict(extra="forbid")
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=_STRICT)
class AugmentSettings:
    """Changes by name, each with the share of the draws in which it is made; the rest stay as they are.

    Only changes that keep the grade can be named. Lists are drawn anew in every step, by the training's seed and the
    step; what says when to stop and what judges is never changed.

    Attributes:
        query: Of the lists' queries, such as ``{typos = 0.2, order = 0.1}``.
        title: Of the texts.
        consistency: Weight of the distance between a changed text's vector and that of the text as it was. Costs an
            encoding more for every changed text. A cross-encoder has no vectors and leaves it out.
        lists: What the ranking losses see where a text was changed: the changed one ("changed"), or the text as it was
            ("clean"), so that consistency alone learns from the change.
    """

    query: Mapping[str, _Share] = Field(default_factory=dict)
    title: Mapping[str, _Share] = Field(default_factory=dict)
    consistency: _Weight = 0.0
    lists: Literal["changed", "clean"] = "changed"

    def __post_init__(self) -> None:
        """Refuse changes that there are not, that do not fit, or that leave the grade open."""
        sides: tuple[tuple[Side, Mapping[str, float]], ...] = (("query", self.query), ("title", self.title))
        for side, shares in sides:
            fitting = [name for name, change in CHANGES.items() if side in change.sides and change.effect == "keeps"]
            wrong = next((name for name in shares if name not in fitting), None)
            if wrong is not None:
                raise ValueError(f"no change {wrong!r} of a {side} keeps the grade; there are {', '.join(fitting)}")
            if sum(shares.values()) > 1 + 1e-9:
                raise ValueError(f"the shares of changes of a {side} sum to {sum(shares.values()):g}, more than 1")
        if self.lists == "clean" and self.changes and not self.consistency:
            raise ValueError("lists = 'clean' without consistency learns nothing from the changes")

    @property
    def changes(self) -> bool:
        """Whether there is anything to change."""
        return any([*self.query.values(), *self.title.values()])


def drawn(
    shares: Mapping[str, float], text: str, rng: Random, changes: Mapping[str, Change] = CHANGES
) -> tuple[str, Change] | None:
    """The text after one change, drawn by the shares, and that change; None where it stays as it is."""
    left = rng.random()
    for name, share in shares.items():
        left -= share
        if left < 0:
            found = changes[name].apply(text, rng)
            return None if found is None or found == text else (found, changes[name])
    return None
