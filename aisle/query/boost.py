"""Demands as soft preferences: products that meet one move up, products that contradict it move down.

A product whose catalogue entry is silent stays where it is. Knows scored products and demands, nothing of how products
were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aisle.query.constraint import Constraint, verdict
from aisle.query.negation import mentions
from aisle.types import Part, Product

Scored = tuple[str, float, dict[str, Part]]
"""Product id, final score, parts; as `aisle.ranking.fusion` makes them."""

UNKNOWN_TO_FIELDS = 0.5
"""How certain it is that a product has what is refused, if only its title says so."""
_SIGNS = {"satisfied": 1.0, "contradicted": -1.0, "unknown": 0.0}


def boost(
    scored: Sequence[Scored],
    products: Mapping[str, Product],
    constraints: Sequence[Constraint],
    weight: float,
    unwanted: Sequence[str] = (),
) -> list[Scored]:
    """Add what each product makes of the demands to its score, and order anew, ties by id.

    A demand adds ``weight * certainty * best score`` where it is satisfied and takes as much where it is contradicted,
    so that the same weight suits fusion by scores, by ranks and a single list. The demands of one kind are one part,
    "asked:KIND", whose raw score is the sum of their signed certainties.

    Args:
        scored: Of any order.
        products: By id; what is not there keeps its score.
        constraints: As read from the query.
        weight: 0 changes nothing.
        unwanted: What the query refuses and no field knows: titles that mention it count against a product.
    """
    best = max((score for _, score, _ in scored), default=0.0)
    scale = weight * best
    if scale <= 0 or not (constraints or unwanted):
        return sorted(scored, key=lambda item: (-item[1], item[0]))
    boosted = []
    for product_id, score, parts in scored:
        product = products.get(product_id)
        found: dict[str, float] = {}
        if product is not None:
            for constraint in constraints:
                sign = _SIGNS[verdict(constraint, product).status]
                found[constraint.kind] = found.get(constraint.kind, 0.0) + sign * constraint.certainty
            for name in unwanted:
                if mentions(product.title, name):
                    found["without"] = found.get("without", 0.0) - UNKNOWN_TO_FIELDS
        added = {f"asked:{kind}": Part(value, None, scale * value) for kind, value in found.items() if value}
        boosted.append((product_id, score + sum(part.contribution for part in added.values()), parts | added))
    return sorted(boosted, key=lambda item: (-item[1], item[0]))
