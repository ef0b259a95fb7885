"""What was known of the shopper who asked each judged query: a table with a header, or JSON Lines.

The same words asked by two shoppers are two queries, with an id each. Knows ids and prices, no products.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from aisle.errors import InputError, JudgmentError, RequestError
from aisle.judgments.files import lines_of, read_text
from aisle.judgments.tables import SYNONYMS, Header, named_header, places_of, rows
from aisle.shopper import check_shopper
from aisle.types import Shopper

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "query_id": SYNONYMS["query_id"],
    "viewed": ("viewed", "viewed_ids", "viewed_products", "views"),
    "price_low": ("price_low", "low", "price_min", "min_price"),
    "price_high": ("price_high", "high", "price_max", "max_price"),
}
"""Column names by meaning, the surest first; compared without case, blanks, hyphens and underscores."""
FORMATS = (
    "a table with a header such as query_id,viewed,price_low,price_high (comma, semicolon or tab), or JSON Lines; "
    "viewed products, both prices or all three"
)
_BETWEEN = re.compile(r"[\s|]+")

Cells = Mapping[str, str | tuple[str, ...]]
"""By meaning, of one row; in JSON Lines ``viewed`` may be a list."""


def read_shoppers(path: Path) -> dict[str, Shopper]:
    """Read who asked: query id to what was known of the shopper then.

    Viewed products are ids with blanks or ``|`` between them, the latest first; in JSON Lines also a list, whose ids
    may have blanks. What a row leaves empty is unknown.

    Args:
        path: Plain or gzipped; its format is known by content, not by name.

    Raises:
        JudgmentError: The file is unreadable or empty, lacks a column, or has a malformed line, prices that are no
            band, too many viewed products, or a query twice.
    """
    text = read_text(path, "shoppers")
    found: dict[str, Shopper] = {}
    lines: dict[str, int] = {}
    for line, cells in _json(text, path) if text.lstrip().startswith("{") else _table(text, path):
        place = f"{path}, line {line}"
        query_id = str(cells.get("query_id", ""))
        if not query_id.strip():
            raise JudgmentError(f"{place}: the query_id is empty", fix="complete or remove the line")
        if lines.setdefault(query_id, line) != line:
            raise JudgmentError(
                f"{place}: query_id {query_id[:80]!r} stands at line {lines[query_id]} already",
                fix="give each shopper who asks the same words a query_id, in the judgments too",
            )
        found[query_id] = _shopper(cells, place)
    if not found:
        raise JudgmentError(f"{str(path)!r} has a header but no shoppers", allowed=FORMATS)
    return found


def refuse_unasked(shoppers: Mapping[str, Shopper], asked: Collection[str]) -> None:
    """Refuse shoppers of other queries than those that are asked: their rows would change nothing, unnoticed.

    Raises:
        InputError: A shopper's query is not among the ids of those asked.
    """
    unknown = [query_id for query_id in shoppers if query_id not in asked]
    if unknown:
        raise InputError(
            f"a shopper asked query {unknown[0][:80]!r}, which is not among the queries"
            + (f" (nor are {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""),
            allowed="the queries' ids; where their file has no column query_id these are the texts with _ for blanks",
        )


def _shopper(cells: Cells, place: str) -> Shopper:
    viewed = cells.get("viewed", "")
    ids = viewed if isinstance(viewed, tuple) else tuple(filter(None, _BETWEEN.split(viewed)))
    ends = [str(cells.get(name, "")).strip() for name in ("price_low", "price_high")]
    band = None
    try:
        if any(ends):
            band = float(ends[0]), float(ends[1])
        shopper = Shopper(viewed=ids, price_band=band)
        check_shopper(shopper)
    except ValueError:
        raise JudgmentError(
            f"{place}: the prices {ends[0][:40]!r} and {ends[1][:40]!r}", allowed="two numbers, or nothing in both"
        ) from None
    except RequestError as error:
        raise JudgmentError(f"{place}: {error.received}", allowed=error.allowed, fix=error.fix) from None
    return shopper


# --- formats -------------------------------------------------------------------------------------------------


def _table(text: str, path: Path) -> Iterator[tuple[int, Cells]]:
    mark, names = named_header(text, COLUMNS, path, FORMATS)
    yield from rows(text, Header(mark, _usable(names, path)), path)


def _json(text: str, path: Path) -> Iterator[tuple[int, Cells]]:
    entries: list[tuple[int, dict[str, object]]] = []
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise JudgmentError(
                f"{path}, line {number}: {line[:80]!r}", allowed='lines such as {"query_id": "1", "viewed": ["17"]}'
            )
        entries.append((number, entry))
    names = list(dict.fromkeys(name for _, entry in entries for name in entry))
    keys = {meaning: names[place] for meaning, place in _usable(names, path).items()}
    for number, entry in entries:
        yield (
            number,
            {meaning: _cell(entry.get(key), meaning, f"{path}, line {number}") for meaning, key in keys.items()},
        )


def _cell(value: object, meaning: str, place: str) -> str | tuple[str, ...]:
    if value is None:
        return ""
    if meaning == "viewed" and isinstance(value, list):
        return tuple(str(_cell(one, "viewed product", place)) for one in value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise JudgmentError(f"{place}: the {meaning} is {str(value)[:40]!r}", allowed="a text or a number")
    return str(value)


def _usable(names: Sequence[str], path: Path) -> dict[str, int]:
    """Where each meaning stands; a query and something of its shopper must be there."""
    places = places_of(names, COLUMNS)
    if "query_id" not in places or not ("viewed" in places or {"price_low", "price_high"} <= places.keys()):
        there = ", ".join(repr(name[:40]) for name in names)
        raise JudgmentError(
            f"{path}: the columns {there[:300]} say of no query what its shopper viewed or usually pays",
            allowed=FORMATS,
            fix="name the columns in the first line",
        )
    return places
