"""Learning a catalogue's facts in one pass over its products; memory does not grow with their number.

All products are counted; how sure a name is, and in which units attributes measure, is learned from a fixed random
sample of `SAMPLE` products, which for most catalogues is all of them. Knows no queries.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from aisle.filters.fields import CATEGORY_SEPARATOR, attribute_values, field_values
from aisle.query.certainty import Candidate, Names, weigh
from aisle.query.columns import Column, Holds, holds, name_words
from aisle.query.concepts import Concepts
from aisle.query.constraint import Kind
from aisle.query.facts import MIN_CORRECTED, UNCHECKABLE, CatalogueFacts, Term
from aisle.query.keys import key_of, tokens_of
from aisle.query.measured import learn_measured, unit_certainties
from aisle.query.names import field_of, names_of_brand, names_of_category, names_of_flag, names_of_value
from aisle.query.title_brands import brands_of_titles
from aisle.types import Product

T = TypeVar("T")

SAMPLE = 30_000
SEED = 0
MAX_NAMES = 200_000
"""Of more different brands, categories or words than this the rarer half is forgotten."""
KEPT_DESCRIPTION = 500
KEEP = 0.1
"""Less certain meanings of a name are left out."""
MIN_PRODUCTS = 3
"""Rarer values of attributes are no kinds of products."""


@dataclass(slots=True)
class _Counts:
    products: int = 0
    priced: int = 0
    currencies: Counter[str] = field(default_factory=Counter)
    brands: Counter[str] = field(default_factory=Counter)
    categories: Counter[tuple[str, ...]] = field(default_factory=Counter)
    columns: defaultdict[str, Column] = field(default_factory=lambda: defaultdict(Column))
    words: Counter[str] = field(default_factory=Counter)
    sample: list[Product] = field(default_factory=list)

    def add(self, product: Product, chance: random.Random) -> None:
        self.products += 1
        if field_values(product, "price"):
            self.priced += 1
            self.currencies.update(str(value) for value in field_values(product, "currency"))
        _count(self.brands, [product.brand] if product.brand.strip() else [])
        _count(self.categories, [product.category] if product.category else [])
        _count(self.words, (t.key for t in tokens_of(product.title) if len(t.key) >= MIN_CORRECTED and t.key.isalpha()))
        for name, value in product.attributes.items():
            self.columns[name].add(attribute_values(value))
        place = self.products - 1 if self.products <= SAMPLE else chance.randrange(self.products)
        if place < SAMPLE:  # reservoir sampling (Vitter 1985, algorithm R)
            description = product.description[:KEPT_DESCRIPTION]
            self.sample[place : place + 1] = [replace(product, description=description, images=(), offers=())]


class Learner:
    """Learns what a catalogue's words mean, product by product: `add` each, then `facts`.

    Args:
        concepts: What tells colours; None takes the packaged lexicon.
    """

    def __init__(self, concepts: Concepts | None = None) -> None:
        self._concepts = concepts or Concepts()
        self._counts, self._chance = _Counts(), random.Random(SEED)

    def add(self, product: Product) -> None:
        """Take a clean product."""
        self._counts.add(product, self._chance)

    def facts(self) -> CatalogueFacts:
        """What all of them teach."""
        return _facts(self._counts, self._concepts)


def learn(products: Iterable[Product], concepts: Concepts | None = None) -> CatalogueFacts:
    """Learn what a catalogue's words mean.

    Args:
        products: Clean products; read once.
        concepts: What tells colours; None takes the packaged lexicon.
    """
    learner = Learner(concepts)
    for product in products:
        learner.add(product)
    return learner.facts()


def _facts(counts: _Counts, concepts: Concepts) -> CatalogueFacts:
    held = {name: holds(name, column, concepts) for name, column in counts.columns.items()}
    names = _names(counts, held)
    _join_same_colours(names["colour"], concepts)
    terms = weigh(names, counts.sample)
    _add_other_colour_names(terms, concepts)
    if not counts.brands:
        _add(terms, brands_of_titles(counts.sample, concepts))
    if not names["colour"]:
        _add(terms, _colours_of_titles(counts.sample, concepts))
    measured = learn_measured(counts.sample, counts.columns)
    return CatalogueFacts(
        products=counts.products,
        priced=counts.priced,
        currencies=tuple(sorted(counts.currencies)),
        terms={
            key: kept for key, several in terms.items() if (kept := tuple(t for t in several if t.certainty >= KEEP))
        },
        measured=measured,
        units=unit_certainties(counts.sample, measured),
        size_fields=tuple(
            sorted(field_of(name) for name in held if _holds_sizes(name, counts.columns[name], concepts))
        ),
        words=frozenset(counts.words),
    )


def _count(counter: Counter[T], items: Iterable[T]) -> None:
    counter.update(items)
    if len(counter) > MAX_NAMES:
        kept = dict(counter.most_common(MAX_NAMES // 2))
        counter.clear()
        counter.update(kept)


def _holds_sizes(name: str, column: Column, concepts: Concepts) -> bool:
    """Whether an attribute is called size and nothing else, and has numbers."""
    words = name_words(name)
    return bool(words) and all(map(concepts.means_size, words)) and (column.numbers > 0 or bool(column.texts))


def _names(counts: _Counts, held: Mapping[str, Holds]) -> Names:
    """Every name of every value."""
    kinds: tuple[Kind, ...] = ("brand", "category", "colour", "size", "attribute", "compatible")
    names: Names = {kind: {} for kind in kinds}

    def add(kind: Kind, name: str, where: str, value: str | bool, products: int) -> None:
        names[kind].setdefault(key_of(name), Candidate()).add(name, where, value, products)

    for brand, products in counts.brands.items():
        for name in names_of_brand(brand):
            add("brand", name, "brand", brand, products)
    for path, products in counts.categories.items():
        for depth, label in enumerate(path, start=1):
            for name in names_of_category(label):
                add("category", name, "category", CATEGORY_SEPARATOR.join(path[:depth]), products)
    for attribute, column in counts.columns.items():
        where = field_of(attribute)
        if held[attribute] == "flag" and column.true >= MIN_PRODUCTS:
            for name in names_of_flag(attribute):
                add("attribute", name, where, True, column.true)
        for text, products in column.texts.items():
            kind, several = names_of_value(attribute, held[attribute], text)
            if kind in ("colour", "size") or products >= MIN_PRODUCTS:
                for name in several:
                    add(kind, name, where, text, products)
    return names


def _join_same_colours(colours: dict[str, Candidate], concepts: Concepts) -> None:
    """Grey also stands for what is called gray."""
    own = {key: {name: dict(c) for name, c in candidate.values.items()} for key, candidate in colours.items()}
    for key, candidate in colours.items():
        for written in list(candidate.written):
            for other in map(key_of, concepts.same_colour(written)):
                if other != key:
                    for where, found in own.get(other, {}).items():
                        candidate.values[where].update(found)


def _add_other_colour_names(terms: dict[str, list[Term]], concepts: Concepts) -> None:
    """A colour's names in other languages, as sure as the catalogue's own name of it."""
    colours = [(key, term) for key, several in terms.items() for term in several if term.kind == "colour"]
    known = {key for key, _ in colours}
    for _, term in sorted(colours, key=lambda item: (-item[1].products, item[0])):
        others = {key_of(name): term for name in concepts.same_colour(term.name)}
        new = {key: other for key, other in others.items() if key and key not in known}
        _add(terms, new)
        known |= new.keys()


def _colours_of_titles(sample: Iterable[Product], concepts: Concepts) -> dict[str, Term]:
    """Colours that titles name, where no attribute holds colours: no product can confirm them."""
    seen = Counter(token.key for product in sample for token in tokens_of(product.title))
    return {
        word: Term("colour", word, {}, count, UNCHECKABLE) for word, count in seen.items() if concepts.is_colour(word)
    }


def _add(terms: dict[str, list[Term]], more: Mapping[str, Term]) -> None:
    for key, term in more.items():
        terms.setdefault(key, []).append(term)
