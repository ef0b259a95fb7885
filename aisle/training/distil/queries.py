"""The queries of a distillation: real ones, and ones made from products; never one that is held out.

Knows texts and products, no model. What is made is drawn by a seed and each product's own words: the same catalogue
and seed give the same queries. In the manner of GPL (Wang et al. 2022, "GPL: Generative Pseudo Labeling"), with
fragments of titles in the place of a generator.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from aisle.judgments.split import query_key
from aisle.language.script import has_han, joined
from aisle.types import Product

Kind = Literal["real", "title", "phrase"]
Words = Callable[[str], list[str]]
LENGTHS = (1, 2, 2, 2, 2, 3, 3, 3, 4)
"""Words of a query where no real ones say how long they are; of CrowdFlower's 166 half have two, a quarter three."""
_LONGEST = 8
_SHARED = 2
"""A title's word is asked for if so many titles have it: what one title alone has is a code more often than a wish."""
_PHRASE_WORDS = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, of which kind it is, and what it is from: a file, or a product by its id and its place among them."""

    text: str
    kind: Kind
    source: str
    place: int | None = None


class HeldOut:
    """The queries that nothing may be learnt from, in any spelling.

    Args:
        queries: Their texts.
    """

    def __init__(self, queries: Iterable[str] = ()) -> None:
        self._keys = {query_key(query) for query in queries}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, query: str) -> bool:
        return query_key(query) in self._keys


def real_queries(queries: Iterable[tuple[str, str]], held: HeldOut) -> list[Asked]:
    """Each query, given with the name of its file, once by its words; without those that are held out."""
    found: dict[str, Asked] = {}
    for query, source in queries:
        if query.strip() and query not in held:
            found.setdefault(query_key(query), Asked(query, "real", source))
    return list(found.values())


def made_queries(
    products: Sequence[Product],
    count: int,
    phrases: float,
    seed: int,
    *,
    words: Words,
    held: HeldOut,
    like: Sequence[Asked],
) -> list[Asked]:
    """Make queries from products, each once by its words; fewer than ``count`` where the catalogue gives no more.

    Args:
        products: Of the catalogue.
        count: How many are wanted.
        phrases: Share of them that are phrases of brand, category and attributes.
        seed: Of every draw.
        words: Cuts a title into words.
        held: Queries that must not come up.
        like: Real queries: made ones are as long, and repeat none.
    """
    chance = random.Random(f"{seed}:queries")
    taken = {query_key(query.text) for query in like}
    lengths = [min(len(words(query.text)) or 1, _LONGEST) for query in like] or list(LENGTHS)
    cut = [words(product.title) for product in products]
    carriers = Counter(word for title in cut for word in set(title))
    found: list[Asked] = []

    def add(text: str, kind: Kind, place: int) -> None:
        key = query_key(text)
        if text and key not in taken and text not in held:
            taken.add(key)
            found.append(Asked(text, kind, products[place].id, place))

    for text, place in _phrases(products, int(count * phrases), chance):
        add(text, "phrase", place)
    for _ in range(20):  # the same fragments come up again and again in a small catalogue
        for number in chance.sample(range(len(products)), len(products)):
            if len(found) >= count:
                return found
            add(_fragment(cut[number], carriers, chance.choice(lengths), chance), "title", number)
    return found


def _fragment(title: Sequence[str], carriers: Counter[str], length: int, chance: random.Random) -> str:
    """Words that follow each other in the title, those that no other title has left out."""
    kept = [word for word in title if carriers[word] >= _SHARED and (len(word) > 1 or has_han(word))]
    if not kept:
        return ""
    start = chance.randrange(max(1, len(kept) - length + 1))
    return joined(dict.fromkeys(kept[start : start + length]))


def _phrases(products: Sequence[Product], count: int, chance: random.Random) -> list[tuple[str, int]]:
    """Phrases of brand, narrowest category and short attribute values, drawn product by product."""
    found: list[tuple[str, int]] = []
    for number in chance.sample(range(len(products)), len(products)):
        if len(found) >= count:
            break
        product = products[number]
        category = product.category[-1] if product.category else ""
        values = [value for value in product.attributes.values() if isinstance(value, str) and _short(value)]
        kinds = [parts for parts in ((product.brand, category), (category,), (product.brand,)) if all(parts)]
        if category and values:
            kinds.append((chance.choice(values), category))
        if kinds:
            text = " ".join(chance.choice(kinds)).lower()
            if _short(text):
                found.append((text, number))
    return found


def _short(text: str) -> bool:
    return 0 < len(text.split()) <= _PHRASE_WORDS and len(text) <= 60 and any(c.isalpha() for c in text)
