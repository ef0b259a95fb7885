"""Brands of a catalogue without a brand column: what titles begin with and descriptions write with a capital.

    "Panasonic Arc5 Shaver", "Panasonic Beard Trimmer" -> Panasonic        "Vintage Wine Rack" -> none

A guess: nothing in the catalogue confirms it, and no filter can check it. Knows products, no queries.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import regex

from aisle.query.concepts import Concepts
from aisle.query.facts import UNCHECKABLE, Term
from aisle.query.keys import spans, tokens_of
from aisle.types import Product

MAX_WORDS = 3
MIN_TITLES = 3
MIN_SHARE = 0.4
"""Of the titles that have the words, so many begin with them."""
MAX_SMALL = 0.3
"""Of the times that descriptions have the words, so many at most are not capitalised."""
UNDESCRIBED = 0.8
"""The same for words that no description has, so that nothing says whether they are written small."""
SAME_NAME = 0.9
"""Words followed by the same word in so many titles are one name with it: Hamilton is always Hamilton Beach."""

_PLAIN = regex.compile(r"\p{Lu}[^\p{N}\p{Han}]*")


@dataclass(slots=True)
class _Seen:
    """How often words begin a title, are in one, and are in a description, there also with a small letter."""

    first: Counter[str] = field(default_factory=Counter)
    anywhere: Counter[str] = field(default_factory=Counter)
    described: Counter[str] = field(default_factory=Counter)
    small: Counter[str] = field(default_factory=Counter)
    written: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    longer: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, product: Product) -> None:
        tokens = tokens_of(product.title)
        keys = set()
        for span in spans(tokens, MAX_WORDS):
            keys.add(span.key)
            text = product.title[tokens[0].start : tokens[span.last - 1].end]
            if span.first == 0 and _PLAIN.fullmatch(text):
                self.first[span.key] += 1
                self.written[span.key][text] += 1
                if span.last > 1:
                    self.longer["".join(token.key for token in tokens[: span.last - 1])].add(span.key)
        self.anywhere.update(keys)
        words = tokens_of(product.description)
        for span in spans(words, MAX_WORDS):
            self.described[span.key] += 1
            self.small[span.key] += product.description[words[span.first].start].islower()


def brands_of_titles(sample: Iterable[Product], concepts: Concepts) -> dict[str, Term]:
    """Likely brands by key, none of them certain."""
    seen = _Seen()
    for product in sample:
        seen.add(product)
    likely = {key: share for key in seen.first if (share := _share(seen, key)) is not None}
    found: dict[str, Term] = {}
    for key in (key for key in likely if not _begins_with_another(key, likely, seen)):
        while longer := [k for k in seen.longer[key] if seen.first[k] >= SAME_NAME * seen.first[key]]:
            key = longer[0]
        name = seen.written[key].most_common(1)[0][0]
        if key in likely and not concepts.is_colour(name):
            found[key] = Term("brand", name, {}, seen.first[key], round(min(likely[key], UNCHECKABLE), 4))
    return found


def _share(seen: _Seen, key: str) -> float | None:
    """The share of titles with these words that begin with them, if the words may be a brand."""
    share = seen.first[key] / (seen.anywhere[key] + 1)
    described = seen.described[key]
    named = seen.small[key] <= MAX_SMALL * described if described else share >= UNDESCRIBED
    return share if seen.first[key] >= MIN_TITLES and share >= MIN_SHARE and named else None


def _begins_with_another(key: str, likely: dict[str, float], seen: _Seen) -> bool:
    """Whether less of these words is a likely brand already: "Nike Women's" adds nothing to Nike."""
    return any(
        other in likely and key in seen.longer[other] for other in likely if key.startswith(other) and key != other
    )
