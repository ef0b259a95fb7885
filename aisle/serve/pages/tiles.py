"""A hit as a tile: texts and numbers as they are shown, pieces of text to be marked, addresses that are safe to link.

Nothing is escaped here: the templates escape everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from aisle.filters import field_values
from aisle.types import Hit, Product

Pieces = Sequence[tuple[str, bool]]
"""A text in pieces; True: to be marked."""
TINTS = 6
_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Tile:
    """A product as the page shows it.

    Attributes:
        id: Of the product.
        rank: From 1; 0 outside of a ranking.
        score: The ranking's.
        title: With the query's words to be marked.
        excerpt: Of the description, likewise.
        brand: As the catalogue writes it.
        price: With its currency; empty where unknown.
        rating: As the catalogue's scale has it.
        ratings: How many.
        available: None where unknown.
        picture: Address of a picture; empty where there is none that can be linked.
        letters: Stand for the picture.
        tint: Number of the colour behind them.
    """

    id: str
    rank: int
    score: float
    title: Pieces
    excerpt: Pieces
    brand: str
    price: str
    rating: str
    ratings: int | None
    available: bool | None
    picture: str
    letters: str
    tint: int

    @property
    def text(self) -> str:
        """The title without marks."""
        return "".join(piece for piece, _ in self.title)


def tile_of_hit(hit: Hit, highlights: Mapping[str, Any] | None = None) -> Tile:
    """The tile of a hit, with the places of the query's words as `aisle.serve.highlight` gives them."""
    return tile_of(hit.product, hit.rank, hit.score, highlights)


def tile_of(product: Product, rank: int = 0, score: float = 0.0, highlights: Mapping[str, Any] | None = None) -> Tile:
    """The tile of a product."""
    marks = highlights or {}
    named = product.brand or product.title
    return Tile(
        id=product.id,
        rank=rank,
        score=score,
        title=pieces(marks["title"]) if "title" in marks else ((product.title, False),),
        excerpt=_excerpt(product, marks),
        brand=product.brand,
        price=price_text(product),
        rating="" if product.rating is None else f"{product.rating:.1f}",
        ratings=product.rating_count,
        available=next((bool(value) for value in field_values(product, "available")), None),
        picture=next((image for image in product.images if is_web(image)), ""),
        letters=named.strip()[:2].upper(),
        tint=crc32(named.encode(errors="replace")) % TINTS,
    )


def pieces(marked: Mapping[str, Any]) -> Pieces:
    """A text cut at the ranges to be marked."""
    text, at, found = marked["text"], 0, []
    start_cut, end_cut = marked.get("cut", (False, False))
    if start_cut:
        found.append(("… ", False))
    for start, end in marked["ranges"]:
        found += [(text[at:start], False)] if start > at else []
        found.append((text[start:end], True))
        at = end
    found += [(text[at:], False)] if at < len(text) else []
    return [*found, ("…", False)] if end_cut else found


def price_text(product: Product) -> str:
    """A price with its currency, if the catalogue names one."""
    price = next(iter(field_values(product, "price")), None)
    if not isinstance(price, int | float) or isinstance(price, bool):
        return ""
    currency = next(iter(field_values(product, "currency")), "")
    return f"{price:,.2f} {currency}".strip()


def is_web(address: str) -> bool:
    """Whether an address of a catalogue is one of the web, and no script."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not set(address) & set(" \t\r\n\"'<>\\")


def _excerpt(product: Product, marks: Mapping[str, Any]) -> Pieces:
    if "description" in marks:
        return pieces(marks["description"])
    text = product.description
    return ((text[:_EXCERPT] + ("…" if len(text) > _EXCERPT else ""), False),) if text else ()
