"""By which names a product can be asked for: those of its brand, category, colour, size and other values.

Knows a catalogue's facts and products; no queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from aisle.filters.fields import CATEGORY_SEPARATOR, field_values
from aisle.query.constraint import Kind
from aisle.query.facts import CatalogueFacts, Term
from aisle.query.keys import known_forms, spans, tokens_of
from aisle.query.parse import MIN_CERTAINTY
from aisle.types import Product, Scalar

_LONGEST = 4
"""Words of a name that a title is searched for, and of one that somebody types."""
_CHARACTERS = 24


@dataclass(frozen=True, slots=True)
class Part:
    """A name that a product can be asked for by.

    Attributes:
        kind: Of what.
        name: As one types it, in small letters.
        key: Of the name.
        values: The values by field that it stands for; none where only titles have it.
    """

    kind: Kind
    name: str
    key: str
    values: Mapping[str, tuple[Scalar, ...]]


class Names:
    """The names of a catalogue's values.

    Args:
        facts: Of the catalogue.
    """

    def __init__(self, facts: CatalogueFacts) -> None:
        self._by_value: defaultdict[tuple[str, str], list[Part]] = defaultdict(list)
        self._by_title: dict[str, Part] = {}
        for key, terms in facts.terms.items():
            for term in terms:
                self._add(key, term)
        self._fields: dict[Kind, frozenset[str]] = {}
        for terms in facts.terms.values():
            for term in terms:
                self._fields[term.kind] = self._fields.get(term.kind, frozenset()) | set(term.values)

    def _add(self, key: str, term: Term) -> None:
        name = term.name.casefold().strip()
        if term.certainty < MIN_CERTAINTY or len(name) > _CHARACTERS or len(name.split()) > _LONGEST:
            return
        part = Part(term.kind, name, key, term.values)
        if not term.values:
            self._by_title.setdefault(key, part)
        for field, values in term.values.items():
            for value in values:
                self._by_value[field, str(value)].append(part)

    def of(self, product: Product) -> list[Part]:
        """The names of a product, each key once for each kind, in an order that depends on nothing but the product."""
        found: dict[tuple[Kind, str], Part] = {}
        for field in sorted({field for fields in self._fields.values() for field in fields}):
            for value in values_of(product, field):
                for part in self._by_value.get((field, value), ()):
                    found.setdefault((part.kind, part.key), part)
        for part in self._in_title(product.title):
            found.setdefault((part.kind, part.key), part)
        return list(found.values())

    def has(self, product: Product, part: Part) -> bool | None:
        """Whether a product is what a name says; None where the catalogue is silent.

        Where fields hold such values they decide; elsewhere the title does, and it contradicts only by another name
        of the same kind.
        """
        if part.values:
            known = False
            for field, values in part.values.items():
                own = values_of(product, field)
                if set(own) & {str(value) for value in values}:
                    return True
                known = known or bool(own)
            if known:
                return False
        keys = {span.key for span in spans(tokens_of(product.title), _LONGEST)}
        if any(form in keys for form in (part.key, *known_forms(part.key, keys))):
            return True
        others = [other for other in self._in_title(product.title) if other.kind == part.kind]
        return False if others and not part.values else None

    def _in_title(self, title: str) -> list[Part]:
        if not self._by_title:
            return []
        keys = (span.key for span in spans(tokens_of(title), _LONGEST))
        return [self._by_title[key] for key in dict.fromkeys(keys) if key in self._by_title]


def values_of(product: Product, field: str) -> tuple[str, ...]:
    """A product's values of a field as text; of the category, each path from the root on."""
    if field == "category":
        path = product.category
        return tuple(CATEGORY_SEPARATOR.join(path[:depth]) for depth in range(1, len(path) + 1))
    return tuple(str(value) for value in field_values(product, field))
