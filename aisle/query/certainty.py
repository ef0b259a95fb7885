"""How surely a name means what it can mean, estimated from titles: "sony" in a title says the brand, "case" does not.

The certainty of a name is P(a product has one of its values | the name is in the product's title). A product whose
fields are silent counts against it: a filter would lose that product. Few titles say little, so each estimate is drawn
towards the mean of names like it. Knows products and names, no queries.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aisle.filters.fields import CATEGORY_SEPARATOR, attribute_values
from aisle.language.chinese import simplify
from aisle.language.normalise import normalise
from aisle.query.constraint import Kind
from aisle.query.facts import Term
from aisle.query.keys import all_forms, longest_matches, spans, tokens_of
from aisle.query.names import field_of
from aisle.types import Product, Scalar

STRENGTH = 2.0
"""The mean of names that are alike counts as so many titles."""
UNKNOWN = 0.5
"""How sure a kind of names is of which no title tells."""
LONG = 5
"""Longer names are all alike."""
MAX_VALUES = 50
"""Values of one field that a name stands for; rarer ones only make a filter slow."""

Names = dict[Kind, dict[str, "Candidate"]]


@dataclass(slots=True)
class Candidate:
    """A name that may mean something: how it is written, and the values by field with their numbers of products."""

    written: Counter[str] = field(default_factory=Counter)
    values: defaultdict[str, Counter[Scalar]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, written: str, field: str, value: Scalar, products: int) -> None:
        """Count one value that the name stands for."""
        self.written[written] += products
        self.values[field][value] += products

    def term(self, kind: Kind, certainty: float) -> Term:
        """What is kept of it."""
        values = {
            name: tuple(value for value, _ in sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))))
            for name, counts in sorted(self.values.items())
        }
        products = sum(
            max(counts.values()) if name == "category" else counts.total() for name, counts in self.values.items()
        )
        written = min(self.written.items(), key=lambda item: (-item[1], item[0]))[0]
        return Term(kind, written, {name: v[:MAX_VALUES] for name, v in values.items()}, products, round(certainty, 4))


def weigh(names: Names, sample: Iterable[Product]) -> dict[str, list[Term]]:
    """The terms by key, each with its certainty.

    Args:
        names: By kind and key.
        sample: Products whose titles are looked at.
    """
    titles: Counter[tuple[Kind, str]] = Counter()
    hits: Counter[tuple[Kind, str]] = Counter()
    forms = {kind: all_forms(known) for kind, known in names.items()}
    any_form = {form for known in forms.values() for form in known}
    for product in sample:
        own = _values(product)
        for kind, key in _named(forms, any_form, product.title):
            fields = names[kind][key].values
            titles[kind, key] += 1
            hits[kind, key] += any(not counts.keys().isdisjoint(own.get(n, ())) for n, counts in fields.items())
    # The title that first brought a name has its value by construction and says nothing of the next one.
    said = {name: (max(hits[name] - 1, 0), titles[name] - (hits[name] > 0)) for name in titles}
    mean = _means(said)
    terms: dict[str, list[Term]] = {}
    for kind, known in names.items():
        for key, candidate in known.items():
            right, seen = said.get((kind, key), (0, 0))
            certainty = (right + STRENGTH * mean(kind, key)) / (seen + STRENGTH)
            terms.setdefault(key, []).append(candidate.term(kind, certainty))
    return terms


def _means(said: Mapping[tuple[Kind, str], tuple[int, int]]) -> Callable[[Kind, str], float]:
    """The certainty of names like a name; itself drawn towards that of its kind, which is drawn towards one half."""
    right: Counter[Hashable] = Counter()
    seen: Counter[Hashable] = Counter()
    for (kind, key), (hits, titles) in said.items():
        for group in (kind, _alike(kind, key)):
            right[group] += hits
            seen[group] += titles

    def mean(kind: Kind, key: str) -> float:
        of_kind = (right[kind] + STRENGTH * UNKNOWN) / (seen[kind] + STRENGTH)
        alike = _alike(kind, key)
        return (right[alike] + STRENGTH * of_kind) / (seen[alike] + STRENGTH)

    return mean


def _alike(kind: Kind, key: str) -> tuple[Kind, bool, int]:
    """Names are as sure as others of their kind, script and length: two Chinese characters are in many words."""
    return kind, key.isascii(), min(len(key), LONG)


def _named(forms: Mapping[Kind, Mapping[str, str]], any_form: Container[str], title: str) -> set[tuple[Kind, str]]:
    """The names in a title; within a kind a longer one goes before those inside it."""
    found: set[tuple[Kind, str]] = set()
    candidates = [span for span in spans(tokens_of(simplify(normalise(title)))) if span.key in any_form]
    for kind, known in forms.items():
        mine = [span for span in candidates if span.key in known]
        found |= {(kind, known[span.key]) for span in longest_matches(mine, lambda _: True)}
    return found


def _values(product: Product) -> Mapping[str, Sequence[Scalar]]:
    """A product's values by field, a category as each path that it lies under."""
    found: dict[str, Sequence[Scalar]] = {
        field_of(n): attribute_values(value) for n, value in product.attributes.items()
    }
    if product.brand.strip():
        found["brand"] = (product.brand,)
    if product.category:
        depths = range(1, len(product.category) + 1)
        found["category"] = [CATEGORY_SEPARATOR.join(product.category[:depth]) for depth in depths]
    return found
