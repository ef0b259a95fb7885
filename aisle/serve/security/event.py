"""One event: what is checked, masked and hashed before it is a line, and what a line says when it is read again."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aisle.errors import RequestError
from aisle.monitor.records import kept_id
from aisle.privacy import mask
from aisle.serve.security.files import secret_of
from aisle.serve.security.names import valid_id

TYPES = ("impression", "click", "cart", "purchase")
_VERSION = 1
_MAX_ITEMS = 500
_MAX_EXTRA = 20
_QUERY_CHARS = 2_000
_TEXT_CHARS = 500
_EXTRA_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")

Plain = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Item:
    """A product of an event.

    Attributes:
        id: Of the product.
        position: On the page, from 1; 0 where it is not known.
        score: That it was ranked by.
        propensity: With what probability it was shown there, for off-policy evaluation.
        team: Which ranking of an interleaving it came from.
        price: Paid for one.
        quantity: How many.
    """

    id: str
    position: int = 0
    score: float | None = None
    propensity: float | None = None
    team: str = ""
    price: float | None = None
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Event:
    """What a shopper saw or did, as the shop tells it.

    Attributes:
        type: impression, click, cart or purchase.
        items: The products shown, clicked, put into the cart or bought.
        query: As it was typed; masked before it is kept.
        user: The shop's id of a user; only a keyed hash is kept.
        session: The shop's id of a visit; only a keyed hash is kept.
        request_id: Of the search that the event follows.
        ranking: Fingerprint or name of what ranked.
        variant: Of an experiment.
        extra: At most 20 more values; texts are masked.
    """

    type: str
    items: tuple[Item, ...] = ()
    query: str = ""
    user: str = ""
    session: str = ""
    request_id: str = ""
    ranking: str = ""
    variant: str = ""
    extra: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is kept: ``user`` and ``session`` are hashes (or ""), ``time`` is when the service got it."""

    time: dt.datetime
    event: Event


class Hasher:
    """Keyed hashes of users: the same user is the same hash, and without the secret nobody can try out names.

    Args:
        state: Folder of the secret ``events.salt``. Without it no user's events can be found again.
    """

    def __init__(self, state: Path) -> None:
        self._salt = secret_of(state / "events.salt")

    def __call__(self, kind: str, text: str) -> str:
        """32 hexadecimal digits for a user or a session, "" for ""."""
        if not text:
            return ""
        return hmac.digest(self._salt, f"{kind}\0{text}".encode("utf-8", "replace"), hashlib.sha256).hex()[:32]


def line_of(event: Event, now: dt.datetime, hasher: Hasher) -> bytes:
    """An event as the line that is kept.

    Raises:
        RequestError: The type is unknown, an id cannot be one, a number is not finite, or there are too many parts.
    """
    if event.type not in TYPES:
        raise RequestError(f"event type {event.type[:40]!r}", allowed=", ".join(TYPES))
    if len(event.items) > _MAX_ITEMS or len(event.extra) > _MAX_EXTRA:
        raise RequestError(
            f"an event with {len(event.items):,} items and {len(event.extra):,} extra values",
            allowed=f"at most {_MAX_ITEMS} and {_MAX_EXTRA}",
        )
    kept = {
        "v": _VERSION,
        "time": now.isoformat(timespec="milliseconds"),
        "type": event.type,
        "query": mask(event.query)[:_QUERY_CHARS],
        "user": hasher("user", _optional(event.user, "user")),
        "session": hasher("session", _optional(event.session, "session")),
        "request_id": kept_id(_optional(event.request_id, "request id")),
        "ranking": mask(_optional(event.ranking, "ranking")),
        "variant": mask(_optional(event.variant, "variant")),
        "items": [_item(item) for item in event.items],
        "extra": {_key(name): _plain(name, value) for name, value in event.extra.items()},
    }
    short = {name: value for name, value in kept.items() if value not in ("", [], {})}
    return (
        json.dumps(short, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
    )


def event_of(line: bytes) -> StoredEvent:
    """A line that was kept.

    Raises:
        ValueError: It is none.
    """
    try:
        kept = json.loads(line)
        if kept["v"] != _VERSION:
            raise ValueError(f"version {kept['v']}")
        items = tuple(Item(**item) for item in kept.get("items", ()))
        texts = {name: kept.get(name, "") for name in ("query", "user", "session", "request_id", "ranking", "variant")}
        event = Event(kept["type"], items, extra=kept.get("extra", {}), **texts)
        return StoredEvent(dt.datetime.fromisoformat(kept["time"]), event)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no event: {error}") from None


def _optional(text: str, what: str) -> str:
    return valid_id(text, what) if text else ""


def _key(name: str) -> str:
    if not _EXTRA_KEY.fullmatch(name):
        raise RequestError(f"extra value {name[:40]!r}", allowed="lower-case letters, digits and _, at most 40")
    return name


def _plain(name: str, value: Plain) -> Plain:
    if isinstance(value, str):
        return mask(value)[:_TEXT_CHARS]
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e15:
        return value
    raise RequestError(f"extra value {name!r} is {str(value)[:40]!r}", allowed="text, true, false or a finite number")


def _item(item: Item) -> dict[str, Any]:
    valid_id(item.id, "product id")
    numbers = {"score": item.score, "propensity": item.propensity, "price": item.price}
    if any(value is not None and not math.isfinite(value) for value in numbers.values()):
        raise RequestError(f"a number of product {item.id!r} is not finite", allowed="finite numbers")
    if item.propensity is not None and not 0 < item.propensity <= 1:
        raise RequestError(f"the propensity of product {item.id!r} is {item.propensity}", allowed="above 0, up to 1")
    if not (0 <= item.position <= 1_000_000 and 0 <= item.quantity <= 1_000_000):
        raise RequestError(f"position {item.position}, quantity {item.quantity}", allowed="0 to 1,000,000")
    kept: dict[str, Any] = {"id": item.id}
    if item.position:
        kept["position"] = item.position
    kept |= {name: value for name, value in numbers.items() if value is not None}
    if item.team:
        kept["team"] = mask(_optional(item.team, "team"))
    if item.quantity != 1:
        kept["quantity"] = item.quantity
    return kept
