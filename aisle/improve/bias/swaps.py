"""Pairs that differ in nothing but a brand, a gender or a country, so that their grades are the same.

title   the query names none of the kind, so whichever the title names is as good: one title at a time
both    the query names one: it and the query's titles are exchanged consistently, each for the other

Knows pairs and tables, no model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Literal

import regex

from aisle.improve.bias.tables import BOUND, BRANDS, COUNTRIES, GENDER_GROUPS, GENDERS, MADE_IN, TIED
from aisle.judgments.pairs import PairSet, TextPair
from aisle.language.script import has_han

Axis = Literal["brand", "gender", "origin"]
Side = Literal["title", "both"]
AXES: tuple[Axis, ...] = ("brand", "gender", "origin")
PER_QUERY = 4
"""Titles of a query to which a country is added: it could be added to all."""


@dataclass(frozen=True, slots=True)
class Variants:
    """One row, or for "both" one query, under each group.

    Attributes:
        field: Within which the groups can be compared, such as "sports" or "adults".
        query_id: Of the rows.
        original: The group that the text names; empty where it names none and a variant adds one.
        pairs: Group to row to the pair as it becomes; that of ``original`` is as it was.
    """

    field: str
    query_id: str
    original: str
    pairs: Mapping[str, Mapping[int, TextPair]]


def variants(pairs: PairSet, axis: Axis, side: Side, seed: int = 0) -> list[Variants]:
    """All counterfactuals of one axis. There are none of "origin" on "both" sides: queries seldom name a country."""
    if axis == "origin":
        return list(_origins(pairs, seed)) if side == "title" else []
    find = _brand_finder() if axis == "brand" else _gender_finder()
    return list(_titles(pairs, find) if side == "title" else _consistent(pairs, find))


# --- brands and genders --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """What a text names: the field, the group, and all groups of the field."""

    field: str
    group: str
    groups: tuple[str, ...]


def _titles(pairs: PairSet, find: _Find) -> Iterator[Variants]:
    for row, pair in enumerate(pairs):
        named = find.named(pair.title)
        if len(named) != 1 or find.named(pair.query) or find.barred(pair.query) or find.barred(pair.title):
            continue
        found = named[0]
        titles = {group: find.exchanged(pair.title, found, group) for group in found.groups}
        yield Variants(
            found.field, pair.query_id, found.group, {g: {row: replace(pair, title=t)} for g, t in titles.items()}
        )


def _consistent(pairs: PairSet, find: _Find) -> Iterator[Variants]:
    for query_id, rows in pairs.by_query().items():
        query = pairs[rows[0]].query
        named = find.named(query)
        kept = [row for row in rows if not find.barred(pairs[row].title)]
        if len(named) != 1 or find.barred(query) or len(kept) < 2:
            continue
        found = named[0]
        yield Variants(
            found.field,
            query_id,
            found.group,
            {group: {row: _both(pairs[row], found, group, find) for row in kept} for group in found.groups},
        )


def _both(pair: TextPair, found: _Named, group: str, find: _Find) -> TextPair:
    query, title = (find.exchanged(text, found, group) for text in (pair.query, pair.title))
    return replace(pair, query=query, title=title)


class _Find:
    """Finds and exchanges what one axis names.

    Args:
        fields: Field to group to its written forms, in parallel for all groups of a field.
        barred: Words whose texts are left alone.
    """

    def __init__(self, fields: Mapping[str, Mapping[str, Sequence[str]]], barred: Sequence[str]) -> None:
        self._groups = {field: tuple(groups) for field, groups in fields.items()}
        self._forms: dict[str, list[tuple[str, str, int]]] = {}
        for field, groups in fields.items():
            for group, forms in groups.items():
                for place, form in enumerate(forms):
                    self._forms.setdefault(form.casefold(), []).append((field, group, place))
        self._fields = fields
        self._pattern = _any_of(self._forms)
        self._barred = _any_of(barred)

    def barred(self, text: str) -> bool:
        """Whether the text is to be left alone."""
        return self._barred.search(text) is not None

    def named(self, text: str) -> list[_Named]:
        """Every group that the text names, once; of a brand in two fields the first."""
        found = {}
        for match in self._pattern.finditer(text):
            field, group, _ = self._forms[match[0].casefold()][0]
            found[field, group] = _Named(field, group, self._groups[field])
        return list(found.values())

    def exchanged(self, text: str, found: _Named, group: str) -> str:
        """The text with the one group for the other and the other for the one."""
        if group == found.group:
            return text
        other = {found.group: group, group: found.group}

        def form(match: regex.Match[str]) -> str:
            for field, named, place in self._forms[match[0].casefold()]:
                if field == found.field and named in other:
                    return _as_written(self._fields[field][other[named]][place], match[0])
            return str(match[0])

        return str(self._pattern.sub(form, text))


def _any_of(words: Sequence[str] | Mapping[str, object]) -> regex.Pattern[str]:
    """Any of these words, the longest first, whole where they are Latin."""
    longest = sorted(words, key=len, reverse=True)
    latin = "|".join(regex.escape(word) for word in longest if not has_han(word))
    han = "|".join(regex.escape(word) for word in longest if has_han(word))
    return regex.compile(rf"(?<![\p{{Latin}}\p{{N}}])(?:{latin})(?![\p{{Latin}}\p{{N}}])|(?:{han or '(?!)'})", regex.I)


def _as_written(new: str, old: str) -> str:
    if old.isupper() and len(old) > 2:
        return new.upper()
    if old.islower():
        return new.lower()
    return new if not new.islower() else new[:1].upper() + new[1:]


@cache
def _brand_finder() -> _Find:
    return _Find({field: {brand: (brand,) for brand in brands} for field, brands in BRANDS.items()}, TIED)


@cache
def _gender_finder() -> _Find:
    fields = {
        field: {group: [pair[side] for pair in forms] for side, group in enumerate(GENDER_GROUPS[field])}
        for field, forms in GENDERS.items()
    }
    return _Find(fields, BOUND)


# --- origin --------------------------------------------------------------------------------------------------

_ORIGIN = regex.compile(r"\bmade in\b|\bimported\b|制造|原装|进口|产地", regex.IGNORECASE)


def _origins(pairs: PairSet, seed: int) -> Iterator[Variants]:
    countries = _any_of([*COUNTRIES["en"], *COUNTRIES["zh"], *_ADJECTIVES])
    for query_id, rows in pairs.by_query().items():
        free = [row for row in rows if not any(p.search(pairs[row].title) for p in (_ORIGIN, countries))]
        if countries.search(pairs[rows[0]].query):
            continue
        Random(f"{seed}|{query_id}").shuffle(free)
        for row in sorted(free[:PER_QUERY]):
            pair = pairs[row]
            language = "zh" if has_han(pair.title) else "en"
            made = {
                group: MADE_IN[language].format(title=pair.title, country=country)
                for group, country in zip(COUNTRIES["en"], COUNTRIES[language], strict=True)
            }
            yield Variants("countries", query_id, "", {g: {row: replace(pair, title=t)} for g, t in made.items()})


_ADJECTIVES = (
    "american",
    "chinese",
    "german",
    "italian",
    "japanese",
    "indian",
    "mexican",
    "french",
    "turkish",
    "swiss",
)
