"""What to give up when nothing meets every demand, in a stated order, and how to say so.

1. All demands that are certain enough, together.
2. Without the least certain of them, then without the two least certain, and so on.
3. What the query refuses goes after every other demand, the price last of all: both are said outright.
4. No demand at all.

Knows demands, no index: whoever searches takes the first step that finds something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aisle.language.script import language_of
from aisle.query.constraint import Constraint
from aisle.types import And, Filter

_LATE = {"without": 1, "price": 2}
_CHINESE = {
    "brand": "品牌", "category": "类目", "colour": "颜色", "size": "尺寸", "price": "价格", "attribute": "属性",
    "compatible": "适用", "without": "排除",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """Demands to keep and demands given up, the one given up first at the front."""

    kept: tuple[Constraint, ...]
    dropped: tuple[Constraint, ...]

    @property
    def filter(self) -> Filter | None:
        """What a product must pass; None where nothing is kept."""
        parts = tuple(constraint.filter for constraint in self.kept)
        return None if not parts else parts[0] if len(parts) == 1 else And(parts)


def relaxations(constraints: Sequence[Constraint], certain: float) -> tuple[Step, ...]:
    """The steps in order, from all certain demands to none; without a certain one there is only the step of none.

    Of two equally certain demands the one said later goes first.

    Args:
        constraints: In the order of the query.
        certain: A demand of at least this certainty is a filter; others never are.
    """
    sure = [constraint for constraint in constraints if constraint.certainty >= certain]
    places = range(len(sure))
    order = sorted(places, key=lambda i: (_LATE.get(sure[i].kind, 0), sure[i].certainty, -i))
    return tuple(
        Step(tuple(sure[i] for i in places if i not in order[:gone]), tuple(sure[i] for i in order[:gone]))
        for gone in range(len(sure) + 1)
    )


def said(step: Step) -> str:
    """What was given up, in English; empty where nothing was."""
    return f"nothing matched everything asked for; searched without {named(step.dropped)}" if step.dropped else ""


def said_in_chinese(step: Step) -> str:
    """What was given up, in Chinese; empty where nothing was."""
    return f"没有商品符合全部条件；已放宽：{named_in_chinese(step.dropped)}" if step.dropped else ""


def said_to(query: str, step: Step) -> str:
    """What was given up, in Chinese for a Chinese query, else in English; empty where nothing was."""
    return said_in_chinese(step) if language_of(query) == "zh" else said(step)


def named(constraints: Sequence[Constraint]) -> str:
    """Demands by kind and the query's words, in English: "price (under 50), colour (red)"."""
    return ", ".join(f"{constraint.kind} ({constraint.text})" for constraint in constraints)


def named_in_chinese(constraints: Sequence[Constraint]) -> str:
    """Demands by kind and the query's words, in Chinese."""
    return "、".join(f"{_CHINESE[constraint.kind]}（{constraint.text}）" for constraint in constraints)
