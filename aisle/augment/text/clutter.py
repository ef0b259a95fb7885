"""Words and marks that say nothing of the product: fillers in queries; HTML and other queries' words in titles.

The grade keeps: what is asked for, and the product, are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from aisle.augment.change import QUERIES, TITLES, Effect, Side

_BEFORE = ("best", "buy", "cheap", "the best", "looking for", "i need", "where to buy", "good", "shop for")
_AFTER = ("online", "for sale", "near me", "free shipping", "best price", "deals", "on sale", "please")
_TAGS = ("b", "strong", "span", "p", "h1", "i", "div", "font")
_BREAKS = ("<br>", "<br/>", "&nbsp;", " &amp; ", "&quot;")
_POPULAR = (
    "gift", "iphone case", "free shipping", "christmas lights", "best seller", "shoes", "headphones", "dress", "toys",
    "laptop", "kitchen", "watch", "hot sale", "new arrival", "bag", "phone charger", "home decor", "women", "men",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wordy:
    """A filler before or after a query: "best usb hub", "usb hub near me"."""

    name: str = "wordy"
    effect: Effect = "keeps"
    sides: frozenset[Side] = QUERIES

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None of an empty one."""
        if not text.strip():
            return None
        return f"{rng.choice(_BEFORE)} {text}" if rng.random() < 0.5 else f"{text} {rng.choice(_AFTER)}"


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML left in a title: a tag around a run of its words, or a break or an entity between two."""

    name: str = "markup"
    effect: Effect = "keeps"
    sides: frozenset[Side] = TITLES

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None of an empty one."""
        pieces = text.split()
        if not pieces:
            return None
        if len(pieces) > 1 and rng.random() < 0.4:
            at = rng.randrange(1, len(pieces))
            return " ".join(pieces[:at]) + rng.choice(_BREAKS) + " ".join(pieces[at:])
        first = rng.randrange(len(pieces))
        last = rng.randrange(first, len(pieces))
        tag = rng.choice(_TAGS)
        inside = " ".join(pieces[first : last + 1])
        return " ".join([*pieces[:first], f"<{tag}>{inside}</{tag}>", *pieces[last + 1 :]])


@dataclass(frozen=True, slots=True)
class Stuffed:
    """What shoppers search for, set behind a title so that it is found more often.

    Attributes:
        searches: What may be set there.
        own: The query beside which the title stands: an attack on it, in half of the cases.
    """

    searches: Sequence[str] = _POPULAR
    own: str = ""
    name: str = "stuffed"
    effect: Effect = "keeps"
    sides: frozenset[Side] = TITLES

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None of an empty one."""
        if not text.strip() or not self.searches:
            return None
        if self.own and rng.random() < 0.5:
            return f"{text} {self.own}"
        found = [rng.choice(self.searches) for _ in range(rng.randrange(1, 4))]
        return " ".join([text, *found])
