"""Queries made from products in the shape of real ones: names of values and words of the title, in a template's order.

Knows products, names and a shape; no index and no model. The same catalogue, shape and seed give the same queries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from aisle.improve.synthesis.parts import Names, Part
from aisle.improve.synthesis.shape import WORDS, QueryShape, Slot
from aisle.improve.synthesis.titles import TitleStatistics, Word, words_in
from aisle.judgments.split import query_key
from aisle.language.script import joined
from aisle.types import Product

_CARRIERS = 2
"""A title's word is asked for if so many titles have it: what one alone has is a code more often than a wish."""
_TRIES = 8
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Made:
    """A query and what it names of the product it was made from.

    Attributes:
        text: The query.
        place: Of the product.
        template: Such as "brand words(2)", or the model that wrote it.
        parts: What it names.
        words: The keys of the title's words in it.
    """

    text: str
    place: int
    template: str
    parts: tuple[Part, ...] = ()
    words: tuple[str, ...] = ()


class Templates:
    """Makes queries of a catalogue's products.

    Args:
        products: Of the catalogue.
        names: Of its values.
        shape: Of the queries.
    """

    def __init__(self, products: Sequence[Product], names: Names, shape: QueryShape) -> None:
        self.products, self.names, self.shape = products, names, shape
        self.titles = [words_in(product.title) for product in products]
        self.statistics = TitleStatistics.of(self.titles)
        self._liking: dict[str, float] = {}

    def make(self, count: int, seed: int, forbidden: Sequence[str] = ()) -> Iterator[Made]:
        """Queries, each once by its words, product after product in a random order; fewer where there are no more.

        Args:
            count: At most so many.
            seed: Of every draw.
            forbidden: Queries that must not come up in any spelling.
        """
        chance = Random(f"{seed}:templates")
        taken = {query_key(query) for query in forbidden}
        templates, shares = list(self.shape.templates), list(self.shape.templates.values())
        found = 0
        for _ in range(_ROUNDS):
            for place in chance.sample(range(len(self.products)), len(self.products)):
                if found >= count:
                    return
                made = self._one(place, chance.choices(templates, shares)[0], chance)
                if made is not None and (key := query_key(made.text)) not in taken:
                    taken.add(key)
                    found += 1
                    yield made

    def _one(self, place: int, template: Sequence[Slot], chance: Random) -> Made | None:
        """One query; a value that the product does not have is asked for by a word of its title instead."""
        own = self.names.of(self.products[place])
        texts: list[str | None] = []
        parts: list[Part] = []
        wanted: list[tuple[int, int]] = []
        for kind, count in template:
            fitting = [part for part in own if part.kind == kind and part not in parts]
            if kind != WORDS and fitting:
                parts.append(chance.choice(fitting))
                texts.append(parts[-1].name)
            elif kind == WORDS or kind == "attribute" or kind == "category":
                wanted.append((len(texts), count))
                texts.append(None)
            else:
                return None
        named = {word.key for part in parts for word in words_in(part.name)}
        brands = {word.key for part in own if part.kind == "brand" for word in words_in(part.name)}
        chosen = self._words(place, sum(count for _, count in wanted), named | brands, chance)
        if chosen is None:
            return None
        rest = list(chosen)
        for at, count in wanted:
            texts[at] = joined([word.text for word in rest[:count]])
            rest = rest[count:]
        text = joined([text for text in texts if text])
        if len(text) < 2:  # nobody asks for a single Chinese character
            return None
        return Made(text, place, told(template), tuple(parts), tuple(word.key for word in chosen))

    def _words(self, place: int, count: int, taken: set[str], chance: Random) -> list[Word] | None:
        """Words of the title in its order, drawn by how much real queries like such words, mostly side by side."""
        title = [word for word in self.titles[place] if self.statistics.carriers[word.key] >= _CARRIERS]
        free = {at: word for at, word in enumerate(title) if word.key not in taken}
        if len({word.key for word in free.values()}) < count:
            return None
        chosen: list[int] = []
        while len(chosen) < count:
            near = [at for at in free if at + 1 in chosen or at - 1 in chosen]
            drawn = near if near and chance.random() < self.shape.adjacent else list(free)
            at = chance.choices(drawn, [self._likes(free[at].key) for at in drawn])[0]
            chosen.append(at)
            free = {other: word for other, word in free.items() if word.key != title[at].key}
            if not free and len(chosen) < count:
                return None
        return [title[at] for at in sorted(chosen)]

    def _likes(self, key: str) -> float:
        if key not in self._liking:
            self._liking[key] = self.shape.liking(self.statistics, key)
        return self._liking[key]


def told(template: Sequence[Slot]) -> str:
    """A template in words."""
    return " ".join(f"{kind}({count})" if kind == WORDS else kind for kind, count in template)
