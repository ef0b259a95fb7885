"""What a query asks for, read with a catalogue's own words: brand, category, colour, size, price, and what it refuses.

    red nike shoes under 50  ->  colour red, brand Nike, price < 50

Longest names first; a name of several kinds is read as the surest, a brand before others. Knows facts of a catalogue,
no index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import get_args

import regex

from aisle.filters.fields import CATEGORY_SEPARATOR
from aisle.language.chinese import simplify
from aisle.language.normalise import normalise, single_blanks
from aisle.query.constraint import Constraint, Kind
from aisle.query.facts import CORRECTED, UNCHECKABLE, CatalogueFacts, Term
from aisle.query.keys import Span, Token, known_forms, longest_matches, spans, tokens_of
from aisle.query.negation import Negated, negated_in
from aisle.query.price import prices_in
from aisle.query.sizes import sizes_in
from aisle.query.spelling import corrected
from aisle.types import And, Compare, Exists, Filter, In, Not, Or, Scalar, Under

KINDS: tuple[Kind, ...] = get_args(Kind)
SAID_OUTRIGHT: tuple[Kind, ...] = ("brand", "category", "colour", "size", "price", "without")
"""Without "attribute" and "compatible": words such as headphones and usb, that are also values of attributes which few
products fill. They say what is searched for better than what to filter by (docs/query_understanding.md)."""
MAX_CHARACTERS = 200
"""A longer text describes more than it asks for: nothing is read in it."""
MIN_CERTAINTY = 0.15
"""A name that is less certainly a value is just a word."""
BRAND_FIRST = 0.5
"""A name that is so certainly a brand is read as one, whatever else it may be."""
FOREIGN_CURRENCY = 0.3
"""How certain a price in a currency is that the catalogue does not have; nothing is converted."""

_FOR = regex.compile(
    r"\b(?:for|fits|compatible with|works with)\s(?:(?:a|an|the|my)\s)?$|(?:适用于?|适合|适配|兼容|配)$"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A query's demands.

    Attributes:
        text: The query, normalised.
        constraints: In the order of the text.
        rest: What no demand took.
        searched: What is left to search for by words: without prices and what is not wanted.
        unwanted: What the query refuses and no field of the catalogue knows.
    """

    text: str
    constraints: tuple[Constraint, ...]
    rest: str
    searched: str
    unwanted: tuple[str, ...] = ()


def read_demands(text: str, facts: CatalogueFacts, kinds: Collection[Kind] = SAID_OUTRIGHT) -> Asked:
    """Read a query with what its catalogue knows.

    Args:
        text: As typed.
        facts: Of the catalogue that is searched.
        kinds: The kinds of demands to look for; `KINDS` are all.
    """
    text = simplify(normalise(text))
    if len(text) > MAX_CHARACTERS or not text:
        return Asked(text, (), text, text)
    reading = _Reading(text, facts, kinds)
    if "price" in kinds:
        reading.read_prices()
    if "without" in kinds:
        reading.read_negations()
    if "size" in kinds:
        reading.read_sizes()
    reading.read_names()
    reading.read_misspelt()
    return reading.asked()


@dataclass(slots=True)
class _Reading:
    text: str
    facts: CatalogueFacts
    kinds: Collection[Kind]
    found: list[tuple[int, int, Constraint]] = field(default_factory=list)
    taken: list[tuple[int, int]] = field(default_factory=list)
    unsearched: list[tuple[int, int]] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tokens = tokens_of(self.text)
        self.spans = spans(self.tokens)

    def add(self, start: int, end: int, constraint: Constraint) -> None:
        self.found.append((start, end, constraint))
        self.taken.append((start, end))

    def free(self, start: int, end: int) -> bool:
        return all(end <= first or last <= start for first, last in self.taken)

    def place(self, span: Span) -> tuple[int, int]:
        return self.tokens[span.first].start, self.tokens[span.last - 1].end

    def read_prices(self) -> None:
        for price in prices_in(self.text):
            certainty = price.certainty
            if not self.facts.priced:
                certainty = min(certainty, UNCHECKABLE)
            if price.currency and self.facts.currencies and price.currency not in self.facts.currencies:
                certainty = min(certainty, FOREIGN_CURRENCY)
            words = self.text[price.start : price.end]
            wanted = price.filter
            if price.currency in self.facts.currencies and len(self.facts.currencies) > 1:  # 14 dollars are no 14 euros
                other = Or((Compare("currency", "=", price.currency), Not(Exists("currency"))))
                wanted = And((wanted, other))
            self.add(price.start, price.end, Constraint("price", words, wanted, certainty))
            self.unsearched.append((price.start, price.end))

    def read_negations(self) -> None:
        for negated in negated_in(self.text, self._name_at, self._is_word):
            if self.free(negated.start, negated.end):
                self._refuse(negated)

    def _refuse(self, negated: Negated) -> None:
        start, end = negated.target
        inside = [span for span in self.spans if start <= self.place(span)[0] and self.place(span)[1] <= end]
        parts = [
            (span, term) for span in self._longest(inside, KINDS) if (term := self._best(span, KINDS)) and term.values
        ]
        for _, term in parts:
            words = self.text[negated.start : negated.end]
            self.add(negated.start, negated.end, Constraint("without", words, Not(filter_of(term)), term.certainty))
        if not parts:
            self.unwanted.append(self.text[start:end])
            self.taken.append((negated.start, negated.end))
        self.unsearched.append((negated.start, negated.end))

    def _name_at(self, start: int) -> int | None:
        here = (span for span in self.spans if self.place(span)[0] == start)
        ends = (self.place(span)[1] for span in here if self._best(span, KINDS) is not None)
        return max(ends, default=None)

    def _is_word(self, text: str) -> bool:
        key = "".join(token.key for token in tokens_of(text))
        return key in self.facts.terms

    def read_sizes(self) -> None:
        for size in sizes_in(self.text, self.facts):
            if self.free(size.start, size.end):
                words = self.text[size.start : size.end]
                self.add(size.start, size.end, Constraint("size", words, size.filter, size.certainty))

    def read_names(self) -> None:
        for span in self._longest((span for span in self.spans if self.free(*self.place(span))), self.kinds):
            start, end = self.place(span)
            term = self._best(span, self.kinds, after_for=_FOR.search(self.text[:start].casefold()) is not None)
            if term is not None:
                self.add(start, end, Constraint(term.kind, self.text[start:end], filter_of(term), term.certainty))

    def read_misspelt(self) -> None:
        for token in self.tokens:
            if self.free(token.start, token.end) and (key := corrected(token.key, self.facts)) is not None:
                term = next(term for term in self.facts.terms[key] if term.kind in CORRECTED)
                if term.kind in self.kinds:
                    words = f"{self.text[token.start : token.end]} -> {term.name}"
                    certainty = round(term.certainty * 0.9, 4)
                    self.add(token.start, token.end, Constraint(term.kind, words, filter_of(term), certainty))

    def _longest(self, candidates: Iterable[Span], kinds: Collection[Kind]) -> list[Span]:
        return longest_matches(candidates, lambda span: self._best(span, kinds) is not None)

    def _best(self, span: Span, kinds: Collection[Kind], *, after_for: bool = False) -> Term | None:
        """The surest meaning of a name; what follows "for" is what a thing goes with, not its brand."""
        known = (term for key in known_forms(span.key, self.facts.terms) for term in self.facts.terms[key])
        terms = [term for term in known if term.certainty >= MIN_CERTAINTY and term.kind in kinds]
        if after_for:
            terms = [t for t in terms if t.kind == "compatible"] or [t for t in terms if t.kind != "brand"]
        else:
            terms = [t for t in terms if t.kind != "compatible"]
        brand = next((t for t in terms if t.kind == "brand" and t.certainty >= BRAND_FIRST), None)
        return brand or max(terms, key=lambda t: (t.certainty, t.products), default=None)

    def asked(self) -> Asked:
        found = [constraint for _, _, constraint in sorted(self.found, key=lambda item: item[:2])]
        rest, searched = _left(self.text, self.taken), _left(self.text, self.unsearched)
        return Asked(self.text, _one_brand(found), rest, searched, tuple(self.unwanted))


def filter_of(term: Term) -> Filter:
    """Any of the values that a name stands for.

    A name that no field knows gives a filter that no product passes and none contradicts.
    """
    parts: list[Filter] = []
    for where, values in term.values.items():
        if where == "category":
            parts += [Under(tuple(str(value).split(CATEGORY_SEPARATOR))) for value in values]
        else:
            parts.append(_one_of(where, values))
    if not parts and term.kind == "brand":
        return Compare("brand", "=", term.name)
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _one_of(where: str, values: tuple[Scalar, ...]) -> Filter:
    return Compare(where, "=", values[0]) if len(values) == 1 else In(where, values)


def _one_brand(constraints: list[Constraint]) -> tuple[Constraint, ...]:
    """A product has one brand: of several in a query any may be meant."""
    brands = [c for c in constraints if c.kind == "brand"]
    if len(brands) < 2:
        return tuple(constraints)
    texts = ", ".join(dict.fromkeys(c.text for c in brands))
    together = replace(
        brands[0], text=texts, filter=Or(tuple(c.filter for c in brands)), certainty=min(c.certainty for c in brands)
    )
    return tuple(together if c is brands[0] else c for c in constraints if c.kind != "brand" or c is brands[0])


def _left(text: str, gone: Iterable[tuple[int, int]]) -> str:
    kept = list(text)
    for start, end in gone:
        kept[start:end] = " " * (end - start)
    return single_blanks("".join(kept))
