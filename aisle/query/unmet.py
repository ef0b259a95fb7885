"""Which demands no product shown meets, and how to say so: a soft preference changes an order and leaves nothing out.

Knows demands and products, nothing of how products were found or ordered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aisle.language.script import language_of
from aisle.query.constraint import Constraint, verdict
from aisle.query.relax import named, named_in_chinese
from aisle.types import Product

LIKELY = 0.5
"""Of a demand less certain than this the shopper more probably means something else: nothing is missed."""


def unmet(
    constraints: Iterable[Constraint], products: Sequence[Product]
) -> tuple[tuple[Constraint, ...], tuple[Constraint, ...]]:
    """The likely demands that none of the products meets: what one contradicts, and what all are silent on.

    Args:
        constraints: In the order of the query.
        products: What is shown; of nothing shown nothing is unmet.
    """
    against: list[Constraint] = []
    silent: list[Constraint] = []
    for constraint in constraints:
        found = {verdict(constraint, product).status for product in products}
        if not found or "satisfied" in found or constraint.certainty < LIKELY:
            continue
        (against if "contradicted" in found else silent).append(constraint)
    return tuple(against), tuple(silent)


def said_of_unmet(constraints: Iterable[Constraint], products: Sequence[Product], query: str) -> str | None:
    """Which likely demands none of the products meets, in Chinese for a Chinese query, else in English; None: no such.

    Args:
        constraints: In the order of the query.
        products: What is shown.
        query: As typed, for its language.
    """
    against, silent = unmet(constraints, products)
    if language_of(query) == "zh":
        said = [f"以下商品均不符合：{named_in_chinese(against)}"] if against else []
        said += [f"以下商品均未注明：{named_in_chinese(silent)}"] if silent else []
        return "；".join(said) or None
    said = [f"none of these products meets: {named(against)}"] if against else []
    said += [f"none of these products says anything of: {named(silent)}"] if silent else []
    return "; ".join(said) or None
