"""What was bought together: a table with a row for each product of an order, or of a session.

Knows ids, no products, shoppers or times.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aisle.errors import JudgmentError
from aisle.judgments.files import read_text
from aisle.judgments.tables import SYNONYMS, Header, named_header, places_of, rows

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "order": (
        "order_id", "order", "order_no", "order_number", "basket_id", "basket", "invoice", "invoice_no",
        "transaction_id", "transaction", "session_id", "session", "receipt_id",
    ),
    "product": (*SYNONYMS["product_id"], "stock_code"),
}  # fmt: skip
"""Column names by meaning, the surest first; compared without case, blanks, hyphens and underscores."""
FORMATS = (
    "a table (comma, semicolon or tab) with a header such as order_id,product_id, a row for each product of an order"
)


def read_baskets(path: Path) -> dict[str, tuple[str, ...]]:
    """Read orders: order id to the products in it, each once, in the order of the file.

    The rows of an order need not stand together. Rows without an order or a product are an error.

    Args:
        path: Plain or gzipped.

    Raises:
        JudgmentError: The file is unreadable or empty, lacks a column, or has a row that cannot be meant.
    """
    text = read_text(path, "orders")
    mark, names = named_header(text, COLUMNS, path, FORMATS)
    places = places_of(names, COLUMNS)
    if places.keys() != COLUMNS.keys():
        there = ", ".join(repr(name[:40]) for name in names)
        raise JudgmentError(
            f"{path}: the columns {there[:300]} do not say which product was in which order",
            allowed=FORMATS,
            fix="name the columns in the first line",
        )
    found: dict[str, dict[str, None]] = {}
    for line, cells in rows(text, Header(mark, places), path):
        order, product = cells["order"].strip(), cells["product"].strip()
        if not order or not product:
            raise JudgmentError(
                f"{path}, line {line}: the {'product' if order else 'order'} is empty",
                fix="complete or remove the line",
            )
        found.setdefault(order, {})[product] = None
    if not found:
        raise JudgmentError(f"{str(path)!r} has a header but no orders", allowed=FORMATS)
    return {order: tuple(products) for order, products in found.items()}
