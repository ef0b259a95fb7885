"""Judgments of a catalogue's products as pairs of query and rendered text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.errors import JudgmentError
from aisle.judgments import read_judgments, refuse_unknown
from aisle.judgments.pairs import PairSet, TextPair
from aisle.judgments.scale import Scale, declared
from aisle.types import Product


def judged_products(
    catalogue: Path,
    judgments: Path,
    description: bool,
    scale: Scale | None = None,
    note: Callable[[str], None] | None = None,
) -> PairSet:
    """The judged products with their texts; judgments of products that the catalogue lacks are left out.

    Args:
        catalogue: Read and cleaned as `aisle index` does.
        judgments: Graded from 0, unless a scale says otherwise, or by the classes' names.
        description: Whether descriptions are wanted; titles always are.
        scale: Of the grades; else from 0 to the highest.
        note: Told, in words, how many of the judged products the catalogue lacks.

    Raises:
        CatalogueError, JudgmentError: A file cannot be read, a grade is outside the scale, or they have no product in
            common.
    """
    known = read_judgments(judgments)
    scale = declared(judgments, scale, bool(known.gains))
    wanted = {judgment.product_id for judgment in known}
    with clean(catalogue, CatalogueSettings()) as cleaned:
        ids, products = set[str](), dict[str, Product]()
        for one in cleaned:
            ids.add(one.id)
            if one.id in wanted:
                products[one.id] = one
    said = refuse_unknown((one.product_id for one in known), ids, f"the catalogue {str(catalogue)!r}")
    if said and note is not None:
        note(f"note: {said}")
    items = []
    for judgment in known:
        product = products.get(judgment.product_id)
        if product is None:
            continue
        if scale is not None:
            scale.check(judgment.grade, f"{judgments}, product {product.id[:80]!r}")
        if not judgment.query:
            raise JudgmentError(
                f"{str(judgments)!r} names query {judgment.query_id[:80]!r} by its id only",
                fix="give judgments with a query column",
            )
        text = product.description if description else ""
        items.append(TextPair(judgment.query_id, judgment.query, product.id, product.title, text, grade=judgment.grade))
    grades = [item.grade for item in items if item.grade is not None]
    return PairSet(tuple(items), scale or Scale(min(0.0, *grades), max(grades)), str(judgments))
